"""DeepFool and C&W against closed forms of a linear network, and against Foolbox's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from eagerpy.astensor import astensor
from torch import Tensor, nn

from bench import attacks
from bench.attacks.carlini_wagner import PerImageCarliniWagner
from bench.attacks.criteria import WrongAndAccepted, lead_of, winners
from bench.attacks.deepfool import SharedGraphDeepFool
from bench.attacks.foolbox_import import (
    Criterion,
    L2CarliniWagnerAttack,
    L2DeepFoolAttack,
    Misclassification,
    PyTorchModel,
    TargetedMisclassification,
)
from bench.errors import InvalidConfig

SIDE, CLASSES = 6, 4

CW: dict[str, Any] = {
    "binary_search_steps": 9,
    "steps": 400,
    "stepsize": 0.01,
    "confidence": 0.0,
    "initial_const": 0.1,
    "abort_early": True,
}


class Linear(nn.Module):
    """Four classes with weights of about unit norm: boundaries lie well inside [0, 1] around grey images."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.weight = nn.Parameter(torch.randn(CLASSES, SIDE * SIDE) / SIDE)
        self.bias = nn.Parameter(-0.5 * self.weight.detach().sum(1))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T + self.bias


def linear() -> Linear:
    return Linear().eval()


def convolutional() -> nn.Sequential:
    torch.manual_seed(3)
    last = nn.Linear(72, CLASSES)
    with torch.no_grad():
        last.weight.mul_(10)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), last).eval()


def model_of(network: nn.Module) -> PyTorchModel:
    return PyTorchModel(network.requires_grad_(False), bounds=(0, 1), device=torch.device("cpu"))


def grey(count: int) -> Tensor:
    return 0.5 + 0.12 * torch.randn(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(2))


def right_labels(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        labels: Tensor = network(images).argmax(1)
    return labels


def distances(network: Linear, images: Tensor, labels: Tensor, kappa: float = 0.0) -> Tensor:
    """Return the L2 distances ``(N, K)`` to where each class leads the label by κ alone; infinite for the label."""
    weight = network.weight
    with torch.no_grad():
        logits = network(images)
        gap = logits.gather(1, labels.unsqueeze(1)) - logits + kappa
        slope = (weight[labels].unsqueeze(1) - weight.unsqueeze(0)).norm(dim=2)
    reach: Tensor = (gap / slope).scatter(1, labels.unsqueeze(1), torch.inf)
    return reach


def test_deepfool_finds_the_nearest_hyperplane() -> None:
    network, images = linear(), grey(20)
    labels = right_labels(network, images)
    found = attacks.make("deepfool", steps=50, overshoot=1e-5)(
        model_of(network), images, Misclassification(labels), epsilons=None
    )[0]
    moved = (found - images).flatten(1).norm(dim=1)
    least = distances(network, images, labels).amin(1)
    assert (right_labels(network, found) != labels).all()
    # Foolbox adds 1e-4 to the distance of each step for stability.
    assert torch.allclose(moved, least + 1e-4, rtol=1e-3, atol=0)


def test_deepfool_returns_foolboxs_images_over_all_classes() -> None:
    network = convolutional()
    images = torch.rand(24, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    criterion = Misclassification(right_labels(network, images))
    for overshoot in (0.02, 2.0):
        theirs = L2DeepFoolAttack(steps=50, candidates=None, overshoot=overshoot)
        ours = attacks.make("deepfool", steps=50, overshoot=overshoot)
        expected = theirs(model_of(network), images, criterion, epsilons=None)[0]
        found = ours(model_of(network), images, criterion, epsilons=None)[0]
        assert (found != images).flatten(1).any(1).all()
        assert (found - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("kind", ["deepfool", "cw"])
def test_trap_3_an_image_does_not_depend_on_its_neighbours(kind: str) -> None:
    network, images = linear(), grey(6)
    labels = right_labels(network, images)
    search = {**CW, "binary_search_steps": 3, "steps": 100, "initial_const": 1.0, "targets": ["most_likely"]}
    params = {"steps": 50, "overshoot": 0.02} if kind == "deepfool" else search
    attack = attacks.make(kind, **params)
    together = attack(model_of(network), images, Misclassification(labels), epsilons=None)[0]
    for row in range(len(images)):
        one = slice(row, row + 1)
        alone = attack(model_of(network), images[one], Misclassification(labels[one]), epsilons=None)[0]
        assert (alone - together[one]).abs().max() <= 1e-5


def test_deepfool_refuses_a_target() -> None:
    network, images = linear(), grey(2)
    attack = attacks.make("deepfool", steps=5, overshoot=0.02)
    criterion = TargetedMisclassification(torch.tensor([0, 1]))
    with pytest.raises(InvalidConfig, match="DeepFool is untargeted"):
        attack(model_of(network), images, criterion, epsilons=None)


@pytest.mark.parametrize("kappa", [0.0, 0.5])
def test_cw_comes_within_two_per_cent_of_the_boundary(kappa: float) -> None:
    network, images = linear(), grey(10)
    labels = right_labels(network, images)
    attack = PerImageCarliniWagner(**{**CW, "confidence": kappa, "stepsize": 0.002, "initial_const": 1.0})
    targets = distances(network, images, labels).argmin(1)
    for criterion in (Misclassification(labels), TargetedMisclassification(targets)):
        found = attack(model_of(network), images, criterion, epsilons=None)[0]
        moved = (found - images).flatten(1).norm(dim=1)
        assert (lead_of(network(found), winners(criterion, CLASSES)) >= kappa).all()
        least = nearest_win(network, images, criterion, kappa, right_labels(network, found))
        assert (moved >= 0.999 * least).all()
        assert (moved <= 1.02 * least).all()


def nearest_win(network: Linear, images: Tensor, criterion: Criterion, kappa: float, ends: Tensor) -> Tensor:
    """Return the least L2 distance at which the criterion holds by κ.

    Untargeted, it is that of the one half-space of the class that the search ends in: which class it goes to is decided
    on the way. A target must beat all others at once: Dykstra's projections onto their half-spaces.
    """
    weight, bias = network.weight.double(), network.bias.double()
    x = images.flatten(1).double()
    if not isinstance(criterion, TargetedMisclassification):
        assert isinstance(criterion, Misclassification)
        return distances(network, images, criterion.labels.raw, kappa).gather(1, ends.unsqueeze(1))[:, 0]
    result = []
    for start, target in zip(x, criterion.target_classes.raw.tolist(), strict=True):
        rivals = [k for k in range(CLASSES) if k != target]
        point, corrections = start.clone(), {k: torch.zeros_like(start) for k in rivals}
        for _ in range(300):
            for k in rivals:
                normal = weight[target] - weight[k]
                before = point + corrections[k]
                short = (kappa - (bias[target] - bias[k]) - before @ normal).clamp(min=0)
                point = before + short * normal / (normal @ normal)
                corrections[k] = before - point
        result.append((point - start).norm())
    return torch.stack(result).float()


@pytest.mark.parametrize("targeted", [False, True])
def test_cw_of_one_image_is_foolboxs(targeted: bool) -> None:  # noqa: FBT001
    network, image = convolutional(), grey(1)
    labels = right_labels(network, image)
    criterion = TargetedMisclassification((labels + 1) % CLASSES) if targeted else Misclassification(labels)
    params = {**CW, "binary_search_steps": 4, "steps": 100, "initial_const": 10.0, "confidence": 0.1}
    expected = L2CarliniWagnerAttack(**params)(model_of(network), image, criterion, epsilons=None)[0]
    found = PerImageCarliniWagner(**params)(model_of(network), image, criterion, epsilons=None)[0]
    assert (found != image).any()
    assert (found - expected).abs().max() <= 1e-4


def test_trap_1_a_failed_image_is_the_clean_image_and_no_success() -> None:
    network, images = linear(), grey(4)
    criterion = Misclassification(right_labels(network, images))
    params = {**CW, "binary_search_steps": 2, "steps": 20, "confidence": 1000.0}
    black = L2CarliniWagnerAttack(**params)(model_of(network), images, criterion, epsilons=None)[0]
    assert (black == 0).all()
    found, _, success = PerImageCarliniWagner(**params)(model_of(network), images, criterion, epsilons=None)
    assert torch.equal(found, images)
    assert not success.any()


def test_trap_1_a_failed_image_is_clean_even_where_black_would_count() -> None:
    network, images = linear(), grey(20)
    labels = right_labels(network, images)
    rows = labels != right_labels(network, torch.zeros_like(images))
    images, criterion, black = images[rows], Misclassification(labels[rows]), torch.zeros_like(images[rows])
    assert len(images) > 1
    params = {**CW, "binary_search_steps": 1, "steps": 1}
    theirs, _, success = L2CarliniWagnerAttack(**params)(model_of(network), images, criterion, epsilons=None)
    assert torch.equal(theirs, black)
    assert success.all()
    found, _, success = PerImageCarliniWagner(**params)(model_of(network), images, criterion, epsilons=None)
    assert torch.equal(found, images)
    assert not success.any()


def test_the_last_of_ten_searches_repeats_the_best_constant() -> None:
    network, images = linear(), grey(3)
    labels = right_labels(network, images)
    params = {**CW, "binary_search_steps": 10, "steps": 60, "stepsize": 0.05, "abort_early": False}
    found = PerImageCarliniWagner(**params)(model_of(network), images, Misclassification(labels), epsilons=None)[0]
    assert (right_labels(network, found) != labels).all()


def test_cw_refuses_classes_of_another_number_of_images() -> None:
    network, images = linear(), grey(3)
    with pytest.raises(InvalidConfig, match="classes for 2 images, but 3 images"):
        PerImageCarliniWagner(**CW).run(model_of(network), images, Misclassification(torch.tensor([0, 1])))


def test_an_image_that_is_wrong_already_is_left_alone_by_deepfool() -> None:
    network, images = linear(), grey(3)
    wrong = (right_labels(network, images) + 1) % CLASSES
    attack = attacks.make("deepfool", steps=5, overshoot=0.02)
    assert torch.equal(attack(model_of(network), images, Misclassification(wrong), epsilons=None)[0], images)


def test_results_stay_within_the_bounds() -> None:
    network = linear()
    with torch.no_grad():
        network.weight.mul_(0.05)
        network.bias.mul_(0.05).add_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    images = torch.rand(8, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(4))
    criterion = Misclassification(right_labels(network, images))
    far = attacks.make("deepfool", steps=5, overshoot=2.0)(model_of(network), images, criterion, epsilons=None)[0]
    assert far.min() == 0
    assert far.max() == 1
    near = PerImageCarliniWagner(**CW)(model_of(network), images, criterion, epsilons=None)[0]
    assert near.min() >= 0
    assert near.max() <= 1


def test_the_attacks_run_on_eagerpy_tensors_and_without_gradients_of_the_caller() -> None:
    network, images = linear(), grey(2)
    criterion = WrongAndAccepted(right_labels(network, images), reject_class=3)
    with torch.no_grad():
        for attack in (SharedGraphDeepFool(steps=9, overshoot=0.1), PerImageCarliniWagner(**CW)):
            found = attack.run(model_of(network), astensor(images), criterion)
            assert criterion(found.raw, network(found.raw)).all()
