"""A selection becomes the static graph of its jobs, each with the key that names its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import defenses
from bench import canonical, codedigest
from bench.errors import InvalidConfig
from bench.records import OUT_SET
from bench.suites import Suite, SuiteAttack
from bench.tracks import Track
from defenses.base import Defense

Stage = Literal["fit", "craft", "score"]

VERSIONS: dict[Stage, int] = {"fit": 4, "craft": 4, "score": 4}
"""Raised when what a stage computes from equal recipes changes, so that no older artifact is taken for a new one."""

OF_CONTROLS = OF_VICTIMS = 2
"""The same of controls, and of attacks on the defense itself, alone."""

SURROGATE = "surrogate"
"""The role of the attacker's own naive network; a defense's role is ``victim``."""

NAIVE = "naive"
"""The defense that does nothing: what the surrogate is, and what others are measured by."""

CLEAN = "clean"


@dataclass(frozen=True)
class FitTask:
    """Fit a defense, or the surrogate, on a track."""

    track: Track
    limit: int | None
    role: str
    defense: str
    seed: int


@dataclass(frozen=True)
class CraftTask:
    """Attack a network, the input ``source``, which is a fit of ``defense``; the attack is as it is on the track."""

    track: Track
    limit: int | None
    suite: Suite
    attack: SuiteAttack
    defense: str


@dataclass(frozen=True)
class ScoreTask:
    """Score a fitted defense on the clean test images, an out-distribution set, or what the input ``craft`` made."""

    track: Track
    limit: int | None
    suite: Suite
    attack: SuiteAttack | None
    out: str | None
    defense: str
    seed: int


Task = FitTask | CraftTask | ScoreTask


def data_of(task: Task) -> tuple[str, ...]:
    """Return the data sets that a job's result comes from; those of an attacked network stand with its fit."""
    track = task.track
    if isinstance(task, CraftTask):
        return (track.dataset,)
    trained = (track.dataset, track.out_train)
    if isinstance(task, ScoreTask) and task.out is not None:
        return tuple(dict.fromkeys((*trained, task.out)))
    return trained


@dataclass(frozen=True)
class Job:
    """One artifact to be made: ``inputs`` maps what the task calls an input to the job that makes it."""

    stage: Stage
    key: str
    label: str
    task: Task
    inputs: Mapping[str, Job]


@dataclass(frozen=True)
class Selection:
    """What to run on a track."""

    track: Track
    suite: Suite
    defenses: tuple[str, ...]
    attacks: tuple[str, ...]
    seeds: tuple[int, ...]
    limit: int | None


@dataclass(frozen=True)
class Known:
    """A registered defense: its ``module:Class``, the digest of its code, and its class."""

    target: str
    code: str
    defense: type[Defense]


@dataclass
class Plan:
    """The jobs of a selection, by key and in an order in which each comes after its inputs."""

    selection: Selection
    by_key: dict[str, Job] = field(default_factory=dict)
    roster: dict[str, Known] = field(default_factory=dict)

    @cached_property
    def suite_digest(self) -> str:
        """The digest of the suite on the track."""
        return self.selection.suite.digest(self.selection.track.name)

    @property
    def jobs(self) -> list[Job]:
        """The jobs, each after its inputs."""
        return list(self.by_key.values())

    @property
    def records(self) -> list[Job]:
        """The scoring jobs, in the order in which tables show them."""
        return [job for job in self.jobs if job.stage == "score"]

    def needing(self, job: Job) -> list[Job]:
        """Return the jobs that need a job's artifact, directly or not, each after those that it needs itself."""
        found = {job.key}
        needing = []
        for other in self.jobs:
            if any(needed.key in found for needed in other.inputs.values()):
                found.add(other.key)
                needing.append(other)
        return needing

    def known(self, name: str) -> Known:
        """Return what the plan must know of a registered defense."""
        if name not in self.roster:
            target, loaded = defenses.target(name), defenses.load(name)
            self.roster[name] = Known(target, codedigest.as_loaded(target.partition(":")[0]), loaded)
        return self.roster[name]

    def add(self, stage: Stage, label: str, task: Task, spec: Mapping[str, Any], inputs: Mapping[str, Job]) -> Job:
        """Return the job of that recipe, made at most once."""
        recipe = {
            "stage": stage,
            "version": VERSIONS[stage],
            "spec": spec,
            "inputs": {name: job.key for name, job in inputs.items()},
        }
        key = canonical.digest(recipe)
        return self.by_key.setdefault(key, Job(stage, key, label, task, inputs))


def plan(selection: Selection) -> Plan:
    """Return the graph of a selection: fits, then attacks, then a record for every cell."""
    made = Plan(selection)
    for seed in selection.seeds:
        fits = {name: add_fit(made, name, seed) for name in selection.defenses}
        crafted = {
            (attack.name, name): add_craft(made, attack, name, seed)
            for attack in chosen(selection)
            for name in selection.defenses
        }
        for name in selection.defenses:
            clean = add_score(made, name, seed, {"victim": fits[name]})
            for out in selection.track.out_tests:
                add_score(made, name, seed, {"victim": fits[name]}, out=out)
            for attack in chosen(selection):
                inputs = {"victim": fits[name], "clean": clean, "craft": crafted[attack.name, name]}
                add_score(made, name, seed, inputs, attack=attack)
    return made


def chosen(selection: Selection) -> list[SuiteAttack]:
    """Return the selected attacks, in the suite's order."""
    return [attack for attack in selection.suite.attacks if attack.name in selection.attacks]


def training_spec(track: Track) -> dict[str, Any]:
    """Return what of a track decides what a fit makes."""
    spec = asdict(track)
    return {name: spec[name] for name in ("name", "dataset", "out_train", "interpolated", "architecture", "recipe")}


def add_fit(made: Plan, name: str, seed: int, role: str = "victim", above: tuple[str, ...] = ()) -> Job:
    """Add the fit of a defense after those that it needs; ``above`` are the defenses that need it."""
    if name in above:
        raise InvalidConfig(f"defense '{name}' needs itself, by way of {', '.join(above)}; mend their `needs`")
    track, limit = made.selection.track, made.selection.limit
    known = made.known(name)
    needed = {other: add_fit(made, other, seed, above=(*above, name)) for other in known.defense.needs}
    spec = {
        "track": training_spec(track),
        "limit": limit,
        "role": role,
        "defense": name,
        "target": known.target,
        "code": known.code,
        "seed": seed,
    }
    shown = SURROGATE if role == SURROGATE else known.defense.title
    return made.add("fit", f"fit {shown}, seed {seed}", FitTask(track, limit, role, name, seed), spec, needed)


def add_craft(made: Plan, attack: SuiteAttack, victim: str, seed: int) -> Job:
    """Add the crafting of an attack against the network that its ``source`` names; of a control, after its attack's."""
    track, limit, suite = made.selection.track, made.selection.limit, made.selection.suite
    attacked = victim if attack.source == "victim" else NAIVE
    source = add_fit(made, attacked, seed, role=SURROGATE if attack.source == "surrogate" else "victim")
    attack = attack.on(track.name)
    inputs = {"source": source}
    spec: dict[str, Any] = {
        "dataset": track.dataset,
        "limit": limit,
        "source": attack.source,
        "images": attack.images,
        "batch_size": attack.batch_size,
        "permutation": suite.permutation,
        "kind": attack.kind,
        "parameters": attack.spec(track.name).parameters,
    }
    if attack.control is not None:
        inputs["crafted"] = add_craft(made, replace(attack, control=None), victim, seed)
        spec["control"] = [attack.control, OF_CONTROLS]
    if attack.source == "victim":
        spec["source"] = [attack.source, OF_VICTIMS]
    against = f" against {made.known(victim).defense.title}" if attack.source == "victim" else ""
    label = f"craft {attack.title}{against}, seed {seed}"
    return made.add("craft", label, CraftTask(track, limit, suite, attack, attacked), spec, inputs)


def add_score(
    made: Plan,
    name: str,
    seed: int,
    inputs: Mapping[str, Job],
    *,
    attack: SuiteAttack | None = None,
    out: str | None = None,
) -> Job:
    """Add the scoring of a defense on clean images, on an out-distribution set, or on an attack's."""
    selection = made.selection
    task = ScoreTask(selection.track, selection.limit, selection.suite, attack, out, name, seed)
    cell = attack.name if attack else OUT_SET + out if out else CLEAN
    defense = made.known(name).defense
    spec = {
        "track": selection.track.name,
        "track_title": selection.track.title,
        "limit": selection.limit,
        "suite": [selection.suite.name, made.suite_digest],
        "cell": cell,
        "defense": name,
        "defense_title": defense.title,
        "defense_source": defense.source,
        "defense_departs": defense.departs,
        "control": defense.control,
        "precision": selection.track.recipe.precision,
        "seed": seed,
    }
    if (epochs := selection.track.other_epochs(selection.limit)) is not None:
        spec["epochs"] = epochs
    return made.add("score", f"score {defense.title} on {cell}, seed {seed}", task, spec, inputs)
