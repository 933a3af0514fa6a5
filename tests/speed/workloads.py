"""What users wait for, as pieces of work that are timed, each with a reference that other code does beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from bench import crafting, models, scoring, suites, trackdata, training
from bench.attacks.foolbox_import import (
    L2CarliniWagnerAttack,
    L2DeepFoolAttack,
    LinfBasicIterativeAttack,
    LinfFastGradientAttack,
    Misclassification,
    PyTorchModel,
    TargetedMisclassification,
)
from bench.plan import Selection, plan
from bench.trackdata import TrackData
from bench.tracks import TRACKS
from defenses.base import LabelledImages, RejectingClassifier
from defenses.naive import NaiveClassifier
from tests.speed.plain import plain_convnet, plain_training

CPU = torch.device("cpu")
DIGITS = TRACKS["digits"]
RECIPE = replace(TRACKS["mnist"].recipe, epochs=1, warmup_epochs=0)  # bf16, 128 images a batch
SUITE = suites.load("table1")
IMAGES = 64  # handed to an attack; C&W gets 8, for two targets each
SEED = 7

Work = Callable[[], object]


@dataclass(frozen=True)
class Workload:
    """Work with a name: ``prepare`` returns what is timed, ``reference`` names the reference it is a ratio to."""

    name: str
    prepare: Callable[[Path], Work]  # in an empty folder of its own
    reference: str


@cache
def data() -> TrackData:
    """Return the digits track's data."""
    return trackdata.assemble(DIGITS, Path("nowhere"), None)


@cache
def classifier() -> RejectingClassifier:
    """Return a naive classifier with weights that plain torch has trained: the same, whatever the engine does."""
    torch.manual_seed(SEED)
    train = data().train
    mean = train.images.mean()
    plain = plain_convnet(1, 28, 10)
    plain_training(plain, train.images - mean, train.labels, replace(DIGITS.recipe, epochs=6), SEED)
    network = models.create("cuda_convnet", channels=1, side=28, outputs=10)
    network.centre_on(train.images)
    network.body.load_state_dict(dict(zip(network.body.state_dict(), plain.state_dict().values(), strict=True)))
    return NaiveClassifier(network, 10).eval()


def training_epoch(_: Path) -> Work:
    """Prepare an epoch of the digits with mnist's recipe."""
    network = models.create("cuda_convnet", channels=1, side=28, outputs=10)
    images, labels = data().train.images, data().train.labels
    return lambda: training.train(network, images, labels, recipe=RECIPE, seed=SEED, device=CPU)


def crafting_of(name: str) -> Callable[[Path], Work]:
    """Return what prepares an attack of the suite, as the track has it, on the first validation images."""

    def prepare(_: Path) -> Work:
        attack = next(attack for attack in SUITE.attacks if attack.name == name).on("digits")
        count = 8 if attack.kind == "cw" else IMAGES
        attack = replace(attack, images=None)
        attacked = LabelledImages(data().validation.images[:count], data().validation.labels[:count])
        spec, source = attack.spec("digits"), classifier()
        return lambda: crafting.craft(source, attack, spec, attacked, permutation=1, device=CPU)

    return prepare


def scoring_of_the_test_images(_: Path) -> Work:
    """Prepare the scoring of the test images, ten times over."""
    images, scored = data().test.images.repeat(10, 1, 1, 1), classifier()
    return lambda: scoring.score(scored, images, CPU)


def planning_of_twenty_seeds(_: Path) -> Work:
    """Prepare the planning of a run of twenty seeds."""
    attacks = tuple(attack.name for attack in SUITE.attacks)
    selection = Selection(DIGITS, SUITE, ("naive", "ood", "ood_interp"), attacks, tuple(range(20)), None)
    return lambda: plan(selection)


def warm_run(folder: Path) -> Work:
    """Prepare a whole run of the track, a process of its own, on a store that has everything already."""

    def run() -> None:
        # The packages are those that this process has, wherever they lie.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "bench", "run", "digits"]
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)

    run()
    return run


def plain_epoch(_: Path) -> Work:
    """Prepare the reference of the training: an epoch of the same images by a plain loop in float32."""
    network, images, labels = plain_convnet(1, 28, 10), data().train.images, data().train.labels
    return lambda: plain_training(network, images, labels, RECIPE, SEED)


def foolbox_of(kind: str) -> Callable[[Path], Work]:
    """Return what prepares stock Foolbox's attack of that kind, called as its documents call it."""

    def prepare(_: Path) -> Work:
        # As training leaves it: with gradients of its parameters.
        network = classifier().get_submodule("network").requires_grad_(True)
        count = 16 if kind == "cw" else IMAGES
        x, y = data().validation.images[:count], data().validation.labels[:count]
        model = PyTorchModel(network, bounds=(0, 1), device=CPU)
        criterion = TargetedMisclassification((y + 1) % 10) if kind in {"tfgs", "cw"} else Misclassification(y)
        attack, epsilon = stock(kind)
        return lambda: attack(model, x, criterion, epsilons=epsilon)

    return prepare


def stock(kind: str) -> tuple[Any, float | None]:
    """Return Foolbox's own attack with the suite's parameters on digits, and its budget."""
    attack = next(attack for attack in SUITE.attacks if attack.kind == kind).on("digits")
    given = attack.spec("digits").parameters
    match kind:
        case "fgs":
            return LinfFastGradientAttack(), given["epsilon"]
        case "ifgs":
            stepping = {"abs_stepsize": given["stepsize"], "steps": given["steps"]}
            return LinfBasicIterativeAttack(**stepping, random_start=False), given["epsilon"]
        case "tfgs":
            return LinfBasicIterativeAttack(rel_stepsize=1.0, steps=1, random_start=False), given["epsilon"]
        case "deepfool":
            return L2DeepFoolAttack(steps=given["steps"], candidates=None, overshoot=given["overshoot"]), None
        case _:
            search = {name: given[name] for name in given if name != "targets"}
            return L2CarliniWagnerAttack(**search), None


REFERENCES: dict[str, Callable[[Path], Work]] = {
    "plain torch": plain_epoch,
    **{f"Foolbox {kind}": foolbox_of(kind) for kind in ("fgs", "ifgs", "tfgs", "deepfool", "cw")},
}
"""What others' code takes for like work: its time is the unit in which the history is kept."""

WORKLOADS = (
    Workload("training", training_epoch, "plain torch"),
    *(Workload(name, crafting_of(name), f"Foolbox {name}") for name in ("fgs", "ifgs", "tfgs", "deepfool", "cw")),
    Workload("scoring", scoring_of_the_test_images, "plain torch"),
    Workload("planning", planning_of_twenty_seeds, "plain torch"),
    Workload("warm run", warm_run, "plain torch"),
)
"""Everything that is timed."""
