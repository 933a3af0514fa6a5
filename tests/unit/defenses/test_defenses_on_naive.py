"""What every defense that stands on the naive twin promises."""

import copy

import pytest
import torch

from bench import canonical, codedigest
from bench.attacks.adapter import WithRejectClass
from bench.fitting import network_factory
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses import kernel_density, knn
from defenses.base import REJECT
from defenses.cascade import Cascade
from defenses.detector import FALSE_REJECTIONS, DetectorDefense
from defenses.energy import Energy
from defenses.feature_squeezing import FeatureSqueezing
from defenses.jpeg import Jpeg
from defenses.mahalanobis import Mahalanobis as MahalanobisDefense
from defenses.msp import MaximumSoftmaxProbability
from defenses.odin import Odin
from defenses.on_naive import OnNaiveDefense
from defenses.pca import PrincipalComponents
from defenses.vim import VirtualLogit
from tests.unit.defenses.conftest import Fits, scores

DETECTORS: tuple[type[DetectorDefense], ...] = (
    MaximumSoftmaxProbability,
    Energy,
    Odin,
    MahalanobisDefense,
    knn.NearestNeighbours,
    VirtualLogit,
    kernel_density.KernelDensity,
    FeatureSqueezing,
    Cascade,
)
CLEANERS: tuple[type[OnNaiveDefense], ...] = (Jpeg, PrincipalComponents)


def module_of(defense: type[OnNaiveDefense]) -> str:
    return defense.__module__.split(".")[-1]


@pytest.fixture(params=[*DETECTORS, *CLEANERS], ids=module_of)
def defense(request: pytest.FixtureRequest) -> type[OnNaiveDefense]:
    found: type[OnNaiveDefense] = request.param
    return found


@pytest.mark.parametrize("defense", DETECTORS, ids=module_of)
def test_a_detector_rejects_five_per_cent_of_validation_images(
    fits: Fits, tiny_data: TrackData, defense: type[DetectorDefense]
) -> None:
    detector, images = fits.detector(defense), tiny_data.validation.images
    assert int((detector.predict(images) == REJECT).sum()) == int(FALSE_REJECTIONS * len(images)) == 3
    found = scores(detector, images)
    assert float(detector.threshold) in found.tolist()
    assert float(detector.unit) == pytest.approx(max(1.0, float(found.std())))
    with torch.no_grad():
        margin = detector(images)[1]
    assert torch.equal(margin > 0, found > detector.threshold)
    torch.testing.assert_close(margin * detector.unit, found - detector.threshold)


@pytest.mark.parametrize("defense", CLEANERS, ids=module_of)
def test_a_cleaner_rejects_nothing(fits: Fits, tiny_data: TrackData, defense: type[OnNaiveDefense]) -> None:
    assert (fits[defense].reject_score(tiny_data.test.images) == -torch.inf).all()


def test_it_keeps_the_contract(fits: Fits, tiny_data: TrackData, defense: type[OnNaiveDefense]) -> None:
    assert defense.title
    assert defense.source
    assert defense.__doc__
    assert defense.needs == ("naive",)
    assert codedigest.module_digest(defense.__module__)
    classifier, images = fits[defense], tiny_data.test.images[:7]
    logits, margin = classifier(images)
    assert logits.shape == (7, 10)
    assert margin.shape == (7,)
    assert logits.isfinite().all()
    assert not margin.isnan().any()
    assert torch.equal(classifier.predict(images) == REJECT, margin > 0)
    assert not any(module.training for module in classifier.modules())
    assert {tensor.dtype for tensor in classifier.state_dict().values()} == {torch.float32}


@torch.no_grad()
def test_the_fate_of_an_image_is_its_own(fits: Fits, tiny_data: TrackData, defense: type[OnNaiveDefense]) -> None:
    # In double precision: how float32 rounds depends on the batch, and a covariance's inverse makes much of it.
    classifier, images = copy.deepcopy(fits[defense]).double(), tiny_data.test.images[:9].double()
    together = classifier(images)
    alone = [torch.cat(outputs) for outputs in zip(*(classifier(image[None]) for image in images), strict=True)]
    torch.testing.assert_close(alone[0], together[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(alone[1], together[1], atol=1e-4, rtol=1e-4)


def test_it_is_made_again_from_json_and_tensors(
    fits: Fits, tiny_data: TrackData, tiny_track: Track, defense: type[OnNaiveDefense]
) -> None:
    classifier, images = fits[defense], tiny_data.test.images
    canonical.encode(dict(classifier.config))
    again = defense.build(classifier.config, network_factory(tiny_track)).eval()
    again.load_state_dict(classifier.state_dict(), strict=True)
    for one, other in zip(classifier(images), again(images), strict=True):
        assert torch.equal(one, other)


def test_a_second_fit_is_the_same(fits: Fits, defense: type[OnNaiveDefense]) -> None:
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    again, first = defense().fit(fits.fitting(fits.naive)).state_dict(), fits[defense].state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert again.keys() == first.keys()
    assert all(torch.equal(again[key], first[key]) for key in again)


def test_attackers_can_follow_it(fits: Fits, tiny_data: TrackData, defense: type[OnNaiveDefense]) -> None:
    """The logits' gradients, and a detector's score's: all but maximal confidence leave one."""
    images = tiny_data.test.images[:3].clone().requires_grad_()
    outputs = WithRejectClass(fits[defense])(images)
    for part in (outputs[:, :-1], outputs[:, -1:] if defense in DETECTORS else outputs[:, :-1]):
        (gradient,) = torch.autograd.grad(part.logsumexp(1).sum(), images, retain_graph=True)
        assert gradient.isfinite().all()
        assert (gradient.flatten(1).abs().sum(1) > 0).all()
