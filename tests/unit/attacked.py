"""What tests of the attacks share: an untrained network, pictures for it, and an attack as the harness calls it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bench.attacks.foolbox_import import (
    Attack,
    Criterion,
    FixedEpsilonAttack,
    Misclassification,
    PyTorchModel,
    TargetedMisclassification,
)
from bench.models import create

CPU = torch.device("cpu")
SIDE, CLASSES, EPSILON, IFGS_STEPS = 28, 10, 0.2, 7

MANY = 150
"""Pictures that have every class among them."""

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
