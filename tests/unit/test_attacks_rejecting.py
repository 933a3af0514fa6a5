"""Attacks on classifiers that may reject: the adapter, and the criterion "wrong and accepted"."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import attacks
from bench.attacks.adapter import MARGIN_CAP, ClassLogits, WithRejectClass, with_reject_class
from bench.attacks.criteria import WrongAndAccepted, lead_of, winners
from bench.attacks.foolbox_import import Misclassification, PyTorchModel, TargetedMisclassification
from bench.errors import InvalidConfig
from defenses.base import RejectingClassifier, decide
from tests.unit.attacked import convolutional, pictures

CW: dict[str, Any] = {
    "binary_search_steps": 6,
    "steps": 200,
    "stepsize": 0.05,
    "confidence": 1.0,
    "initial_const": 1.0,
    "abort_early": True,
    "targets": ["most_likely"],
}


class Linear(RejectingClassifier):
    """Two classes along the first pixel; the margin grows with the second pixel, or is what it is told."""

    def __init__(self, margin: float | None = None) -> None:
        super().__init__()
        self.config = {}
        self.margin = margin
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        flat = x.flatten(1)
        across = self.scale * (flat[:, 0] - 0.5)
        logits = torch.stack([-across, across], dim=1)
        if self.margin is not None:
            return logits, torch.full_like(across, self.margin)
        return logits, self.scale * (0.8 - flat[:, 1]) - logits.amax(1)


class Stepwise(Linear):
    """Has no gradient of its own, and a differentiable stand-in of other values."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, margin = super().forward(x)
        return logits.round(), margin.round()

    def surrogate_forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits, margin = super().forward(x)
        return 3 * logits, 5 * margin


def foolbox_model(network: nn.Module) -> PyTorchModel:
    return PyTorchModel(network.eval(), bounds=(0, 1), device=torch.device("cpu"))


def pixels(*rows: tuple[float, float]) -> Tensor:
    return torch.tensor(rows).view(-1, 1, 1, 2)


def test_the_adapter_decides_as_the_classifier_does() -> None:
    x = torch.rand(200, 1, 1, 2, generator=torch.Generator().manual_seed(0))
    classifier = Linear()
    predicted = WithRejectClass(classifier)(x).argmax(1)
    assert torch.equal(torch.where(predicted == 2, -1, predicted), decide(*classifier(x)))
    assert set(predicted.tolist()) == {0, 1, 2}
    assert torch.equal(ClassLogits(classifier)(x), classifier(x)[0])


@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1.0])
def test_however_small_the_margin_the_adapter_decides_as_the_classifier_does(scale: float) -> None:
    random = torch.Generator().manual_seed(0)
    logits, margin = 20 * torch.randn(500, 4, generator=random), scale * torch.randn(500, generator=random)
    outputs = with_reject_class(logits, margin)
    predicted = outputs.argmax(dim=1)
    assert torch.equal(torch.where(predicted == 4, -1, predicted), decide(logits, margin))
    assert torch.allclose(outputs[:, 4], logits.amax(dim=1) + margin)


@pytest.mark.parametrize("margin", [-torch.inf, torch.inf])
def test_an_infinite_margin_gives_no_nan_gradients(margin: float) -> None:
    x = pixels((0.3, 0.5), (0.9, 0.1)).requires_grad_()
    logits = WithRejectClass(Linear(margin))(x)
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 1]), reduction="sum")
    (gradient,) = torch.autograd.grad(loss, x)
    assert gradient.isfinite().all()
    assert (logits[:, 2] == -torch.inf).all() if margin < 0 else (logits[:, 2] >= MARGIN_CAP).all()


@pytest.mark.parametrize("wrap", [ClassLogits, WithRejectClass])
def test_a_stand_in_lends_its_gradients_and_keeps_the_values(wrap: type[nn.Module]) -> None:
    x = pixels((0.33, 0.52)).requires_grad_()
    outputs = wrap(Stepwise())(x)
    logits, margin = Stepwise()(x)
    assert torch.equal(outputs[:, :2], logits)
    (gradient,) = torch.autograd.grad(outputs[0, 0], x, retain_graph=True)
    assert gradient.flatten().tolist() == [-30.0, 0.0]
    if wrap is WithRejectClass:
        assert torch.equal(outputs[:, 2], logits.amax(1) + margin)
        (gradient,) = torch.autograd.grad(outputs[0, 2], x)
        assert gradient.flatten().tolist() == pytest.approx([-30.0 + 50.0, -50.0])


def test_pgd_climbs_past_the_dustbin_to_another_class() -> None:
    """Away from class 0 the dustbin is nearest; class 1 lies beyond, within the budget."""

    class Beyond(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            first, second = x.flatten(1).unbind(1)
            return torch.stack([1 - first, 2 * second - 1.2, first], dim=1)

    x, labels = pixels((0.4, 0.5)), torch.zeros(1, dtype=torch.int64)
    model, aim = foolbox_model(Beyond()), WrongAndAccepted(labels, reject_class=2)
    steps: dict[str, Any] = {"epsilon": 0.4, "stepsize": 0.02, "steps": 60}
    away, aimed = (attacks.make(kind, **steps).run(model, x, aim, epsilon=0.4) for kind in ("ifgs", "pgd"))
    assert Beyond()(away).argmax(1).tolist() == [2]
    assert Beyond()(aimed).argmax(1).tolist() == [1]
    assert (aimed - x).abs().max() <= 0.4 + 1e-6


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_towards_the_rejection_the_score_is_climbed_however_far_the_classes_are_apart(scale: float) -> None:
    class Bright(nn.Module):
        """Three outputs: two classes along the first pixel, and a rejection where the second is bright."""

        def forward(self, x: Tensor) -> Tensor:
            first, second = x.flatten(1).unbind(1)
            logits = scale * torch.stack([0.5 - first, first - 0.5], dim=1)
            return with_reject_class(logits, second - 0.8)

    x, steps = pixels((0.45, 0.6)), {"epsilon": 0.25, "stepsize": 0.02, "steps": 30}
    attack = attacks.make("tpgd", **steps, targets=["rejection"])
    made = attack.run(foolbox_model(Bright()), x, TargetedMisclassification(torch.tensor([2])), epsilon=0.25)
    assert Bright()(made).argmax(1).tolist() == [2]
    assert made.flatten().tolist() == pytest.approx([0.45, 0.85], abs=1e-6)


def test_pgd_towards_a_class_climbs_its_lead() -> None:
    network, x = convolutional(), pictures(200)  # more than a piece
    targets = (network(x).argmax(1) + 1) % 10
    attack = attacks.make("tpgd", epsilon=0.1, stepsize=0.02, steps=1, targets=["most_likely"])
    made = attack.run(foolbox_model(network), x, TargetedMisclassification(targets), epsilon=0.1)
    leaf = x.clone().requires_grad_()
    wanted = torch.nn.functional.one_hot(targets, 10).bool()
    (gradient,) = torch.autograd.grad(lead_of(network(leaf), wanted).sum(), leaf)
    assert ((made - (x + 0.02 * gradient.sign()).clamp(0, 1)).abs() > 1e-6).float().mean() <= 1e-4


def test_pgd_without_a_dustbin_climbs_the_lead_over_the_true_class() -> None:
    network, x = convolutional(), pictures(200)  # more than a piece
    labels = network(x).argmax(1)
    made = attacks.make("pgd", epsilon=0.1, stepsize=0.02, steps=1).run(foolbox_model(network), x, labels, epsilon=0.1)
    leaf = x.clone().requires_grad_()
    logits = network(leaf)
    behind = logits.gather(1, labels[:, None]).squeeze(1)
    ahead = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    (gradient,) = torch.autograd.grad((ahead - behind).sum(), leaf)
    wanted = (x + 0.02 * gradient.sign()).clamp(0, 1)
    assert ((made - wanted).abs() > 1e-6).float().mean() <= 1e-4  # but where rounding turns a sign


def test_trap_2_a_rejected_image_is_not_adversarial() -> None:
    logits = torch.eye(3)
    labels = torch.zeros(3, dtype=torch.int64)
    criterion = WrongAndAccepted(labels, reject_class=2)
    assert criterion(logits, logits).tolist() == [False, True, False]
    assert Misclassification(labels)(logits, logits).tolist() == [False, True, True]
    assert "reject_class=2" in repr(criterion)


@pytest.mark.parametrize(("kind", "params"), [("deepfool", {"steps": 50, "overshoot": 0.02}), ("cw", CW)])
def test_trap_2_attacks_on_a_rejecting_classifier_end_wrong_and_accepted(kind: str, params: dict[str, Any]) -> None:
    classifier = Linear()
    clean = pixels((0.2, 0.9), (0.3, 0.85), (0.1, 0.8))
    labels = torch.zeros(3, dtype=torch.int64)
    assert decide(*classifier(clean)).tolist() == [0, 0, 0]
    model = foolbox_model(WithRejectClass(classifier))
    found = attacks.make(kind, **params)(model, clean, WrongAndAccepted(labels, 2), epsilons=None)[0]
    assert decide(*classifier(found)).tolist() == [1, 1, 1]


def test_trap_2_deepfool_steps_over_the_dustbin_where_that_is_the_nearest_rival() -> None:
    # From the true class to the other one the way leads through the dustbin: one step to leave, one to be accepted.
    classifier, clean = Linear(), pixels((0.2, 0.7), (0.3, 0.72))
    model, labels = foolbox_model(WithRejectClass(classifier)), torch.zeros(2, dtype=torch.int64)
    attack = attacks.make("deepfool", steps=2, overshoot=0.02)
    found = attack(model, clean, WrongAndAccepted(labels, 2), epsilons=None)[0]
    assert decide(*classifier(found)).tolist() == [1, 1]


def test_trap_2_a_target_must_beat_the_dustbin_by_the_confidence() -> None:
    classifier = Linear()
    clean = pixels((0.2, 0.9), (0.3, 0.85))
    model = foolbox_model(WithRejectClass(classifier))
    criterion = TargetedMisclassification(torch.ones(2, dtype=torch.int64))
    found = attacks.make("cw", **CW)(model, clean, criterion, epsilons=None)[0]
    assert (lead_of(model(found), winners(criterion, 3)) >= 1.0).all()


def test_winners_are_the_outputs_that_make_a_success() -> None:
    labels = torch.tensor([0, 1])
    assert winners(Misclassification(labels), 3).tolist() == [[False, True, True], [True, False, True]]
    assert winners(TargetedMisclassification(labels), 3).tolist() == [[True, False, False], [False, True, False]]
    assert winners(WrongAndAccepted(labels, 2), 3).tolist() == [[False, True, False], [True, False, False]]
    with pytest.raises(InvalidConfig, match="takes Misclassification"):
        winners(Misclassification(labels) & Misclassification(labels), 3)


def test_the_lead_is_the_gap_to_the_best_rival() -> None:
    logits = torch.tensor([[3.0, 5.0, -torch.inf]])
    assert lead_of(logits, torch.tensor([[False, True, False]])).tolist() == [2.0]
    assert lead_of(logits, torch.tensor([[True, False, False]])).tolist() == [-2.0]
