"""How each library is called for each attack, as its own documents call it, and which attacks it does not have."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench import attacks
from bench.attacks.foolbox_import import (
    Criterion,
    L2CarliniWagnerAttack,
    L2DeepFoolAttack,
    LinfBasicIterativeAttack,
    LinfFastGradientAttack,
    Misclassification,
    PyTorchModel,
    TargetedMisclassification,
)
from tests.speed.peers.setting import Setting

Call = Callable[[], Tensor]
"""Makes the adversarial images."""


@dataclass(frozen=True)
class Library:
    """A library: what prepares its attack in a setting, and notes by attack.

    ``prepare`` raises ``LacksAttack`` where there is no such attack. ``frozen`` says whether the network's parameters
    need no gradients while it is timed.
    """

    title: str
    package: str
    prepare: Callable[[Setting], Call]
    frozen: bool
    notes: Mapping[str, str]

    @property
    def version(self) -> str | None:
        """The version, ``None`` where it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


class LacksAttack(Exception):
    """The library has no such attack; the text says what it has in its place."""


def criterion_of(setting: Setting) -> Criterion:
    """Return Foolbox's criterion of a setting."""
    return TargetedMisclassification(setting.targets) if setting.targeted else Misclassification(setting.labels)


def foolbox_model(setting: Setting) -> PyTorchModel:
    """Return Foolbox's model of a setting's network."""
    return PyTorchModel(setting.network.eval(), bounds=(0, 1), device=setting.images.device)


def ours(setting: Setting) -> Call:
    """Prepare our attack, called as the harness calls it."""
    given = dict(setting.parameters)
    if setting.kind == "cw":
        given["targets"] = ["most_likely"]  # whom a suite's attack aims at; a criterion says it here
    attack, model, criterion = attacks.make(setting.kind, **given), foolbox_model(setting), criterion_of(setting)
    budget: dict[str, Any] = {"epsilon": given["epsilon"]} if "epsilon" in given else {}
    return lambda: attack.run(model, setting.images, criterion, **budget)


def foolbox(setting: Setting) -> Call:
    """Prepare Foolbox's own attack, called as its README does."""
    given, model, criterion = setting.parameters, foolbox_model(setting), criterion_of(setting)
    attack: Any
    match setting.kind:
        case "fgs":
            attack = LinfFastGradientAttack()
        case "ifgs":
            stepping = {"abs_stepsize": given["stepsize"], "steps": given["steps"]}
            attack = LinfBasicIterativeAttack(**stepping, random_start=False)
        case "tfgs":
            attack = LinfBasicIterativeAttack(rel_stepsize=1.0, steps=1, random_start=False)
        case "deepfool":
            attack = L2DeepFoolAttack(steps=given["steps"], candidates=None, overshoot=given["overshoot"])
        case _:
            attack = L2CarliniWagnerAttack(**given)
    return lambda: attack(model, setting.images, criterion, epsilons=given.get("epsilon"))[1]


def torchattacks(setting: Setting) -> Call:
    """Prepare torchattacks' attack."""
    import torchattacks as library  # noqa: PLC0415  only where it is measured

    given, network = setting.parameters, setting.network
    match setting.kind:
        case "fgs" | "tfgs":
            attack = library.FGSM(network, eps=given["epsilon"])
        case "ifgs":
            attack = library.BIM(network, eps=given["epsilon"], alpha=given["stepsize"], steps=given["steps"])
        case "deepfool":
            attack = library.DeepFool(network, steps=given["steps"], overshoot=given["overshoot"])
        case _:
            steps = given["binary_search_steps"] * given["steps"]
            attack = library.CW(
                network, c=given["initial_const"], kappa=given["confidence"], steps=steps, lr=given["stepsize"]
            )
    if setting.targeted:
        attack.set_mode_targeted_by_label(quiet=True)
    labels = setting.targets if setting.targeted else setting.labels
    return lambda: attack(setting.images, labels)


def adv_lib(setting: Setting) -> Call:
    """Prepare adv-lib's attack."""
    from adv_lib import attacks as library  # noqa: PLC0415  only where it is measured

    given, network, x, y = setting.parameters, setting.network, setting.images, setting.labels
    match setting.kind:
        case "fgs" | "tfgs":
            raise LacksAttack("none: its PGD returns what it began its last step from, in one step the clean image")
        case "ifgs":
            stepping = {"steps": given["steps"], "absolute_step_size": given["stepsize"], "random_init": False}
            return lambda: library.pgd_linf(network, x, y, given["epsilon"], **stepping)
        case "deepfool":
            return lambda: library.df(network, x, y, steps=given["steps"], overshoot=given["overshoot"])
        case _:
            search = {
                "confidence": given["confidence"],
                "learning_rate": given["stepsize"],
                "initial_const": given["initial_const"],
                "binary_search_steps": given["binary_search_steps"],
                "max_iterations": given["steps"],
                "abort_early": given["abort_early"],
            }
            return lambda: library.carlini_wagner_l2(network, x, y, **search)


def art(setting: Setting) -> Call:
    """Prepare ART's attack, whose images come and go as NumPy arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from art.attacks import evasion as library  # noqa: PLC0415  only where it is measured
        from art.estimators.classification import PyTorchClassifier  # noqa: PLC0415

    given, x, count = setting.parameters, setting.images, len(setting.images)
    classifier = PyTorchClassifier(
        model=setting.network,
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=tuple(x.shape[1:]),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="gpu" if x.is_cuda else "cpu",
    )
    attack: Any
    match setting.kind:
        case "fgs" | "tfgs":
            attack = library.FastGradientMethod(
                classifier, eps=given["epsilon"], targeted=setting.targeted, batch_size=count
            )
        case "ifgs":
            attack = library.BasicIterativeMethod(
                classifier,
                eps=given["epsilon"],
                eps_step=given["stepsize"],
                max_iter=given["steps"],
                batch_size=count,
                verbose=False,
            )
        case "deepfool":
            attack = library.DeepFool(
                classifier, max_iter=given["steps"], epsilon=given["overshoot"], batch_size=count, verbose=False
            )
        case _:
            attack = library.CarliniL2Method(
                classifier,
                confidence=given["confidence"],
                learning_rate=given["stepsize"],
                binary_search_steps=given["binary_search_steps"],
                max_iter=given["steps"],
                initial_const=given["initial_const"],
                batch_size=count,
                verbose=False,
            )
    array = x.cpu().numpy()
    labels = np.eye(10, dtype=np.float32)[(setting.targets if setting.targeted else setting.labels).cpu().numpy()]
    return lambda: torch.from_numpy(attack.generate(array, labels))


OURS = "rejectbench"

LIBRARIES = (
    Library(OURS, "rejectbench", ours, frozen=True, notes={}),
    Library("Foolbox", "foolbox", foolbox, frozen=False, notes={}),
    Library("Foolbox, parameters frozen", "foolbox", foolbox, frozen=True, notes={}),
    Library(
        "torchattacks",
        "torchattacks",
        torchattacks,
        frozen=False,
        notes={"cw": "no search over the constant: as many steps at the first"},
    ),
    Library(
        "adv-lib",
        "adv-lib",
        adv_lib,
        frozen=False,
        notes={"ifgs": "its last step is not among what it returns"},
    ),
    Library(
        "ART",
        "adversarial-robustness-toolbox",
        art,
        frozen=False,
        notes={"cw": "a line search in each step, many forward passes"},
    ),
)
"""Every library, ours first."""
