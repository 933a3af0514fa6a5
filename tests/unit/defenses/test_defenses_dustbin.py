"""The dustbin joined with another defense: attacks, squeezing, or an ensemble."""

from collections.abc import Callable

import pytest
import torch

from bench.fitting import TrackFitting, network_factory
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses import adversarial_training as training
from defenses.adversarial_dustbin import AdversarialDustbin
from defenses.adversarial_images import EPSILON
from defenses.base import REJECT
from defenses.committee import MEMBERS, Committee
from defenses.detector import FALSE_REJECTIONS
from defenses.dustbin import DustbinClassifier
from defenses.feature_squeezing import SqueezingDetector
from defenses.joint_detector import JointDefense
from defenses.mahalanobis import MahalanobisDetector
from defenses.naive import NaiveClassifier
from defenses.ood_interp_adversarial import OodInterpAdversarial
from defenses.ood_interp_ensemble import OodInterpEnsemble
from defenses.ood_interp_mahalanobis import JointMahalanobisDetector, OodInterpMahalanobis
from defenses.ood_interp_squeezing import JointSqueezingDetector, OodInterpSqueezing
from tests.unit.defenses.conftest import FirstPixels, FittingOf, Spy, loss_of, pixels, untrained

MakeFitting = Callable[..., TrackFitting]


def test_the_adversarial_dustbin_holds_an_attack_on_every_training_image(
    make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    images, labels = tiny_data.train.images, tiny_data.train.labels
    dustbin = AdversarialDustbin().dustbin(make_fitting(fitted={"naive": naive}))
    assert dustbin.shape == images.shape
    assert (dustbin - images).flatten(1).abs().amax(dim=1).allclose(torch.tensor(EPSILON[1]))
    assert loss_of(naive.network, dustbin, labels) > loss_of(naive.network, images, labels) + 0.1


def test_the_adversarial_combination_attacks_the_dustbin_too(
    fitting_of: FittingOf, spy: Spy, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    classifier = OodInterpAdversarial().fit(fitting_of({"naive": naive}))
    ((images, targets, outputs, hook),) = spy.asked
    assert hook is training.partly_attacked
    assert outputs == 11
    assert torch.equal(targets[: len(tiny_data.train)], tiny_data.train.labels)
    assert (targets[len(tiny_data.train) :] == 10).all()
    assert len(images) == len(targets) > len(tiny_data.train) + len(tiny_data.out_train)
    assert classifier.config == {"classes": 10}
    outliers = torch.full((16,), 10)
    moved = training.attacked(classifier.network, tiny_data.out_train[:16], outliers)
    assert loss_of(classifier.network, moved, outliers) > loss_of(
        classifier.network, tiny_data.out_train[:16], outliers
    )


def test_squeezing_joins_the_dustbin_in_its_own_units() -> None:
    """By hand: the lead and the distance, each less its centre and over its spread, and the larger of them."""
    images = pixels((0.9, 0.1, 0.2), (0.1, 0.2, 0.9), (0.2, 0.9, 0.1))
    network = FirstPixels(3)
    units = {"centre": torch.tensor([0.5, 0.1]), "spread": torch.tensor([2.0, 0.5]), "bits": torch.tensor(1.0)}
    detector = JointSqueezingDetector(network, 2, units)
    moved = SqueezingDetector(network, 3, {"bits": torch.tensor(1.0)}).judged(images)[1]
    lead = torch.tensor([0.2 - 0.9, 0.9 - 0.2, 0.1 - 0.9])
    logits, score = detector.judged(images)
    torch.testing.assert_close(logits, images.flatten(1)[:, :2])
    torch.testing.assert_close(score, torch.maximum((lead - 0.5) / 2, (moved - 0.1) / 0.5))


@pytest.mark.parametrize("defense", [OodInterpMahalanobis, OodInterpSqueezing])
def test_the_two_signs_together_reject_their_share(
    defense: type[JointDefense], make_fitting: MakeFitting, tiny_track: Track, tiny_data: TrackData
) -> None:
    other = DustbinClassifier(untrained(tiny_track, 11), 10)
    detector = defense().fit(make_fitting(fitted={"ood_interp": other}))
    with torch.no_grad():
        margin = detector(tiny_data.validation.images)[1]
    rejected = (margin > 0).float().mean()
    assert FALSE_REJECTIONS - 1 / len(margin) < rejected <= FALSE_REJECTIONS


def test_a_detector_joins_the_dustbin_in_its_own_units(
    make_fitting: MakeFitting, tiny_track: Track, tiny_data: TrackData
) -> None:
    network = untrained(tiny_track, 11)
    detector = OodInterpMahalanobis().fit(make_fitting(fitted={"ood_interp": DustbinClassifier(network, 10)}))
    assert isinstance(detector, JointMahalanobisDetector)
    with torch.no_grad():
        features = network.features(tiny_data.validation.images)
        logits = network.head(features)
        lead = logits[:, 10] - logits[:, :10].amax(dim=1)
        score = MahalanobisDetector.judged(detector, tiny_data.validation.images)[1]
        found, margin = detector(tiny_data.validation.images)
    joint = (lead - lead.mean()) / lead.std() + (score - score.mean()) / score.std()
    torch.testing.assert_close(found, logits[:, :10])
    torch.testing.assert_close(margin * detector.unit + detector.threshold, joint, rtol=1e-3, atol=1e-3)
    again = OodInterpMahalanobis.build(detector.config, network_factory(tiny_track))
    again.load_state_dict(detector.state_dict(), strict=True)
    assert torch.equal(again.eval()(tiny_data.validation.images)[1], margin)


def test_the_dustbin_s_rule_is_applied_to_the_mean() -> None:
    """Two members of three see the dustbin by a little, the third a class for certain: the mean is that class."""
    members = [FirstPixels(3), FirstPixels(3, skipped=3), FirstPixels(3, skipped=6)]
    doubtful, certain = (0.0, -9.0, 0.1), (9.0, -9.0, -9.0)
    images = pixels((*doubtful, *doubtful, *certain), (*doubtful, *doubtful, *doubtful))
    assert DustbinClassifier(Committee(members), 2).predict(images).tolist() == [0, REJECT]


def test_the_dustbin_s_ensemble_has_members_with_dustbins_of_their_own(
    fitting_of: FittingOf, spy: Spy, naive: NaiveClassifier, tiny_track: Track
) -> None:
    other = DustbinClassifier(untrained(tiny_track, 11), 10)
    classifier = OodInterpEnsemble().fit(fitting_of({"naive": naive, "ood_interp": other}))
    assert isinstance(classifier.network, Committee)
    assert classifier.network.member(0) is other.network
    one, two = spy.asked
    assert len(classifier.network.members) == MEMBERS == 3
    assert one[0].shape == two[0].shape
    assert not torch.equal(one[0], two[0])
