"""Crafting where others went wrong: failed images, rejecting victims, batches, frozen networks, bounds, precision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from bench import aiming, attacks
from bench.attacks.adapter import ClassLogits
from bench.attacks.foolbox_import import Misclassification, PyTorchModel
from bench.crafting import craft_images
from bench.errors import BenchError
from defenses.base import REJECT, LabelledImages, decide
from tests.unit.probed import CPU, PARAMS, Probe, attacked, crafted, suite_attack


def test_trap_1_a_failed_image_stays_the_clean_image_and_is_marked() -> None:
    attack = replace(suite_attack("cw"), params={**PARAMS["cw"], "confidence": 1000.0})
    data = attacked()
    made = crafted(Probe(), attack, data)
    assert torch.equal(made.images, data.images[made.index])
    assert not made.fooled.any()
    assert not made.hit_target.any()
    assert not made.reached_kappa.any()
    assert (made.l2 == 0).all()


def test_trap_1_deepfools_last_point_is_no_result_where_it_fools_nobody() -> None:
    classifier, images = Probe(), attacked().images
    with torch.no_grad():
        classifier.layer.bias[0] += 100
    data = LabelledImages(images, torch.zeros(len(images), dtype=torch.int64))
    spec = attacks.spec("deepfool", PARAMS["deepfool"])
    model = PyTorchModel(ClassLogits(classifier).eval(), bounds=(0, 1), device=CPU)
    last, _, success = spec.build()(model, images, Misclassification(data.labels), epsilons=None)
    assert (last != images).any()
    assert not success.any()
    assert torch.equal(craft_images(classifier, data, spec, 16, CPU), images)
    made = crafted(classifier, suite_attack("deepfool"), data)
    assert torch.equal(made.images, images)
    assert not made.fooled.any()


@pytest.mark.parametrize(
    ("kind", "rejects", "weakened"),
    [
        ("deepfool", False, {"steps": 1, "overshoot": 0.0}),
        ("deepfool", True, {"steps": 1, "overshoot": 0.0}),
        ("cw", False, {"confidence": 2.5}),
        ("cw", True, {"confidence": 0.5}),
    ],
)
def test_trap_1_a_defense_gets_a_success_or_the_clean_image(
    kind: str,
    rejects: bool,  # noqa: FBT001  a parameter's value
    weakened: dict[str, Any],
) -> None:
    classifier, data = Probe(rejects=rejects).eval(), attacked(wrong=10)
    spec = attacks.spec(kind, {**PARAMS[kind], **weakened})
    logits, margin = classifier(data.images)
    clean = decide(logits, margin)
    made = craft_images(classifier, data, spec, 16, CPU).view(-1, *data.images.shape)
    kept = (made == data.images).flatten(2).all(2)
    predicted = torch.stack([decide(*classifier(images)) for images in made])
    if kind == "cw":
        order = logits.scatter(1, data.labels.unsqueeze(1), -torch.inf).argsort(1, descending=True)
        success = predicted == torch.stack([order[:, 1], order[:, 0]])
    else:
        success = (predicted != data.labels) & (predicted != REJECT)
        assert kept[0, (clean != data.labels) & (clean != REJECT)].all()
    assert (kept | success).all()
    assert (kept & ~success).any()
    assert (~kept & success).any()


@pytest.mark.parametrize("kind", ["fgs", "ifgs", "deepfool"])
def test_a_rejection_is_no_target_that_was_hit(kind: str) -> None:
    classifier = Probe(rejects=True)
    made = crafted(classifier, suite_attack(kind, source="victim"), attacked(wrong=0))
    if kind != "deepfool":
        assert (decide(*classifier.eval()(made.images)) == REJECT).any()
    assert (made.target == aiming.UNTARGETED).all()
    assert not made.hit_target.any()


@pytest.mark.parametrize("kind", ["fgs", "ifgs", "deepfool", "cw"])
def test_trap_2_a_rejecting_victim_is_fooled_only_by_images_that_it_accepts(kind: str) -> None:
    classifier, data = Probe(rejects=True), attacked(wrong=0)
    made = crafted(classifier, suite_attack(kind, source="victim"), data)
    accepted = decide(*classifier.eval()(data.images)) != REJECT
    assert sorted(set(made.index.tolist())) == accepted.nonzero().squeeze(1).tolist()
    assert 0 < accepted.sum() < len(data)
    predicted = decide(*classifier(made.images))
    assert torch.equal(made.fooled, (predicted != made.label) & (predicted != REJECT))
    if kind == "deepfool":
        assert made.fooled.all()


def test_trap_3_cw_makes_the_same_of_an_image_alone_and_among_others() -> None:
    data = attacked(wrong=0)
    together = crafted(Probe(), suite_attack("cw", batch_size=100), data)
    alone = crafted(Probe(), suite_attack("cw", batch_size=1), data)
    assert (together.images - alone.images).abs().max() <= 1e-5


def test_trap_5_the_network_stays_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises((AssertionError, RuntimeError)):
        PyTorchModel(Probe().eval(), bounds=(0, 1))
    classifier = Probe()
    assert crafted(classifier, suite_attack("fgs"), attacked()).images.device == CPU
    assert classifier.layer.weight.device == CPU


def test_trap_5_images_outside_the_bounds_by_rounding_are_clamped() -> None:
    data = attacked()
    data.images[5], data.images[6] = 1 + 1e-7, -1e-7
    labels = decide(*Probe().eval()(data.images)).detach()
    made = crafted(Probe(), suite_attack("fgs"), LabelledImages(data.images, labels))
    assert made.images.max() == 1


@pytest.mark.parametrize("value", [1.01, -0.01, torch.nan])
def test_images_far_outside_the_bounds_are_refused(value: float) -> None:
    data = attacked()
    data.images[5, 0, 0, 0] = value
    with pytest.raises(BenchError, match=r"outside \[0, 1\] or are NaN"):
        crafted(Probe(), suite_attack("fgs"), data)


@pytest.mark.parametrize("kind", list(PARAMS))
def test_trap_5_weights_are_frozen_during_the_attack_and_as_before_after_it(kind: str) -> None:
    classifier = Probe().train()
    classifier.dropout.eval()
    classifier.layer.bias.requires_grad_(False)
    classifier.layer.weight.grad = torch.ones_like(classifier.layer.weight)
    crafted(classifier, suite_attack(kind), attacked())
    assert torch.equal(classifier.layer.weight.grad, torch.ones_like(classifier.layer.weight))
    assert classifier.layer.weight.requires_grad
    assert not classifier.layer.bias.requires_grad
    assert classifier.training
    assert not classifier.dropout.training
    assert not any(training for training, *_ in classifier.met)
    # The first and the last call score the clean and the final images, without gradients.
    assert not any(trained for _, trained, *_ in classifier.met[1:-1])


@pytest.mark.parametrize("kind", list(PARAMS))
def test_trap_5_attacks_work_where_the_caller_has_no_gradients(kind: str) -> None:
    expected = crafted(Probe(), suite_attack(kind), attacked())
    classifier = Probe()
    with torch.no_grad():
        assert torch.equal(crafted(classifier, suite_attack(kind), attacked()).images, expected.images)
    data = attacked()
    with torch.inference_mode():
        inferred = LabelledImages(data.images.clone(), data.labels.clone())
        assert torch.equal(crafted(classifier, suite_attack(kind), inferred).images, expected.images)


def test_trap_5_cw_is_not_clipped() -> None:
    made = crafted(Probe(), suite_attack("cw"), attacked())
    assert attacks.spec("cw", PARAMS["cw"]).epsilons is None
    assert made.linf.max() > 0.2


def test_trap_7_every_call_of_the_network_is_exact_float32() -> None:
    classifier = Probe()
    crafted(classifier, suite_attack("ifgs"), attacked())
    assert {settings[2:] for settings in classifier.met} == {(False, "highest")}
