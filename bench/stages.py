"""What each kind of job does: inputs and data in, JSON and tensors out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

import defenses
from bench import crafting, disturbing, fitting, records, scoring, seeding
from bench.checkpoints import Checkpoints
from bench.plan import CLEAN, CraftTask, FitTask, Job, ScoreTask, data_of
from bench.store import Artifact
from bench.suites import Disturbance, SuiteAttack
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses.base import RejectingClassifier

Advance = Callable[[float], None]
"""Told the work done since the last call, in forward passes of the track's network."""

Warn = Callable[[str], None]
"""Told in one line what a job goes on without."""

CRAFTED = [field.name for field in fields(crafting.Crafted)]


@dataclass(frozen=True)
class Result:
    """What a job made."""

    meta: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Means:
    """What a job is done with; the checkpoints are those of the job, if it is a fit."""

    device: torch.device
    advance: Advance
    warn: Warn
    checkpoints: Checkpoints


def run(job: Job, inputs: Mapping[str, Artifact], data: TrackData, means: Means) -> Result:
    """Do a job and return what it made."""
    match job.task:
        case FitTask():
            return fit(job.task, inputs, data, means)
        case CraftTask():
            return craft(job.task, inputs, data, means)
        case ScoreTask():
            return score(job.task, inputs, data, means.device, means.advance)


def classifier_of(name: str, artifact: Artifact, track: Track, device: torch.device) -> RejectingClassifier:
    """Return the classifier that a fit of the defense ``name`` stored."""
    return fitting.rebuild(name, artifact.meta["config"], artifact.tensors(), track, device)


def fit(task: FitTask, inputs: Mapping[str, Artifact], data: TrackData, means: Means) -> Result:
    """Fit a defense; the tensors are its state, the JSON its config and what it and those that it needs took."""
    handed = fitting.TrackFitting(
        task.track,
        data,
        device=means.device,
        stream=seeding.derive(task.track.name, task.role, task.defense, task.seed),
        fitted={name: classifier_of(name, artifact, task.track, means.device) for name, artifact in inputs.items()},
        advance=means.advance,
        checkpoints=means.checkpoints,
    )
    # Of a limited run nothing is ranked for good, and few images may not suffice for any network.
    fitted = fitting.fit(task.defense, task.track, handed, task.track.floor if task.limit is None else 0.0)
    taken = {task.defense: handed.taken | declared(task.defense)}
    for artifact in inputs.values():
        taken |= artifact.meta["taken"]
    meta = {
        "defense": task.defense,
        "config": dict(fitted.classifier.config),
        "validation": {"acc": fitted.validation.acc, "rej": fitted.validation.rej},
        "thresholds": {str(rate): threshold for rate, threshold in fitted.validation.thresholds.items()},
        "taken": taken,
    }
    return Result(meta, fitted.classifier.state_dict())


def declared(name: str) -> dict[str, int]:
    """Return what a defense says that it takes where the engine cannot see it: inside a batch hook."""
    return {"attacks": 1} if defenses.load(name).attacks_in_training else {}


def craft(task: CraftTask, inputs: Mapping[str, Artifact], data: TrackData, means: Means) -> Result:
    """Attack the source; the tensors are the adversarial images and what each one achieved."""
    if task.attack.control is not None:
        return control(task, task.attack.control, inputs, data, means)
    spec = task.attack.spec(task.track.name)
    made = crafting.craft(
        classifier_of(task.defense, inputs["source"], task.track, means.device),
        replace(task.attack, images=data.of_share(task.attack.images)),
        spec,
        data.test,
        permutation=task.suite.permutation,
        device=means.device,
        advance=lambda count: means.advance(spec.work * count),
        warn=means.warn,
    )
    return Result({"attack": task.attack.name}, {name: getattr(made, name) for name in CRAFTED})


def control(task: CraftTask, how: Disturbance, inputs: Mapping[str, Artifact], data: TrackData, means: Means) -> Result:
    """Disturb the perturbations of an attack that is made already; the tensors are those of an attack."""
    crafted = crafting.Crafted(**inputs["crafted"].tensors())
    made = disturbing.disturb(
        crafted,
        data.test.images[crafted.index],
        how,
        source=classifier_of(task.defense, inputs["source"], task.track, means.device),
        permutation=task.suite.permutation,
        device=means.device,
    )
    means.advance(len(made.images))
    return Result({"attack": task.attack.name}, {name: getattr(made, name) for name in CRAFTED})


def score(
    task: ScoreTask, inputs: Mapping[str, Artifact], data: TrackData, device: torch.device, advance: Advance
) -> Result:
    """Score a defense on a cell's images; the result is a record."""
    crafted = inputs["craft"].tensors() if task.attack else None
    if crafted is not None:
        images, label, index = crafted["images"], crafted["label"], crafted["index"]
    elif task.out is not None:
        images = data.out_tests[task.out]
        label, index = torch.full((len(images),), records.OUT), torch.arange(len(images))
    else:
        images, label, index = data.test.images, data.test.labels, torch.arange(len(data.test))
    classifier = classifier_of(task.defense, inputs["victim"], task.track, device)
    scores = scoring.score(classifier, images, device)
    advance(len(images))
    tensors = {
        "index": index,
        "label": label,
        "prediction": scores.prediction,
        "class_prediction": scores.class_prediction,
        "reject_score": scores.reject_score,
        "victim_correct": victim_correct(task, inputs, index, label, scores.prediction),
        "exhibits": (images[: records.EXHIBITS] * 255).round().to(torch.uint8),
    }
    n = len(images)
    for name in ("fooled", "hit_target", "reached_kappa"):
        tensors[name] = crafted[name] if crafted else torch.zeros(n, dtype=torch.bool)
    for name in ("l2", "linf"):
        tensors[name] = crafted[name] if crafted else torch.zeros(n)
    return Result(header(task, inputs["victim"], data, tensors).model_dump(mode="json"), records.narrowed(tensors))


def victim_correct(
    task: ScoreTask, inputs: Mapping[str, Artifact], index: Tensor, label: Tensor, prediction: Tensor
) -> Tensor:
    """Return where the defense gets the clean image right, bool ``(n,)``."""
    if task.attack is None:
        return prediction == label
    clean = inputs["clean"].tensors()
    return (clean["prediction"] == clean["label"])[index]


def header(task: ScoreTask, victim: Artifact, data: TrackData, tensors: Mapping[str, Tensor]) -> records.Header:
    """Return what a record says about itself; ``victim`` is the fit that was scored."""
    defense, attack = defenses.load(task.defense), task.attack
    kind, name, title = "clean", CLEAN, "clean"
    if attack is not None:
        kind, name, title = "attack", attack.name, attack.title
    elif task.out is not None:
        kind, name, title = "out", records.OUT_SET + task.out, task.out
    return records.Header(
        schema_version=records.SCHEMA,
        track=task.track.name,
        track_title=task.track.title,
        architecture=task.track.architecture,
        suite=task.suite.name,
        suite_digest=task.suite.digest(task.track.name),
        defense=task.defense,
        defense_title=defense.title,
        defense_source=defense.source,
        defense_departs=defense.departs,
        control=defense.control,
        attack=name,
        attack_title=title,
        kind=kind,
        source=attack.source if attack else None,
        in_average=attack.in_average if attack else False,
        taken=victim.meta["taken"],
        thresholds=victim.meta["thresholds"],
        seed=task.seed,
        limit=task.limit,
        precision=task.track.recipe.precision,
        epochs=task.track.other_epochs(task.limit),
        parameters=parameters(attack, task.track) if attack else {},
        data={name: data.origins[name] for name in data_of(task)},
        counts=records.counted(tensors),
    )


def parameters(attack: SuiteAttack, track: Track) -> dict[str, Any]:
    """Return what a record says of an attack's parameters on a track; a control says what it makes of them."""
    own = attack.spec(track.name).parameters
    return own if attack.control is None else own | {"control": attack.control}
