"""Attack suites: strict TOML into frozen models; a mistake is one line that names file, attack and key."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench import attacks, canonical
from bench.attacks.base import REJECTION, AttackSpec, first_mistake, keys_of
from bench.errors import InvalidConfig, UnknownName
from bench.records import OUT_SET
from bench.suggest import hint
from bench.tracks import TRACKS

PACKAGE = "attacks_cfg"
STANDARD = "table1"
"""The suite that a run takes unless it is told of another."""

SUFFIX = ".toml"
SLUG = r"^[a-z0-9][a-z0-9_-]*$"

M = TypeVar("M", bound=BaseModel)
Disturbance = Literal["noise", "flipped", "shuffled"]
"""What becomes of an attack's perturbation in a control: its values go to random pixels with random signs; its sign is
turned; another image's takes its place."""

Source = Literal["surrogate", "twin", "victim"]


class _Header(BaseModel):
    """The keys of a suite's file."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    title: str = Field(min_length=1)
    permutation: int = Field(ge=0, lt=2**63)  # torch seeds with no more
    attack: list[dict[str, Any]] = Field(min_length=1)


class _Common(BaseModel):
    """The keys that every attack has, whatever its kind."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    name: str = Field(pattern=SLUG)
    title: str = Field(min_length=1)
    kind: str
    source: Source
    in_average: bool
    batch_size: int = Field(gt=0)
    images: int | None = Field(default=None, gt=0)
    controls: list[Disturbance] = Field(default_factory=list)
    track: dict[str, dict[str, Any]] = Field(default_factory=dict)


OVERRIDABLE = ("batch_size", "images")
"""The common keys that ``[attack.track.<name>]`` may change; every parameter of the kind may be changed too."""


@dataclass(frozen=True)
class SuiteAttack:
    """One attack of a suite.

    ``batch_size`` is in images × targets; ``images`` is how many of the images that the attacked network gets right are
    attacked, the first of the suite's permutation, ``None`` for all; ``control`` is what becomes of the perturbations,
    ``None`` if they stay as they are; ``params`` are the kind's parameters; ``tracks`` says what differs by track, and
    is empty in what ``on`` returns.
    """

    name: str
    title: str
    kind: str
    source: Source
    in_average: bool
    batch_size: int
    images: int | None
    control: Disturbance | None
    params: Mapping[str, Any]
    tracks: Mapping[str, Mapping[str, Any]]
    where: str

    def on(self, track: str) -> SuiteAttack:
        """Return this attack as it is on a track, with that track's values in place."""
        changed = dict(self.tracks.get(track, {}))
        return replace(
            self,
            batch_size=changed.pop("batch_size", self.batch_size),
            images=changed.pop("images", self.images),
            params={**self.params, **changed},
            tracks={},
        )

    def spec(self, track: str) -> AttackSpec:
        """Return the checked parameters on a track."""
        return attacks.spec(self.kind, self.on(track).params, where=self.where)

    def identity(self, track: str) -> dict[str, Any]:
        """Return everything that the attack is on a track, as JSON has it."""
        own = asdict(self.on(track)) | {"params": self.spec(track).parameters}
        return {name: own[name] for name in own if name not in {"tracks", "where"}}


@dataclass(frozen=True)
class Suite:
    """A list of attacks, in the order in which tables show them.

    ``permutation`` seeds the order in which ``images`` are chosen.
    """

    name: str
    title: str
    permutation: int
    attacks: tuple[SuiteAttack, ...]

    def digest(self, track: str) -> str:
        """Return the sha256 of what the suite is on a track.

        Comments and white space in its file do not change it, nor does what the file says of other tracks.
        """
        own = [attack.identity(track) for attack in self.attacks]
        return canonical.digest({"title": self.title, "permutation": self.permutation, "attacks": own})


def names() -> list[str]:
    """Return the names of the suites that ship with the program."""
    found = (entry.name for entry in resources.files(PACKAGE).iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))


def load(name_or_path: str | Path) -> Suite:
    """Return a suite that ships with the program by its name, or one's own by the path of its ``.toml`` file.

    Raises ``UnknownName`` for a name that no suite has, and ``InvalidConfig`` for a file that cannot be used.
    """
    text = str(name_or_path)
    if text.endswith(SUFFIX):
        path = Path(name_or_path)
        name, where = path.stem, str(path)
        if not re.fullmatch(SLUG, name):
            raise InvalidConfig(
                f"{where}: the tables' files get its name; rename it to lower-case letters, digits, '-' and '_' alone"
            )
        if name in names() and not path.resolve().is_relative_to(Path(str(resources.files(PACKAGE))).resolve()):
            raise InvalidConfig(
                f"{where}: '{name}' is the name of a suite that ships with the program; rename the file"
            )
    elif text in names():
        name, where = text, text + SUFFIX
        path = None
    else:
        raise UnknownName(f"unknown suite {text!r}, {hint(text, names())} (a file of your own ends in {SUFFIX})")
    try:
        content = path.read_bytes() if path else resources.files(PACKAGE).joinpath(where).read_bytes()
        return parse(tomllib.loads(content.decode()), name, where)
    except OSError as error:
        raise InvalidConfig(f"{where}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{where}: not TOML: {error}") from None


def parse(content: Mapping[str, Any], name: str, where: str) -> Suite:
    """Return the suite that a file's parsed content stands for; raise ``InvalidConfig`` that names ``where``."""
    if not content.get("attack"):
        raise InvalidConfig(f"{where}: an empty suite, write at least one [[attack]] table")
    header = _validated(_Header, content, where)
    tables = enumerate(header.attack, start=1)
    found = tuple(attack for number, table in tables for attack in _attacks(table, number, where))
    _refuse_duplicates((attack.name for attack in found), where)
    return Suite(name, header.title, header.permutation, found)


def _attacks(table: Mapping[str, Any], number: int, file: str) -> list[SuiteAttack]:
    """Return the attack of one table and its controls, checked on its own and on every track that it names.

    A control is called after its attack, and counts in no average.
    """
    shown = table.get("name")
    where = f"{file}: attack {shown if isinstance(shown, str) else number}"
    if isinstance(shown, str) and (shown == "clean" or shown.startswith(OUT_SET)):
        raise InvalidConfig(f"{where}: name: reserved for images that nobody attacked, choose another")
    common = _validated(_Common, {key: value for key, value in table.items() if key in _Common.model_fields}, where)
    attack = SuiteAttack(
        name=common.name,
        title=common.title,
        kind=common.kind,
        source=common.source,
        in_average=common.in_average,
        batch_size=common.batch_size,
        images=common.images,
        control=None,
        params={key: value for key, value in table.items() if key not in _Common.model_fields},
        tracks=common.track,
        where=where,
    )
    _check_aim(attack, attacks.spec(attack.kind, attack.params, where=where))
    for track, changed in attack.tracks.items():
        _check_track(attack, common, track, changed)
    controls = [
        replace(attack, name=f"{attack.name}_{how}", title=f"{attack.title}, {how}", control=how, in_average=False)
        for how in common.controls
    ]
    return [attack, *controls]


def _check_aim(attack: SuiteAttack, spec: AttackSpec) -> None:
    """Raise ``InvalidConfig`` where a rejection is aimed at of a network that makes none, or counted as an error."""
    if REJECTION not in spec.targets:
        return
    if attack.source != "victim":
        raise InvalidConfig(
            f"{attack.where}: source: should be 'victim': no other network can reject, and that is the target"
        )
    if attack.in_average:
        raise InvalidConfig(f"{attack.where}: in_average: should be false: what is to be rejected makes no error")


def _check_track(attack: SuiteAttack, common: _Common, track: str, changed: Mapping[str, Any]) -> None:
    """Raise ``InvalidConfig`` where what differs on a track cannot be used."""
    where = f"{attack.where}: track.{track}"
    if track not in TRACKS:
        raise InvalidConfig(f"{where}: unknown track, {hint(track, TRACKS)}")
    for key in changed:
        if key in _Common.model_fields and key not in OVERRIDABLE:
            raise InvalidConfig(f"{where}: {key}: cannot differ by track")
    shared = {key: changed[key] for key in OVERRIDABLE if key in changed}
    _validated(_Common, {**common.model_dump(), **shared}, where)
    _check_aim(replace(attack, where=where), attacks.spec(attack.kind, attack.on(track).params, where=where))


def _validated(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """Return the model of ``values``; raise ``InvalidConfig`` with its first mistake."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise InvalidConfig(f"{where}: {first_mistake(error, keys_of(model))}") from None


def _refuse_duplicates(found: Iterable[str], where: str) -> None:
    """Raise ``InvalidConfig`` where a name comes twice."""
    name, count = Counter(found).most_common(1)[0]
    if count > 1:
        raise InvalidConfig(f"{where}: attack {name}: {count} attacks have this name, give each its own")
