"""FGS, I-FGS and T-FGS are Foolbox's own, bit for bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from bench import attacks
from bench.attacks.foolbox_import import (
    Attack,
    LinfBasicIterativeAttack,
    LinfFastGradientAttack,
    Misclassification,
    PyTorchModel,
    TargetedMisclassification,
)


def setting() -> tuple[PyTorchModel, Tensor, Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 4)).eval()
    images = torch.rand(9, 1, 6, 6)
    model = PyTorchModel(network, bounds=(0, 1), device=torch.device("cpu"))
    return model, images, network(images).argmax(1)


def run(attack: Attack, *, targeted: bool = False) -> Tensor:
    model, images, labels = setting()
    criterion = TargetedMisclassification((labels + 1) % 4) if targeted else Misclassification(labels)
    made: Tensor = attack(model, images, criterion, epsilons=0.2)[1]
    return made


def test_fgs() -> None:
    expected = run(LinfFastGradientAttack(random_start=False))
    assert torch.equal(run(attacks.make("fgs", epsilon=0.2)), expected)


def test_ifgs() -> None:
    expected = run(LinfBasicIterativeAttack(abs_stepsize=0.02, steps=15, random_start=False))
    made = run(attacks.make("ifgs", epsilon=0.2, stepsize=0.02, steps=15))
    assert torch.equal(made, expected)
    assert (made - setting()[1]).abs().max() == pytest.approx(0.2, abs=1e-6)


def test_trap_4_tfgs_steps_towards_the_target_where_fast_gradient_refuses() -> None:
    expected = run(LinfBasicIterativeAttack(rel_stepsize=1.0, steps=1, random_start=False), targeted=True)
    assert torch.equal(run(attacks.make("tfgs", epsilon=0.2, targets=["least_likely"]), targeted=True), expected)
    with pytest.raises(ValueError, match="unsupported criterion"):
        run(LinfFastGradientAttack(), targeted=True)
