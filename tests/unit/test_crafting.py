"""Crafting: which images are attacked, and what is said of each result."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from bench import aiming, attacks
from bench.crafting import craft, craft_images
from bench.errors import BenchError
from defenses.base import REJECT, decide
from tests.unit.probed import CPU, PARAMS, Probe, attacked, crafted, suite_attack


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
    assert (crafted(Probe(), suite_attack("fgs"), data).target == aiming.UNTARGETED).all()


@pytest.mark.parametrize("kind", ["tpgd", "cw"])
def test_what_is_aimed_at_may_be_the_rejection(kind: str) -> None:
    attack = replace(suite_attack(kind, source="victim"), params=PARAMS[kind] | {"targets": ["rejection"]})
    if kind == "cw":
        attack = replace(attack, params={**attack.params, "confidence": 0.0})  # no margin is as large as 0.5
    classifier, data = Probe(rejects=True), attacked()
    made = crafted(classifier, attack, data)
    predicted = decide(*classifier.eval()(made.images))
    assert len(made.index) < len(data)  # what it rejects by itself is not attacked
    assert (made.target == aiming.REJECTED).all()
    assert torch.equal(made.hit_target, predicted == REJECT)
    assert made.hit_target.float().mean() > 0.5
    assert torch.equal(made.fooled, (predicted != made.label) & (predicted != REJECT))
    assert (made.l2[made.hit_target] > 0).all()


def test_who_never_rejects_keeps_the_images_of_an_attack_that_aims_at_it() -> None:
    told: list[int] = []
    attack = replace(suite_attack("tpgd", source="victim"), params={**PARAMS["tpgd"], "targets": ["rejection"]})
    data = attacked()
    made = craft(Probe(), attack, attack.spec("digits"), data, permutation=5, device=CPU, advance=told.append)
    assert torch.equal(made.images, data.images[made.index])
    assert not (made.hit_target | made.fooled).any()
    assert (made.l2 == 0).all()
    assert told == [36]


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


def test_a_network_that_gets_nothing_right_is_an_error_with_the_mend() -> None:
    with pytest.raises(BenchError, match=r"fgs: the attacked network \(surrogate\) gets none of 40 .* train it"):
        crafted(Probe(), suite_attack("fgs"), attacked(wrong=40))


@pytest.mark.parametrize("attack", list(PARAMS))
def test_a_defense_that_gets_nothing_right_is_handed_nothing(attack: str) -> None:
    found = crafted(Probe(), replace(suite_attack(attack), source="victim"), attacked(wrong=40))
    assert found.images.shape == (0, *attacked().images.shape[1:])
    assert [len(getattr(found, field.name)) for field in fields(found)] == [0] * len(fields(found))


@pytest.mark.parametrize("attack", list(PARAMS))
def test_results_that_are_not_finite_are_an_error(attack: str) -> None:
    class Broken(Probe):
        def surrogate_forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            logits, margin = self(x)
            return (x.flatten(1)[:, :1] - x.flatten(1)[:, :1]).sqrt() + logits, margin

    with pytest.raises(BenchError, match="made images that are not finite"):
        crafted(Broken(), suite_attack(attack), attacked())


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
