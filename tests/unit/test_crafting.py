"""Crafting: which images are attacked, what is left of the network, and what is said of each result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench import attacks, crafting
from bench.attacks.adapter import ClassLogits
from bench.attacks.foolbox_import import Misclassification, PyTorchModel
from bench.crafting import Crafted, craft, craft_images
from bench.errors import BenchError
from bench.suites import Source, SuiteAttack
from defenses.base import REJECT, LabelledImages, RejectingClassifier, decide

CPU = torch.device("cpu")
CLASSES, SIDE = 3, 4

PARAMS: dict[str, dict[str, Any]] = {
    "fgs": {"epsilon": 0.2},
    "ifgs": {"epsilon": 0.2, "stepsize": 0.05, "steps": 6},
    "tfgs": {"epsilon": 0.2, "targets": ["least_likely"]},
    "deepfool": {"steps": 50, "overshoot": 0.02},
    "cw": {
        "binary_search_steps": 3,
        "steps": 60,
        "stepsize": 0.05,
        "confidence": 0.5,
        "initial_const": 5.0,
        "abort_early": True,
        "targets": ["least_likely", "most_likely"],
    },
}


class Probe(RejectingClassifier):
    """A linear network of three classes, with dropout; may reject dark images by a margin of its own."""

    def __init__(self, *, rejects: bool = False) -> None:
        super().__init__()
        self.config = {}
        torch.manual_seed(0)
        self.layer = nn.Linear(SIDE * SIDE, CLASSES)
        self.dropout = nn.Dropout(0.5)
        self.rejects = rejects
        self.met: list[tuple[bool, bool, bool, str]] = []
        with torch.no_grad():
            self.layer.weight.mul_(4)
            self.layer.bias.copy_(-0.5 * self.layer.weight.sum(1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        settings = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
        self.met.append((self.training, self.layer.weight.requires_grad, *settings))
        flat = x.flatten(1)
        margin = 0.4 - flat.mean(1)
        logits: Tensor = self.layer(self.dropout(flat))
        return logits, margin if self.rejects else torch.full_like(margin, -torch.inf)


def attacked(count: int = 40, *, wrong: int = 4) -> LabelledImages:
    """Images that the probe gets right, but for the first few."""
    images = torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    labels = decide(*Probe().eval()(images))
    labels[:wrong] = (labels[:wrong] + 1) % CLASSES
    return LabelledImages(images, labels.detach())


def suite_attack(
    kind: str, *, source: Source = "surrogate", batch_size: int = 16, images: int | None = None
) -> SuiteAttack:
    return SuiteAttack(kind, kind, kind, source, True, batch_size, images, None, PARAMS[kind], {}, "test")


def crafted(classifier: RejectingClassifier, attack: SuiteAttack, data: LabelledImages) -> Crafted:
    return craft(classifier, attack, attack.spec("digits"), data, permutation=5, device=CPU)


@pytest.mark.parametrize("kind", list(PARAMS))
def test_what_is_said_of_each_image_is_true_of_it_as_stored(kind: str) -> None:
    data, classifier = attacked(), Probe()
    made = crafted(classifier, suite_attack(kind), data)
    targets = len(PARAMS[kind].get("targets", [])) or 1
    assert made.index.tolist() == list(range(4, 40)) * targets
    assert torch.equal(made.label, data.labels[made.index])
    assert made.images.dtype == made.l2.dtype == made.linf.dtype == torch.float32
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    predicted = decide(*classifier.eval()(made.images))
    assert torch.equal(made.fooled, predicted != made.label)
    assert torch.equal(made.hit_target, predicted == made.target)
    assert made.fooled.float().mean() > 0.5
    moved = (made.images - data.images[made.index]).flatten(1)
    assert torch.allclose(made.l2, moved.norm(dim=1))
    assert torch.allclose(made.linf, moved.abs().amax(1))
    if made.reached_kappa.any():
        assert kind == "cw"
        logits = classifier(made.images)[0]
        rivals = logits.scatter(1, made.target.unsqueeze(1), -torch.inf).amax(1)
        assert torch.equal(made.reached_kappa, logits.gather(1, made.target.unsqueeze(1))[:, 0] - rivals >= 0.5)
    if kind in {"deepfool", "cw"}:
        assert (made.l2[~made.fooled] == 0).all()
    else:
        assert made.linf.max() <= 0.2 + 1e-6


def test_targets_are_the_last_and_the_first_other_class_of_the_clean_image() -> None:
    data = attacked()
    made = crafted(Probe(), suite_attack("cw"), data)
    order = Probe().eval()(data.images[4:])[0].argsort(1)
    assert torch.equal(made.target[:36], order[:, 0])
    assert torch.equal(made.target[36:], order[:, 1])
    assert (crafted(Probe(), suite_attack("fgs"), data).target == crafting.UNTARGETED).all()


def test_a_number_of_images_is_the_first_right_ones_of_the_permutation() -> None:
    made = crafted(Probe(), suite_attack("cw", images=5), attacked())
    order = torch.randperm(40, generator=torch.Generator().manual_seed(5)).tolist()
    expected = [place for place in order if place >= 4][:5]
    assert made.index.tolist() == expected * 2
    many = crafted(Probe(), suite_attack("fgs", images=1000), attacked())
    assert sorted(many.index.tolist()) == list(range(4, 40))


def test_batches_are_reported_and_change_nothing() -> None:
    told: list[int] = []
    attack = suite_attack("cw", batch_size=30)
    made = craft(Probe(), attack, attack.spec("digits"), attacked(), permutation=5, device=CPU, advance=told.append)
    assert told == [30, 30, 12]
    other = crafted(Probe(), replace(attack, batch_size=7), attacked())
    assert torch.equal(made.target, other.target)
    assert (made.images - other.images).abs().max() <= 1e-5


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
    assert (made.target == crafting.UNTARGETED).all()
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


def test_a_network_that_gets_nothing_right_is_an_error_with_the_mend() -> None:
    with pytest.raises(BenchError, match=r"fgs: the attacked network \(surrogate\) gets none of 40 .* train it"):
        crafted(Probe(), suite_attack("fgs"), attacked(wrong=40))


def test_results_that_are_not_finite_are_an_error() -> None:
    class Broken(Probe):
        def surrogate_forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            logits, margin = self(x)
            return (x.flatten(1)[:, :1] - x.flatten(1)[:, :1]).sqrt() + logits, margin

    with pytest.raises(BenchError, match="SharedGraphDeepFool: made images that are not finite"):
        crafted(Broken(), suite_attack("deepfool"), attacked())


def test_an_attack_must_be_resolved_for_its_track() -> None:
    attack = replace(suite_attack("fgs"), tracks={"mnist": {"epsilon": 0.3}})
    with pytest.raises(ValueError, match="not resolved"):
        craft(Probe(), attack, attack.spec("mnist"), attacked(), permutation=5, device=CPU)


def test_a_defense_crafts_on_every_image_by_the_same_path() -> None:
    data = attacked()
    for kind in ("fgs", "cw"):
        spec = attacks.spec(kind, PARAMS[kind])
        images = craft_images(Probe(), data, spec, 16, CPU)
        made = crafted(Probe(), suite_attack(kind), data)
        rows = torch.cat([torch.arange(4, 40) + 40 * turn for turn in range(max(1, len(spec.targets)))])
        assert len(images) == 40 * max(1, len(spec.targets))
        assert (images[rows] - made.images).abs().max() <= 1e-5
