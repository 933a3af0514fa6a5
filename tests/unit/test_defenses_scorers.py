"""The defenses that stand on the naive twin: beside other libraries and closed forms, and what all of them promise."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from pytorch_ood.detector import KNN, ODIN, EnergyBased, Mahalanobis, MaxSoftmax, ViM
from scipy import fft, ndimage  # type: ignore[import-untyped]
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity as SklearnDensity
from torch import Tensor, nn

from bench import canonical, codedigest, models, seeding
from bench.attacks.adapter import WithRejectClass
from bench.fitting import TrackFitting, network_factory
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses import cascade, feature_squeezing, kernel_density, knn, odin
from defenses.base import REJECT, Network, RejectingClassifier
from defenses.cascade import Cascade, CascadeDetector
from defenses.detector import FALSE_REJECTIONS, Detector, DetectorDefense
from defenses.energy import Energy
from defenses.equipped import EquippedClassifier
from defenses.feature_squeezing import FeatureSqueezing
from defenses.jpeg import QUALITY, Jpeg, JpegClassifier
from defenses.mahalanobis import Mahalanobis as MahalanobisDefense
from defenses.msp import MaximumSoftmaxProbability
from defenses.naive import Naive, NaiveClassifier
from defenses.odin import Odin, OdinDetector
from defenses.on_naive import OnNaiveDefense
from defenses.pca import VARIANCE, PcaClassifier, PrincipalComponents
from defenses.principal import principal, whitening
from defenses.tapping import tapped
from defenses.vim import VirtualLogit, main_directions

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
CLEANERS: tuple[type[OnNaiveDefense], ...] = (Jpeg, PrincipalComponents)


class Small(Network):
    """A network of so few activations that the training images vary in every direction of them."""

    def __init__(self) -> None:
        super().__init__()
        draw = seeding.generator(5)
        self.inner = nn.Parameter(torch.randn(28 * 28, 12, generator=draw) / 3)
        self.outer = nn.Parameter(torch.randn(12, 10, generator=draw))
        self.bias = nn.Parameter(torch.randn(10, generator=draw))

    def features(self, x: Tensor) -> Tensor:
        return nn.functional.softplus(x.flatten(1) @ self.inner)

    def head(self, features: Tensor) -> Tensor:
        return features @ self.outer + self.bias


class Doubled(Small):
    """The same network with every activation twice: the covariance of its activations is singular."""

    def features(self, x: Tensor) -> Tensor:
        return super().features(x).repeat(1, 2)

    def head(self, features: Tensor) -> Tensor:
        return super().head(features[:, :12])


@dataclass
class Fits:
    """Fits each defense once on the naive network of a tiny track, and any on a network of the test's."""

    track: Track
    data: TrackData
    naive: RejectingClassifier
    found: dict[type[OnNaiveDefense], EquippedClassifier] = field(default_factory=dict)

    def fitting(self, naive: RejectingClassifier) -> TrackFitting:
        return TrackFitting(
            self.track,
            self.data,
            device=torch.device("cpu"),
            stream=1,
            fitted={"naive": naive},
            advance=lambda work: None,
        )

    def __getitem__(self, defense: type[OnNaiveDefense]) -> EquippedClassifier:
        if defense not in self.found:
            self.found[defense] = defense().fit(self.fitting(self.naive))
        return self.found[defense]

    def detector(self, defense: type[DetectorDefense], network: Network | None = None) -> Detector:
        found = self[defense] if network is None else defense().fit(self.fitting(NaiveClassifier(network, 10)))
        assert isinstance(found, Detector)
        return found


@pytest.fixture(scope="module")
def fits(tiny_track: Track, tiny_data: TrackData) -> Fits:
    track = replace(tiny_track, recipe=replace(tiny_track.recipe, epochs=12))  # as few as tell the classes apart
    fits = Fits(track, tiny_data, NaiveClassifier(Small(), 10))
    fits.naive = Naive().fit(fits.fitting(fits.naive))
    return fits


def module_of(defense: type[OnNaiveDefense]) -> str:
    return defense.__module__.split(".")[-1]


@pytest.fixture(params=[*DETECTORS, *CLEANERS], ids=module_of)
def defense(request: pytest.FixtureRequest) -> type[OnNaiveDefense]:
    found: type[OnNaiveDefense] = request.param
    return found


@torch.no_grad()
def scores(detector: Detector, images: Tensor) -> Tensor:
    return detector.judged(images)[1]


@torch.no_grad()
def features(network: Network, images: Tensor) -> Tensor:
    return network.features(images)


def assert_close(found: Tensor, wanted: Tensor, within: float = 1e-4) -> None:
    torch.testing.assert_close(found.double(), wanted.double(), atol=within, rtol=0)


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


@pytest.mark.parametrize(("share", "k"), [(0.001, 1), (0.06, 4)])
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
    detector, grey = fits.detector(FeatureSqueezing), tiny_data.test.images[:9]
    images = torch.cat([grey, grey.round()])  # of black and white ones, the colour depth leaves all
    found = scores(detector, images)
    squeezed = (images.round(), torch.from_numpy(ndimage.median_filter(images.numpy(), size=(1, 1, 2, 2))))
    likely = detector.network(images).softmax(1)
    moved = torch.stack([(detector.network(x).softmax(1) - likely).abs().sum(1) for x in squeezed])
    assert_close(found, moved.amax(0), 1e-5)
    assert len(moved.argmax(0).unique()) == 2


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


def test_stages_are_spread_evenly() -> None:
    def convolutions(architecture: str, side: int) -> tuple[list[nn.Module], list[int]]:
        network = models.create(architecture, channels=1, side=side, outputs=10)
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        return list(layers), [layers.index(layer) for layer in cascade.stage_layers(network)]

    assert convolutions("vgg16", 32)[1] == [0, 3, 6, 9, 12]
    assert convolutions("cuda_convnet", 28)[1] == [0, 1, 2]
    with pytest.raises(ValueError, match="no convolution"):
        cascade.stage_layers(Small())


def test_statistics_are_numpy_s() -> None:
    draw = seeding.generator(10)
    output, mean, white = (torch.randn(shape, generator=draw) for shape in ((3, 4, 5, 5), (4,), (4, 2)))
    components = (output.permute(0, 2, 3, 1).reshape(3, 25, 4) - mean).numpy() @ white.numpy()
    wanted = [components.mean(1), *np.percentile(components, (0, 25, 50, 75, 100), axis=1)]  # ranks are whole: 24 / 4
    assert_close(cascade.statistics(output, mean, white), torch.from_numpy(np.concatenate(wanted, axis=1)), 1e-5)


@torch.no_grad()
def test_one_stage_clears_an_image(fits: Fits, tiny_data: TrackData) -> None:
    shapes = fits[Cascade].config["fitted"]
    biases = {"bias_0": 3.0, "bias_1": -2.0, "bias_2": 1.0}
    flat = {name: torch.full(shape, biases.get(name, 0.0)) for name, shape in shapes.items()}
    detector, images = CascadeDetector(fits[Cascade].network, 10, flat), tiny_data.test.images[:4]
    assert scores(detector, images).tolist() == [-2.0] * 4
    assert (detector.predict(images) != REJECT).all()
    detector.get_buffer("bias_1").fill_(0.5)
    assert scores(detector, images).tolist() == [0.5] * 4
    assert (detector.predict(images) == REJECT).all()


@torch.no_grad()
def test_a_stage_is_scikit_learn_s_regression_on_whitened_channels(fits: Fits, tiny_data: TrackData) -> None:
    network, device = fits[Cascade].network, torch.device("cpu")
    layer = cascade.stage_layers(network)[1]
    clean, noisy = tiny_data.train.images, (tiny_data.train.images + 0.2).clamp(0, 1)
    stage = cascade.fit_stage(network, layer, clean, noisy, device)
    seen = [tapped(network, [layer], images)[1][0] for images in (clean, noisy)]
    white = (cascade.channels(seen[0]).flatten(0, 1) - stage["mean"]) @ stage["whitening"]
    assert_close(white.T @ white / len(white), torch.eye(white.shape[1]), 1e-3)
    inputs = torch.cat([cascade.statistics(output, stage["mean"], stage["whitening"]) for output in seen])
    theirs = LogisticRegression(C=cascade.LOSS_WEIGHT, max_iter=cascade.ITERATIONS)
    theirs.fit(inputs.double().numpy(), [0] * 64 + [1] * 64)
    wanted = torch.from_numpy(theirs.decision_function(inputs.double().numpy()))
    assert_close(inputs @ stage["weight"] + stage["bias"], wanted, 1e-3)
    assert ((wanted > 0) == (torch.arange(128) >= 64)).all()


@torch.no_grad()
def test_the_cascade_rejects_what_it_never_saw(fits: Fits, tiny_data: TrackData) -> None:
    detector, test = fits.detector(Cascade), tiny_data.test
    attacked = fits.fitting(fits.naive).craft(fits.naive, test, "fgs", epsilon=0.1)
    rejected = [(detector.predict(images) == REJECT).float().mean() for images in (test.images, attacked)]
    assert rejected[0] < 0.2
    assert rejected[1] > 0.9


def test_a_cascade_stands_on_any_network_with_convolutions(fits: Fits, tiny_data: TrackData) -> None:
    with seeding.stream(11):
        network = models.create("test_resnet", channels=1, side=28, outputs=10)
    network.eval()
    detector = fits.detector(Cascade, network)
    assert {name for name in detector.config["fitted"] if name.startswith("bias")} == {f"bias_{i}" for i in range(5)}
    assert scores(detector, tiny_data.test.images).isfinite().all()
    assert torch.equal(detector(tiny_data.test.images)[0], network(tiny_data.test.images))


def test_a_cascade_needs_an_image_that_the_network_gets_right(fits: Fits, tiny_data: TrackData) -> None:
    class Wrong(Small):
        def head(self, features: Tensor) -> Tensor:
            return torch.zeros(len(features), 10)

    fitting = fits.fitting(NaiveClassifier(Wrong(), 10))
    fitting.train = type(fitting.train)(fitting.train.images, torch.full_like(fitting.train.labels, 9))
    with pytest.raises(ValueError, match="gets none right"):
        Cascade().fit(fitting)


@pytest.mark.parametrize("defense", DETECTORS, ids=module_of)
def test_a_detector_rejects_five_per_cent_of_validation_images(
    fits: Fits, tiny_data: TrackData, defense: type[DetectorDefense]
) -> None:
    detector, images = fits.detector(defense), tiny_data.validation.images
    assert int((detector.predict(images) == REJECT).sum()) == int(FALSE_REJECTIONS * len(images)) == 3
    assert float(detector.get_buffer("threshold")) in scores(detector, images).tolist()


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
    classifier, images = fits[defense], tiny_data.test.images[:9]
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
