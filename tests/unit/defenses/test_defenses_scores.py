"""What the detectors on the naive twin score: as other libraries do, or by a closed form."""

import numpy as np
import pytest
import torch
from pytorch_ood.detector import KNN, ODIN, EnergyBased, Mahalanobis, MaxSoftmax, ViM
from sklearn.decomposition import PCA
from sklearn.neighbors import KernelDensity as SklearnDensity
from torch import Tensor

from bench import seeding
from bench.trackdata import TrackData
from defenses import kernel_density, knn, odin
from defenses.base import Network
from defenses.energy import Energy
from defenses.mahalanobis import Mahalanobis as MahalanobisDefense
from defenses.msp import MaximumSoftmaxProbability
from defenses.odin import Odin, OdinDetector
from defenses.principal import principal, whitening
from defenses.vim import VirtualLogit, main_directions
from tests.unit.defenses.conftest import Fits, Small, assert_close, scores


class Doubled(Small):
    """The same network with every activation twice: the covariance of its activations is singular."""

    def features(self, x: Tensor) -> Tensor:
        return super().features(x).repeat(1, 2)

    def head(self, features: Tensor) -> Tensor:
        return super().head(features[:, :12])


@torch.no_grad()
def features(network: Network, images: Tensor) -> Tensor:
    return network.features(images)


def test_msp_is_pytorch_ood_s(fits: Fits, tiny_data: TrackData) -> None:
    detector, images = fits.detector(MaximumSoftmaxProbability), tiny_data.test.images
    assert_close(scores(detector, images), MaxSoftmax.score(detector(images)[0].detach()), 1e-6)


def test_energy_is_pytorch_ood_s(fits: Fits, tiny_data: TrackData) -> None:
    detector, images = fits.detector(Energy), tiny_data.test.images
    assert_close(scores(detector, images), EnergyBased.score(detector(images)[0].detach()), 1e-5)


def test_odin_is_pytorch_ood_s(fits: Fits, tiny_data: TrackData) -> None:
    detector, images = fits.detector(Odin, Small()), tiny_data.test.images
    found = scores(detector, images)
    # At so high a temperature scores hardly differ: the bound is far below what the step does to them.
    theirs = ODIN(detector.network, eps=odin.STEP, temperature=odin.TEMPERATURE).predict(images)
    unmoved = MaxSoftmax.score(detector(images)[0].detach(), odin.TEMPERATURE)
    assert_close(found, theirs, 1e-7)
    assert (unmoved - found).min() > 1e-5


def test_odin_s_step_makes_every_image_likelier(fits: Fits, tiny_data: TrackData) -> None:
    detector, images = fits[Odin], tiny_data.test.images
    assert isinstance(detector, OdinDetector)
    with torch.no_grad():
        moved = images - odin.STEP * detector.direction(images)
        likely = [detector.network(x).softmax(1).amax(1) for x in (images, moved)]
    assert (moved - images).abs().max() <= odin.STEP + 1e-7
    assert (likely[1] > likely[0]).all()


def test_mahalanobis_is_pytorch_ood_s(fits: Fits, tiny_data: TrackData) -> None:
    """Theirs is half the distance, by the sum of squares in place of their mean: ours is theirs times 2 N."""
    network, train, images = Small(), tiny_data.train, tiny_data.test.images
    theirs = Mahalanobis(None).fit_features(features(network, train.images).double(), train.labels)
    wanted = 2 * len(train) * theirs.predict_features(features(network, images))
    torch.testing.assert_close(scores(fits.detector(MahalanobisDefense, network), images), wanted, rtol=1e-4, atol=0)


def test_mahalanobis_leaves_out_what_never_varies(fits: Fits, tiny_data: TrackData) -> None:
    once, twice = (fits.detector(MahalanobisDefense, network) for network in (Small(), Doubled()))
    assert twice.get_buffer("whitening").shape == (24, 12)
    found = [scores(detector, tiny_data.test.images) for detector in (once, twice)]
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=0)


@pytest.mark.parametrize(("share", "k"), [(0.001, 1), (0.06, 4), (0.0625, 4)])
def test_knn_is_pytorch_ood_s(
    fits: Fits, tiny_data: TrackData, monkeypatch: pytest.MonkeyPatch, share: float, k: int
) -> None:
    monkeypatch.setattr(knn, "SHARE", share)
    detector, train, images = fits.detector(knn.NearestNeighbours), tiny_data.train, tiny_data.test.images
    theirs = KNN(None, k=k).fit_features(features(detector.network, train.images), train.labels)
    assert_close(scores(detector, images), theirs.predict_features(features(detector.network, images)))


def test_knn_keeps_a_random_part_of_many_images(fits: Fits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "BANK", 20)
    bank = fits.detector(knn.NearestNeighbours, Small()).get_buffer("bank")
    assert bank.shape == (20, 12)
    assert len(bank.unique(dim=0)) == 20
    assert_close(bank.norm(dim=1), torch.ones(20))


def test_vim_is_pytorch_ood_s(fits: Fits, tiny_data: TrackData) -> None:
    network, train, images = Small(), tiny_data.train, tiny_data.test.images
    theirs = ViM(None, d=main_directions(12), w=network.outer.T, b=network.bias)
    theirs.fit_features(features(network, train.images), train.labels)
    wanted = theirs.predict_features(features(network, images))
    torch.testing.assert_close(scores(fits.detector(VirtualLogit, network), images), wanted, rtol=1e-4, atol=1e-4)


def test_vim_has_the_original_s_main_directions() -> None:
    assert [main_directions(many) for many in (2560, 2048, 1024, 768, 512)] == [1000, 1000, 512, 512, 256]


def test_kernel_density_is_scikit_learn_s(fits: Fits, tiny_data: TrackData) -> None:
    """Ours leaves out the Gaussian's normalisation, which all images share."""
    detector, images = fits.detector(kernel_density.KernelDensity), tiny_data.test.images
    bank, width = detector.get_buffer("bank"), float(detector.get_buffer("bandwidth"))
    rows, predicted = features(detector.network, images), detector(images)[0].argmax(1)
    density = [SklearnDensity(bandwidth=width).fit(of_class.numpy()) for of_class in bank]
    theirs = [density[label].score_samples(row[None].numpy())[0] for row, label in zip(rows, predicted, strict=True)]
    normalisation = rows.shape[1] * np.log(width * np.sqrt(2 * np.pi))
    assert len(predicted.unique()) > 1
    torch.testing.assert_close(
        scores(detector, images).double(), -torch.tensor(theirs) - normalisation, rtol=1e-5, atol=1e-4
    )


def test_kernel_density_takes_the_likeliest_bandwidth(fits: Fits, tiny_data: TrackData) -> None:
    detector, validation = fits.detector(kernel_density.KernelDensity, Small()), tiny_data.validation
    bank, rows = detector.get_buffer("bank").numpy(), features(detector.network, validation.images).numpy()
    likelihood = [
        sum(
            SklearnDensity(bandwidth=width).fit(bank[label]).score_samples(rows[validation.labels == label]).sum()
            for label in range(10)
        )
        for width in kernel_density.BANDWIDTHS
    ]
    best = int(np.argmax(likelihood))
    assert 0 < best < len(likelihood) - 1
    assert float(detector.get_buffer("bandwidth")) == pytest.approx(kernel_density.BANDWIDTHS[best])


def test_the_bank_of_kernel_density_holds_images_of_each_class(fits: Fits, tiny_data: TrackData) -> None:
    network, train = Small(), tiny_data.train
    bank = fits.detector(kernel_density.KernelDensity, network).get_buffer("bank")
    assert bank.shape == (10, int(train.labels.bincount().min()), 12)
    for label, rows in enumerate(bank):
        own = features(network, train.images[train.labels == label])
        assert torch.cdist(rows, own).amin(dim=1).max() < 1e-4
        assert len(rows.unique(dim=0)) == len(rows)


def test_whitened_vectors_have_no_covariance() -> None:
    draw = seeding.generator(9)
    rows = torch.randn(500, 6, generator=draw) @ torch.randn(6, 6, generator=draw) + 3
    mean, variances, directions = principal(rows.split(64))
    theirs = PCA().fit(rows.double().numpy())
    assert_close(mean, torch.from_numpy(theirs.mean_), 1e-9)
    assert_close(variances, torch.from_numpy(theirs.explained_variance_) * 499 / 500, 1e-9)
    white = (rows - mean.float()) @ whitening(variances, directions)
    assert_close(white.T @ white / 500, torch.eye(6))


def test_whitening_leaves_out_what_is_rounding() -> None:
    variances = torch.tensor([4.0, 4e-3, 4e-8, -4e-17], dtype=torch.float64)
    white = whitening(variances, torch.eye(4, dtype=torch.float64))
    assert_close(white, torch.tensor([[0.5, 0.0], [0.0, 4e-3**-0.5], [0.0, 0.0], [0.0, 0.0]]))
