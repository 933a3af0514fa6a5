"""What the command line names becomes what is run; a name that nobody knows is one clear error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import cast, get_args

import torch

import defenses
from bench import fitting, precision
from bench.errors import InvalidConfig, UnknownName
from bench.plan import NAIVE, Selection, plan
from bench.records import OUT_SET, Record
from bench.suggest import hint
from bench.suites import Suite
from bench.tracks import TRACKS, Precision, Track

PAPER = (NAIVE, "ood", "ood_interp")
"""The paper's three, which a run without ``--all`` compares."""

MOST_SEEDS = 1000  # more than these at once were meant as something else


def listed(text: str | None) -> list[str] | None:
    """Return the names in a comma-separated list, each once; ``None`` where there is no list."""
    if text is None:
        return None
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def known(what: str, names: Sequence[str], all_names: Sequence[str]) -> tuple[str, ...]:
    """Return ``names`` where every one is in ``all_names``; raise ``UnknownName`` or ``InvalidConfig`` otherwise."""
    if not names:
        raise InvalidConfig(f"the list of {what}s is empty; name one of {', '.join(all_names)}")
    for name in names:
        if name not in all_names:
            raise UnknownName(f"unknown {what} '{name}'; {hint(name, all_names)}")
    return tuple(names)


def tracks(
    names: Sequence[str] | None,
    device: torch.device,
    asked: Precision | None,
    architecture: str | None,
    *,
    everything: bool,
) -> list[Track]:
    """Return the named tracks, the cheapest first; where none is named ``digits``, or all with ``everything``.

    The precision is the recipe's where ``device`` has instructions for it, unless one is ``asked`` for;
    ``architecture``, one of ``bench.models`` or a timm model's name, stands in for the tracks' own. Raises
    ``UnknownName`` or ``InvalidConfig`` where an architecture is unknown or refuses a track's images.
    """
    unnamed = list(TRACKS) if everything else ["digits"]
    chosen = known("track", unnamed if names is None else names, list(TRACKS))
    found = [track for track in TRACKS.values() if track.name in chosen]
    found = [precision.in_precision(track, asked) if asked else precision.on(track, device) for track in found]
    if architecture is not None:
        found = [replace(track, architecture=architecture) for track in found]
        for track in found:
            fitting.network_factory(track)(track.classes)
    return found


def wanted(
    names: Sequence[str] | None, track_names: Sequence[str] | None, *, everything: bool
) -> tuple[list[str], list[str]]:
    """Return the named defenses, and why others are left out; where none is named the paper's, or all usable ones.

    All but the variants of the paper's choices, which take a fifth of the time and have no rank. Raises
    ``InvalidConfig`` where ``everything`` has nothing to add, since the tracks are named too.
    """
    if names is None:
        usable, reasons = roster() if everything else (list(PAPER), [])
        return [name for name in usable if name not in defenses.VARIANTS], reasons
    if everything and track_names is not None:
        raise InvalidConfig("--all is every track and every defense where none is named; both are: leave it out")
    return list(names), []


def roster() -> tuple[list[str], list[str]]:
    """Return the names of the registered defenses that can be loaded, and why each of the others cannot."""
    usable, reasons = [], []
    for name in defenses.registered():
        try:
            defenses.load(name)
        except defenses.RosterError as error:
            reasons.append(str(error))
        else:
            usable.append(name)
    return usable, reasons


def select(
    track: Track,
    suite: Suite,
    *,
    defense_names: Sequence[str],
    attack_names: Sequence[str] | None,
    seeds: Sequence[int],
    limit: int | None,
    epochs: int | None = None,
) -> Selection:
    """Return what to run on a track; the clean and out-distribution cells are always part of it.

    Networks train for ``epochs``, where none are asked for the recipe's, or the track's fewer ones of a limited run.
    """
    names = known("defense", defense_names, list(defenses.registered()))
    for name in names:
        defenses.load(name)
    of_suite = [attack.name for attack in suite.attacks]
    attacks = known("attack", of_suite if attack_names is None else attack_names, of_suite)
    track = replace(track, recipe=replace(track.recipe, epochs=epochs or track.epochs(limit)))
    return Selection(track, suite, names, attacks, tuple(seeds), limit)


def seeds(text: str) -> range:
    """Return the seeds that a text names: so many from 0 on, or those from a first to a last, as in ``5-7``."""
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text.strip())
    chosen = range(0)
    if found is not None:
        first, last = found.groups()
        chosen = range(int(first)) if last is None else range(int(first), int(last) + 1)
    if not chosen:
        raise InvalidConfig(
            f"--seeds '{text}' names none; use how many, such as 3, or the first and the last, such as 5-7"
        )
    if len(chosen) > MOST_SEEDS:
        last = text.strip().rpartition("-")[2]
        raise InvalidConfig(
            f"--seeds '{text}' names {len(chosen)}, more than {MOST_SEEDS}; to run a single one, write it twice: "
            f"{last}-{last}"
        )
    return chosen


def asked_precision(name: str | None) -> Precision | None:
    """Return the precision of that name; ``None`` leaves it to the recipe and the device."""
    if name is None or name in get_args(Precision):
        return cast("Precision | None", name)
    raise InvalidConfig(f"--precision '{name}' is unknown; use {' or '.join(get_args(Precision))}")


def device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is the GPU where there is one that this torch can use.

    Raises ``InvalidConfig`` where there is no such device, or none that computes.
    """
    if name == "auto":
        return torch.device(
            "cuda" if torch.cuda.is_available() and device_fault(torch.device("cuda")) is None else "cpu"
        )
    try:
        found = torch.device(name)
    except RuntimeError:
        raise InvalidConfig(f"--device '{name}' is no device; use auto, cpu or cuda") from None
    if found.type not in {"cpu", "cuda"}:
        raise InvalidConfig(f"--device '{name}' is not supported; use auto, cpu or cuda")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise InvalidConfig("--device cuda: torch finds no GPU here; use --device cpu")
    fault = device_fault(found)
    if fault is not None:
        raise InvalidConfig(f"--device {name}: {fault}; use --device cpu")
    return found


def device_fault(found: torch.device) -> str | None:
    """Return what keeps a device from computing, such as an index that none has or a GPU that torch has no code for."""
    try:
        torch.zeros(1, device=found).add(1).item()
    except RuntimeError as error:
        return str(error).partition("\n")[0]
    return None


def current(records: Sequence[Record], selection: Selection) -> list[Record]:
    """Return those of a run's records that the selection's track, suite and limit give with the code as it is now.

    None of a defense whose code cannot be read now, or that is not registered any more.
    """
    outs = (r.header.attack.removeprefix(OUT_SET) for r in records if r.header.kind == "out")
    every = replace(
        selection,
        track=replace(selection.track, out_tests=tuple(dict.fromkeys((*selection.track.out_tests, *outs)))),
        attacks=tuple(attack.name for attack in selection.suite.attacks),
        seeds=tuple({record.header.seed for record in records}),
    )
    keys: set[str] = set()
    for name in dict.fromkeys(record.header.defense for record in records):
        with suppress(defenses.RosterError, InvalidConfig):
            keys |= {job.key for job in plan(replace(every, defenses=(name,))).records}
    return [record for record in records if record.key in keys]
