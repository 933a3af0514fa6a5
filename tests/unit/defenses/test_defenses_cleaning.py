"""Images that are squeezed, compressed or projected before the naive twin sees them."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy import fft, ndimage
from sklearn.decomposition import PCA
from torch import Tensor, nn
from torch.nn import functional

from bench import attacks, seeding
from bench.attacks.adapter import WithRejectClass
from bench.attacks.criteria import WrongAndAccepted
from bench.attacks.foolbox_import import TargetedMisclassification
from bench.trackdata import TrackData
from defenses import feature_squeezing
from defenses.base import REJECT, Network, RejectingClassifier
from defenses.feature_squeezing import FeatureSqueezing, SqueezingDetector
from defenses.jpeg import QUALITY, Jpeg, JpegClassifier
from defenses.ood_interp_squeezing import JointSqueezingDetector
from defenses.pca import VARIANCE, PcaClassifier, PrincipalComponents
from tests.unit.attacked import model_of
from tests.unit.defenses.conftest import Fits, Small, assert_close, scores

LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


def test_the_median_is_scipy_s() -> None:
    images = torch.rand(3, 3, 9, 8, generator=seeding.generator(6))
    wanted = np.stack([[ndimage.median_filter(plane, size=2) for plane in image] for image in images.numpy()])
    assert torch.equal(feature_squeezing.median(images), torch.from_numpy(wanted))


@pytest.mark.parametrize("bits", [1, 5])
def test_colours_are_as_few_as_numpy_makes_them(bits: int) -> None:
    images = torch.rand(3, 3, 9, 8, generator=seeding.generator(7), requires_grad=True)
    found = feature_squeezing.fewer_bits(images, bits)
    levels = 2**bits - 1
    assert_close(found.detach(), torch.from_numpy(np.rint(images.detach().numpy() * levels) / levels), 1e-6)
    assert len(found.unique()) == 2**bits
    found.sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad, torch.ones_like(images))


@torch.no_grad()
def test_squeezing_scores_by_the_squeezer_that_moves_most(fits: Fits, tiny_data: TrackData) -> None:
    detector, grey = deepcopy(fits.detector(FeatureSqueezing)), tiny_data.test.images[:9]
    detector.get_buffer("bits").fill_(1)  # so few that each of the squeezers moves some image most
    images = torch.cat([grey, grey.round()])  # of black and white ones, the colour depth leaves all
    found = scores(detector, images)
    squeezed = (images.round(), torch.from_numpy(ndimage.median_filter(images.numpy(), size=(1, 1, 2, 2))))
    likely = detector.network(images).softmax(1)
    moved = torch.stack([(detector.network(x).softmax(1) - likely).abs().sum(1) for x in squeezed])
    assert_close(found, moved.amax(0), 1e-5)
    assert len(moved.argmax(0).unique()) == 2


class Bright(Network):
    """Sure that an image is of class 1 where its pixels are above 0.4 in the mean, and of class 0 elsewhere."""

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        lead = 400 * (features.mean(dim=1) - 0.4)
        return torch.stack([torch.zeros_like(lead), lead], dim=1)


class BrightOrOut(Bright):
    """The same with a dustbin, far below the classes."""

    def head(self, features: Tensor) -> Tensor:
        return functional.pad(super().head(features), (0, 1), value=-1000.0)


GREY = torch.full((1, 1, 4, 4), 0.3)  # as it is, of class 0 up to 0.4; in one bit of colour, up to 0.5


@pytest.fixture(params=[(SqueezingDetector, Bright), (JointSqueezingDetector, BrightOrOut)], ids=["alone", "joint"])
def sure(request: pytest.FixtureRequest) -> SqueezingDetector:
    """A detector, alone or joint with a dustbin, whose softmaxes are hardly ever in doubt."""
    kind, network = request.param
    fitted = {"bits": torch.tensor(1.0), "centre": torch.zeros(2), "spread": torch.ones(2)}
    detector: SqueezingDetector = kind(network(), 2, fitted).eval()
    detector.threshold.fill_(0.02)
    assert detector.predict(GREY).tolist() == [0]
    return detector


def test_an_attacker_climbs_where_the_distance_of_two_sure_softmaxes_is_flat(
    sure: SqueezingDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def attacked() -> list[int]:
        pgd, model = attacks.make("pgd", epsilon=0.3, stepsize=0.02, steps=30), model_of(WithRejectClass(sure).eval())
        return sure.predict(pgd.run(model, GREY, WrongAndAccepted(torch.tensor([0]), 2), epsilon=0.3)).tolist()

    assert attacked() == [1]
    monkeypatch.setattr(type(sure), "surrogate_forward", RejectingClassifier.surrogate_forward)
    assert attacked() in ([0], [REJECT])


def test_an_attacker_climbs_to_the_rejection_too(sure: SqueezingDetector) -> None:
    tpgd = attacks.make("tpgd", epsilon=0.15, stepsize=0.01, steps=30, targets=["rejection"])
    aim = TargetedMisclassification(torch.tensor([2]))
    moved = tpgd.run(model_of(WithRejectClass(sure).eval()), GREY, aim, epsilon=0.15)
    assert sure.predict(moved).tolist() == [REJECT]


def test_jpeg_is_quantised_cosines() -> None:
    """Annex K of the standard has the table, and libjpeg halves it at this quality."""
    assert QUALITY == 75
    rough = torch.rand(4, 1, 8, 8, generator=seeding.generator(8))
    images = nn.functional.interpolate(rough, size=(32, 32), mode="bilinear")
    blocks = (images * 255).round().double().numpy().reshape(4, 4, 8, 4, 8) - 128
    table = ((LUMINANCE * 50 + 50) // 100)[None, None, :, None, :]
    kept = np.rint(fft.dctn(blocks, axes=(2, 4), norm="ortho") / table) * table
    wanted = np.rint(fft.idctn(kept, axes=(2, 4), norm="ortho") + 128).clip(0, 255).reshape(4, 1, 32, 32)
    found = JpegClassifier(Small(), 10, {}).cleaned(images)
    off = (found * 255 - torch.from_numpy(wanted)).abs()
    # Whole numbers in its cosines make another encoder take the next step of the table here and there.
    assert (off < 1.01).double().mean() > 0.95
    assert off.max() < 8
    assert (found - images).abs().max() > 2.5 / 255


def test_jpeg_keeps_plain_colours() -> None:
    colours = torch.tensor([[0.9, 0.1, 0.2], [0.1, 0.8, 0.3], [0.2, 0.1, 0.7]])
    images = colours[:, :, None, None].expand(3, 3, 32, 32)
    assert_close(JpegClassifier(Small(), 10, {}).cleaned(images), images, 4 / 255)


def test_jpeg_s_gradient_is_that_of_what_the_network_sees(fits: Fits, tiny_data: TrackData) -> None:
    classifier, images = fits[Jpeg], tiny_data.test.images[:5].clone().requires_grad_()
    assert isinstance(classifier, JpegClassifier)
    seen = classifier.cleaned(images).detach().requires_grad_()
    (found,) = torch.autograd.grad(classifier(images)[0].logsumexp(1).sum(), images)
    (wanted,) = torch.autograd.grad(classifier.network(seen).logsumexp(1).sum(), seen)
    assert_close(found, wanted, 1e-6)


def test_pca_is_scikit_learn_s(fits: Fits, tiny_data: TrackData) -> None:
    classifier, images = fits[PrincipalComponents], tiny_data.test.images
    assert isinstance(classifier, PcaClassifier)
    theirs = PCA(VARIANCE).fit(tiny_data.train.images.flatten(1).double().numpy())
    wanted = theirs.inverse_transform(theirs.transform(images.flatten(1).double().numpy()))
    assert classifier.directions.shape == (784, theirs.n_components_)
    assert_close(classifier.cleaned(images), torch.from_numpy(wanted).view_as(images))


@torch.no_grad()
def test_the_colour_depth_is_the_least_that_keeps_the_clean_accuracy(fits: Fits, tiny_data: TrackData) -> None:
    detector, validation = fits.detector(FeatureSqueezing), tiny_data.validation
    chosen = int(detector.get_buffer("bits"))

    def accuracy(bits: int) -> float:
        found = detector.network(feature_squeezing.fewer_bits(validation.images, bits)).argmax(dim=1)
        return float((found == validation.labels).float().mean())

    assert accuracy(chosen) >= accuracy(8) - 0.01
    assert all(accuracy(bits) < accuracy(8) - 0.01 for bits in range(1, chosen))
