"""How the attacks go through a network: in pieces, without gradients of weights, with no pass or wait too many.

Images that a search makes are compared in float64, where rounding turns no decision of the search around.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench import attacks
from bench.attacks.carlini_wagner import PerImageCarliniWagner
from bench.attacks.criteria import of_rows
from bench.attacks.foolbox_import import (
    Attack,
    Criterion,
    FixedEpsilonAttack,
    L2CarliniWagnerAttack,
    LinfBasicIterativeAttack,
    LinfFastGradientAttack,
    Misclassification,
    PyTorchModel,
    TargetedMisclassification,
)
from bench.models import create
from bench.replay import off

CPU = torch.device("cpu")
SIDE, CLASSES, EPSILON, IFGS_STEPS = 28, 10, 0.2, 7

PIECE = 64
"""Images of a piece here: fewer than in a run, to be quick."""

MANY = 150
"""Images in more than two pieces, the last one smaller."""

SEARCH: dict[str, Any] = {
    "binary_search_steps": 3,
    "steps": 60,
    "stepsize": 0.01,
    "confidence": 0.0,
    "initial_const": 1.0,
    "abort_early": True,
}

PARAMS: dict[str, dict[str, Any]] = {
    "fgs": {"epsilon": EPSILON},
    "ifgs": {"epsilon": EPSILON, "stepsize": 0.05, "steps": IFGS_STEPS},
    "tfgs": {"epsilon": EPSILON, "targets": ["least_likely"]},
    "deepfool": {"steps": 50, "overshoot": 0.02},
    "cw": {**SEARCH, "targets": ["least_likely"]},
}

GRADIENT: dict[str, Attack] = {
    "fgs": LinfFastGradientAttack(random_start=False),
    "ifgs": LinfBasicIterativeAttack(abs_stepsize=0.05, steps=IFGS_STEPS, random_start=False),
    "tfgs": LinfBasicIterativeAttack(rel_stepsize=1.0, steps=1, random_start=False),
}
"""Foolbox's own of the same parameters."""

PASSES = {"fgs": 1, "ifgs": IFGS_STEPS, "tfgs": 1}


class Immovable(nn.Module):
    """Another network's logits, but an image with a white corner stays of class 0: the corner's gradient is zero."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        white = (x[:, :, :1, :1] == 1).to(x.dtype)
        seen = torch.ones_like(x[:1])
        seen[..., :1, :1] = 0
        logits: Tensor = self.body(x * seen)
        held = torch.zeros_like(logits)
        held[:, 0] = 1000 * white.flatten()
        return logits + held


class Waits(TorchDispatchMode):
    """Notes, while it is on, the operations that wait for a GPU: their result, or its shape, depends on values."""

    WAITING = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select")

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.on = False
        self.met: list[str] = []

    def switch(self, on: bool) -> None:  # noqa: FBT001
        self.on = on

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        if self.on and name in self.WAITING:
            self.met.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.attacks.pieces.PIECE", PIECE * SIDE * SIDE)


def pictures(count: int) -> Tensor:
    coarse = torch.rand(count, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(coarse, size=SIDE, mode="bilinear").contiguous()


def convolutional(dtype: torch.dtype = torch.float32) -> nn.Module:
    """Untrained, but with each of the ten classes among the pictures."""
    torch.manual_seed(0)
    network = create("cuda_convnet", channels=1, side=SIDE, outputs=CLASSES).eval()
    last = network.body.classifier
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.mul_(10)
        last.bias.sub_(network(pictures(MANY)).mean(0))
    return network.to(dtype)


def model_of(network: nn.Module, device: torch.device = CPU) -> PyTorchModel:
    return PyTorchModel(network, bounds=(0, 1), device=device)


def right_labels(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        labels: Tensor = network(images).argmax(1)
    return labels


def criterion_of(labels: Tensor, *, targeted: bool) -> Criterion:
    return TargetedMisclassification((labels + 1) % CLASSES) if targeted else Misclassification(labels)


def run(attack: Attack, network: nn.Module, images: Tensor, criterion: Criterion) -> Tensor:
    """Run the attack without the forward pass by which Foolbox's call asks for its success."""
    model = model_of(network, images.device)
    budget = {"epsilon": EPSILON} if isinstance(attack, FixedEpsilonAttack) else {}
    made: Tensor = attack.run(model, images, criterion, **budget)
    return made


def one_by_one(attack: Attack, network: nn.Module, images: Tensor, criterion: Criterion) -> Tensor:
    rows = [slice(row, row + 1) for row in range(len(images))]
    return torch.cat([run(attack, network, images[row], of_rows(criterion, row)) for row in rows])


@contextmanager
def counted(network: nn.Module) -> Iterator[list[int]]:
    """Give the number of images of each forward pass of the block."""
    sizes: list[int] = []
    handle = network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    try:
        yield sizes
    finally:
        handle.remove()


@contextmanager
def on_from_third_to_fourth_pass(network: nn.Module, switch: Any) -> Iterator[list[bool]]:
    """Call ``switch(True)`` as the third forward pass begins and ``switch(False)`` as the fourth does; give the calls.

    The first two of DeepFool and C&W go before the first check for what is finished, and the next check comes later.
    """
    turned: list[bool] = []
    passes = 0

    def hook(*_: Any) -> None:
        nonlocal passes
        passes += 1
        if passes in {3, 4}:
            turned.append(passes == 3)
            switch(turned[-1])

    handle = network.register_forward_pre_hook(hook)
    try:
        yield turned
    finally:
        switch(False)
        handle.remove()


@pytest.mark.parametrize("kind", list(GRADIENT))
def test_pieces_change_no_bit_of_foolboxs_gradient_attacks(kind: str) -> None:
    network, images = convolutional(), pictures(MANY)
    assert len(images) > PIECE
    criterion = criterion_of(right_labels(network, images), targeted=kind == "tfgs")
    ours = attacks.make(kind, **PARAMS[kind])(model_of(network), images, criterion, epsilons=EPSILON)
    theirs = GRADIENT[kind](model_of(network), images, criterion, epsilons=EPSILON)
    for made, expected in zip(ours, theirs, strict=True):
        assert torch.equal(made, expected)
    assert (ours[1] != images).flatten(1).any(1).all()


@pytest.mark.parametrize("kind", list(PARAMS))
def test_no_attack_leaves_gradients_on_the_weights(kind: str) -> None:
    network, images = convolutional(), pictures(4)
    weights = list(network.parameters())
    assert all(weight.requires_grad for weight in weights)
    criterion = criterion_of(right_labels(network, images), targeted=kind in {"tfgs", "cw"})
    made = run(attacks.make(kind, **PARAMS[kind]), network, images, criterion)
    assert (made != images).any()
    assert all(weight.grad is None for weight in weights)


@pytest.mark.parametrize("kind", list(GRADIENT))
def test_a_gradient_step_takes_one_forward_pass_an_image(kind: str) -> None:
    network, images = convolutional(), pictures(MANY)
    criterion = criterion_of(right_labels(network, images), targeted=kind == "tfgs")
    with counted(network) as sizes:
        run(attacks.make(kind, **PARAMS[kind]), network, images, criterion)
    assert sum(sizes) == PASSES[kind] * MANY
    assert max(sizes) == PIECE


def test_deepfool_makes_the_same_of_an_image_in_pieces_and_alone() -> None:
    network, images = convolutional(torch.float64), pictures(PIECE + 10).double()
    criterion = Misclassification(right_labels(network, images))
    attack = attacks.make("deepfool", **PARAMS["deepfool"])
    with counted(network) as sizes:
        together = run(attack, network, images, criterion)
    assert max(sizes) == PIECE
    assert criterion(together, network(together)).all()
    assert (together - one_by_one(attack, network, images, criterion)).abs().max() <= 1e-5


def test_images_that_deepfool_has_finished_leave_the_batch() -> None:
    network, images = Immovable(convolutional()).eval(), pictures(PIECE)
    images[0, :, 0, 0] = 1
    criterion = Misclassification(right_labels(network, images))
    attack = attacks.make("deepfool", steps=20, overshoot=4.0)
    with counted(network) as alone:
        run(attack, network, images[:1], of_rows(criterion, slice(1)))
    slowest = len(alone) - 1  # the first pass ranks the classes
    assert slowest == 20
    with counted(network) as sizes:
        made = run(attack, network, images, criterion)
    assert criterion(made, network(made))[1:].all()
    assert sum(sizes) < slowest * len(images) / 2
    assert sizes[-1] == 1


@pytest.mark.parametrize("targeted", [False, True])
def test_cw_makes_the_same_of_an_image_alone_and_among_others(targeted: bool) -> None:  # noqa: FBT001
    network, images = convolutional(torch.float64), pictures(8).double()
    criterion = criterion_of(right_labels(network, images), targeted=targeted)
    attack = PerImageCarliniWagner(**SEARCH)
    with counted(network) as sizes:
        together = run(attack, network, images, criterion)
    assert len(set(sizes)) > 2  # images stopped at different times
    assert (together != images).flatten(1).any(1).all()
    assert (together - one_by_one(attack, network, images, criterion)).abs().max() <= 1e-4


@pytest.mark.parametrize("swinging", [{}, {"stepsize": 0.05, "initial_const": 100.0}, {"stepsize": 0.3, "steps": 30}])
@pytest.mark.parametrize("targeted", [False, True])
def test_cw_is_no_worse_than_foolboxs(targeted: bool, swinging: dict[str, Any]) -> None:  # noqa: FBT001
    search = SEARCH | swinging
    network, images = convolutional(), pictures(12)
    criterion = criterion_of(right_labels(network, images), targeted=targeted)

    def success(made: Tensor) -> Tensor:
        found: Tensor = criterion(made, network(made))
        return found & (made != 0).flatten(1).any(1)  # Foolbox's failures are black

    ours = run(PerImageCarliniWagner(**search), network, images, criterion)
    theirs = run(L2CarliniWagnerAttack(**search), network, images, criterion)
    moved, expected = ((made - images).flatten(1).norm(dim=1)[success(made)] for made in (ours, theirs))
    assert len(expected) > 0
    assert len(moved) >= len(expected)
    assert moved.median() <= 1.01 * expected.median()


def test_cw_takes_no_value_to_the_host_between_two_checks() -> None:
    network, images = convolutional(), pictures(6)
    criterion = Misclassification(right_labels(network, images))
    waits = Waits()
    with waits, on_from_third_to_fourth_pass(network, waits.switch) as turned:
        run(PerImageCarliniWagner(**SEARCH), network, images, criterion)
    assert turned == [True, False]
    assert waits.met == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")  # torch calls it a prototype
@pytest.mark.parametrize("kind", ["deepfool", "cw"])
def test_steps_between_two_checks_do_not_wait_for_a_gpu(kind: str) -> None:
    device = torch.device("cuda")
    network, images = convolutional().to(device), pictures(12).to(device)
    criterion = criterion_of(right_labels(network, images), targeted=kind == "cw")
    attack = attacks.make(kind, **PARAMS[kind])

    def switch(on: bool) -> None:  # noqa: FBT001
        torch.cuda.set_sync_debug_mode("error" if on else "default")

    run(attack, network, images, criterion)  # what is loaded on first use may wait
    with off(), on_from_third_to_fourth_pass(network, switch) as turned:
        made = run(attack, network, images, criterion)
    assert turned == [True, False]
    assert criterion(made, network(made)).any()
