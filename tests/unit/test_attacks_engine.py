"""How the attacks go through a network: in pieces, without gradients of weights, with no pass too many.

Images that a search makes are compared in float64, where rounding turns no decision of the search around.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import attacks
from bench.attacks.carlini_wagner import PerImageCarliniWagner
from bench.attacks.criteria import of_rows
from bench.attacks.foolbox_import import (
    Attack,
    Criterion,
    L2CarliniWagnerAttack,
    LinfBasicIterativeAttack,
    LinfFastGradientAttack,
    Misclassification,
)
from tests.unit.attacked import (
    EPSILON,
    IFGS_STEPS,
    MANY,
    PARAMS,
    SEARCH,
    SIDE,
    convolutional,
    criterion_of,
    model_of,
    pictures,
    right_labels,
    run,
)

PIECE = 64
"""Images of a piece here: fewer than in a run, to be quick."""

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


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.attacks.pieces.PIECE", PIECE * SIDE * SIDE)


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
