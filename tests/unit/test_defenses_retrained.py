"""The defenses that train networks of their own, those made of two, and the controls: each by what it promises."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn import functional

from bench import models, seeding
from bench.fitting import TrackFitting, network_factory
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses import adversarial_training as training
from defenses import magnet, mixup, small_network, smoothing
from defenses.adversarial_dustbin import AdversarialDustbin
from defenses.adversarial_images import EPSILON
from defenses.base import REJECT, BatchHook, Defense, Network, RejectingClassifier
from defenses.committee import MEMBERS, Committee, log_mean
from defenses.detector import FALSE_REJECTIONS, Detector
from defenses.detector_subnetwork import SubnetworkDetector, adversarial_logit, middle
from defenses.distillation import TEMPERATURE, Distillation
from defenses.dustbin import DustbinClassifier
from defenses.ensemble import Ensemble, EnsembleDetector, disagreement
from defenses.feature_squeezing import SqueezingDetector
from defenses.naive import Naive, NaiveClassifier
from defenses.on_ood_interp import dustbin_network
from defenses.ood_interp_adversarial import OodInterpAdversarial
from defenses.ood_interp_ensemble import OodInterpEnsemble
from defenses.ood_interp_squeezing import DustbinSqueezingDetector, OodInterpSqueezing
from defenses.outlier_exposure import WEIGHT, OutlierExposure, exposed
from defenses.reject_all import RejectAll
from defenses.reject_random import MODULUS, RandomDetector, RejectRandom
from defenses.small_network import Weights, convolved, fresh, trained
from defenses.specialists import Specialists, domains, voted

MakeFitting = Callable[..., TrackFitting]

CPU = torch.device("cpu")
NEVER = -40.0  # a logit beside which another's softmax is 1 in float32


class FirstPixels(Network):
    """A network whose logits are the first pixels, from a place on."""

    def __init__(self, outputs: int, skipped: int = 0) -> None:
        super().__init__()
        self.outputs, self.skipped = outputs, skipped

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, self.skipped : self.skipped + self.outputs]

    def head(self, features: Tensor) -> Tensor:
        return features


class Normalised(Network):
    """A network with what must not learn from attacks: batch normalisation, and dropout in a mode of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
        self.frozen = nn.Dropout(0.5).eval()
        self.outer = nn.Linear(4 * 26 * 26, 10)

    def features(self, x: Tensor) -> Tensor:
        features: Tensor = self.inner(x)
        return features

    def head(self, features: Tensor) -> Tensor:
        logits: Tensor = self.outer(self.frozen(features))
        return logits


@dataclass
class Spy:
    """Stands in for the training: keeps what is to be trained on, and returns untrained networks."""

    track: Track
    asked: list[tuple[Tensor, Tensor, int, BatchHook | None]] = field(default_factory=list)

    def __call__(
        self, images: Tensor, targets: Tensor, outputs: int, batch_hook: BatchHook | None = None
    ) -> models.Centred:
        self.asked.append((images, targets, outputs, batch_hook))
        return network_factory(self.track)(outputs)


@pytest.fixture
def spy(tiny_track: Track) -> Spy:
    return Spy(tiny_track)


@pytest.fixture
def fitting_of(
    make_fitting: MakeFitting, spy: Spy, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, RejectingClassifier]], TrackFitting]:
    """Make a fitting that trains nothing."""

    def make(fitted: dict[str, RejectingClassifier]) -> TrackFitting:
        fitting = make_fitting(fitted=fitted)
        monkeypatch.setattr(fitting, "train_network", spy)
        return fitting

    return make


FittingOf = Callable[[dict[str, RejectingClassifier]], TrackFitting]


@pytest.fixture
def naive(make_fitting: MakeFitting) -> NaiveClassifier:
    return Naive().fit(make_fitting())


def untrained(track: Track, outputs: int) -> Network:
    with seeding.stream(outputs):
        return network_factory(track)(outputs).eval()


def random_images(count: int, seed: int = 1) -> Tensor:
    return torch.rand(count, 1, 28, 28, generator=seeding.generator(seed))


def pixels(*logits: tuple[float, ...]) -> Tensor:
    """Return an image for each of the rows, which are its first pixels."""
    images = torch.zeros(len(logits), 1, 5, 5)
    images.flatten(1)[:, : len(logits[0])] = torch.tensor(logits)
    return images


def loss_of(network: Network, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return functional.cross_entropy(network(images), labels).item()


def test_the_adversarial_dustbin_holds_an_attack_on_every_training_image(
    make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    images, labels = tiny_data.train.images, tiny_data.train.labels
    dustbin = AdversarialDustbin().dustbin(make_fitting(fitted={"naive": naive}))
    assert dustbin.shape == images.shape
    assert (dustbin - images).flatten(1).abs().amax(dim=1).allclose(torch.tensor(EPSILON[1]))
    assert loss_of(naive.network, dustbin, labels) > loss_of(naive.network, images, labels) + 0.1


@pytest.mark.parametrize(
    ("architecture", "channels", "maps", "side"),
    [("cuda_convnet", 1, 32, 14), ("vgg16", 3, 256, 8), ("resnet10t", 3, 128, 4), ("mobilenetv3_small_050", 3, 0, 0)],
)
def test_the_middle_of_any_architecture_can_be_looked_at(
    architecture: str, channels: int, maps: int, side: int
) -> None:
    network = models.create(architecture, channels=channels, side=32 if channels == 3 else 28, outputs=10).eval()
    found = middle(network)
    if maps:
        shape: list[torch.Size] = []
        found.register_forward_hook(lambda _layer, _inputs, output: shape.append(output.shape))
        network(torch.rand(2, channels, 32 if channels == 3 else 28, 32 if channels == 3 else 28))
        assert shape == [(2, maps, side, side)]
    assert max(found.kernel_size) > 1


def test_a_network_without_convolutions_has_no_middle() -> None:
    with pytest.raises(ValueError, match="has no convolution"):
        middle(FirstPixels(10))


def test_the_subnetwork_learns_to_tell_two_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_network, "RATE", 1e-2)
    draw = seeding.generator(3)
    smooth = torch.rand(200, 2, 1, 1, generator=draw).expand(-1, -1, 8, 8)
    maps = torch.cat([smooth, smooth + 0.5 * torch.randn(200, 2, 8, 8, generator=draw)])
    rough = torch.arange(400) >= 200

    def loss(weights: Weights, places: Tensor) -> Tensor:
        told = adversarial_logit(maps[places], weights)
        return functional.binary_cross_entropy_with_logits(told, rough[places].float())

    weights = trained(fresh((2, 8, 8, 1), draw), loss, count=400, epochs=6, generator=draw, device=CPU)
    assert ((adversarial_logit(maps, weights) > 0) == rough).float().mean() > 0.95


def test_the_subnetwork_leaves_the_classes_to_the_network(tiny_track: Track) -> None:
    network, images = untrained(tiny_track, 10), random_images(3)
    fitted = {"mean": torch.zeros(32, 1, 1), "deviation": torch.ones(32, 1, 1)} | fresh(
        (32, 4, 4, 1), torch.Generator()
    )
    detector = SubnetworkDetector(network, 10, fitted)
    logits, score = detector.judged(images)
    assert torch.equal(logits, network(images))
    assert len(score.unique()) == 3


def test_a_layer_of_a_small_network_is_a_convolution() -> None:
    draw = seeding.generator(4)
    weights, maps = fresh((3, 5, 2), draw), torch.rand(2, 5, 6, 7, generator=draw)
    layer = nn.Conv2d(5, 2, 3, padding=1)
    layer.load_state_dict({"weight": weights["kernel1"], "bias": weights["bias1"]})
    torch.testing.assert_close(convolved(maps, weights, 1), layer(maps))
    assert weights["kernel0"].shape == (5, 3, 3, 3)


def test_fresh_weights_keep_the_spread_of_activations() -> None:
    weights = fresh((64, 64), seeding.generator(5))
    assert weights["kernel0"].std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    assert not weights["bias0"].any()


def test_the_student_learns_what_the_teacher_says(
    fitting_of: FittingOf, spy: Spy, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    classifier = Distillation().fit(fitting_of({"naive": naive})).eval()
    ((images, targets, outputs, _),) = spy.asked
    assert torch.equal(images, tiny_data.train.images)
    torch.testing.assert_close(targets, naive.network(images).softmax(1))
    assert outputs == 10
    logits, margin = classifier(images)
    assert torch.equal(logits, TEMPERATURE * classifier.network(images))
    assert (margin == -torch.inf).all()


def test_specialists_know_the_classes_of_most_confusions() -> None:
    confusions = torch.tensor(
        [
            [9, 5, 4, 1],  # 5 + 4 of 10 are more than 0.8
            [4, 0, 0, 1],  # 4 of 5 are just 0.8
            [0, 0, 7, 0],  # never confused
            [4, 3, 3, 0],  # all of them: the generalist's domain
        ]
    )
    found = domains(confusions)
    assert found.int().tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]


def test_equal_domains_are_merged() -> None:
    found = domains(torch.tensor([[0, 9, 0], [9, 0, 0], [0, 9, 0]]))
    assert found.int().tolist() == [[1, 1, 1], [1, 1, 0], [0, 1, 1]]


def test_specialists_that_agree_decide_alone() -> None:
    known = torch.tensor([[True, True, True], [True, True, False], [False, True, True]])
    logits = torch.tensor([[5.0, 0.0, 0.0], [4.0, 0.0, 9.0], [9.0, 0.0, 3.0]])  # those of unknown classes are not seen
    found = voted(logits[:, None], known)[0]
    alone = [torch.tensor([5.0, 0.0, 0.0]).softmax(0), torch.tensor([4.0, 0.0, -torch.inf]).softmax(0)]
    torch.testing.assert_close(found, (alone[0] + alone[1]) / 2)


def test_where_specialists_disagree_all_are_asked() -> None:
    known = torch.tensor([[True, True, True], [True, True, False], [False, True, True]])
    logits = torch.tensor([[[5.0, 0.0, 0.0]], [[0.0, 5.0, 0.0]], [[0.0, 0.0, 5.0]]])
    found = voted(logits, known)
    wanted = logits.masked_fill(~known[:, None], -torch.inf).softmax(2).mean(0)
    torch.testing.assert_close(found, wanted)
    assert found.max() < 0.5


def test_each_specialist_is_trained_on_its_classes_alone(
    fitting_of: FittingOf, spy: Spy, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    detector = Specialists().fit(fitting_of({"naive": naive}))
    known = detector.get_buffer("domains")
    assert len(spy.asked) == len(known) - 1 > 0
    for domain, (images, labels, outputs, _) in zip(known[1:], spy.asked, strict=True):
        rows = domain[tiny_data.train.labels] > 0
        assert torch.equal(images, tiny_data.train.images[rows])
        assert torch.equal(labels, tiny_data.train.labels[rows])
        assert outputs == 10


def test_outliers_have_uniform_targets_and_their_weight(make_fitting: MakeFitting, tiny_data: TrackData) -> None:
    fitting, few = make_fitting(), tiny_data.out_train[:12]
    fitting._out_train = few
    images, targets = exposed(fitting)
    count = len(tiny_data.train)
    assert len(images) == len(targets) == count + round(WEIGHT * count)
    assert torch.equal(images[:count], tiny_data.train.images)
    assert torch.equal(targets[:count], functional.one_hot(tiny_data.train.labels, 10).float())
    assert (targets[count:] == 0.1).all()
    times = (images[count:, None] == few).flatten(2).all(dim=2).sum(dim=0)
    assert times.sum() == len(images) - count
    assert sorted(times.unique().tolist()) == [2, 3]


def test_outlier_exposure_rejects_its_share(make_fitting: MakeFitting, tiny_data: TrackData) -> None:
    detector = OutlierExposure().fit(make_fitting())
    assert 0 <= share_rejected(detector, tiny_data) <= FALSE_REJECTIONS
    assert detector.threshold < -0.1


def share_rejected(detector: RejectingClassifier, data: TrackData) -> float:
    with torch.no_grad():
        return (detector.predict(data.validation.images) == REJECT).float().mean().item()


@pytest.mark.parametrize("soft", [False, True])
def test_attacks_in_training_stay_within_the_budget_and_raise_the_loss(naive: NaiveClassifier, *, soft: bool) -> None:
    images = random_images(40).round() * 0.9
    labels = naive.network(images).argmax(1)
    torch.manual_seed(1)
    found = training.attacked(naive.network, images, functional.one_hot(labels, 10).float() if soft else labels)
    assert found.min() >= 0
    assert found.max() <= 1
    assert EPSILON[1] / 2 < (found - images).abs().max() <= EPSILON[1] + 1e-6
    noise = (images + EPSILON[1] * (2 * torch.rand_like(images) - 1)).clamp(0, 1)
    assert loss_of(naive.network, found, labels) > loss_of(naive.network, noise, labels) + 0.1
    assert not found.requires_grad


def test_attacks_in_training_leave_no_trace_in_the_network() -> None:
    network = Normalised().train()
    network.frozen.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    training.attacked(network, random_images(8), torch.arange(8))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training
    assert network.inner.training
    assert not network.frozen.training


def test_half_of_a_batch_is_attacked(naive: NaiveClassifier) -> None:
    images, labels = random_images(9), torch.arange(9)
    found, targets = training.partly_attacked(naive.network, images, labels)
    changed = (found != images).flatten(1).any(dim=1)
    assert changed.tolist() == [True] * 4 + [False] * 5
    assert torch.equal(targets, labels)


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


def test_a_committee_is_the_mean_of_its_members_probabilities(tiny_track: Track) -> None:
    members = [network_factory(tiny_track)(10).eval() for _ in range(3)]
    images = random_images(5)
    mean = torch.stack([member(images).softmax(1) for member in members]).mean(0)
    torch.testing.assert_close(Committee(members)(images), mean.log())
    torch.testing.assert_close(log_mean(Committee(members).each(images)), mean.log())


def test_disagreement_is_nothing_or_the_log_of_the_sides() -> None:
    one, other = [0.0, NEVER, NEVER], [NEVER, 0.0, NEVER]
    logits = torch.tensor([[one, one, [0.3, 0.2, 0.1]], [one, other, [0.3, 0.2, 0.1]]])
    torch.testing.assert_close(disagreement(logits), torch.tensor([0.0, 2.0, 1.0]).log().clamp(min=0))


def test_disagreement_is_the_entropy_that_the_mean_adds() -> None:
    logits = torch.randn(3, 20, 5, generator=seeding.generator(6))
    likely = logits.softmax(2).double().numpy()
    wanted = stats.entropy(likely.mean(0), axis=1) - stats.entropy(likely, axis=2).mean(0)
    torch.testing.assert_close(disagreement(logits).double(), torch.from_numpy(wanted), atol=1e-6, rtol=0)


def test_an_ensemble_rejects_where_its_members_disagree() -> None:
    ensemble = EnsembleDetector(Committee([FirstPixels(3), FirstPixels(3, skipped=3)]), 3, {})
    ensemble.threshold.fill_(0.1)
    agreed, disagreed = (9.0, 0.0, 0.0, 5.0, 0.0, 0.0), (9.0, 0.0, 0.0, 0.0, 5.0, 0.0)
    assert ensemble.predict(pixels(agreed, disagreed)).tolist() == [0, REJECT]


def test_an_ensemble_holds_the_twin_and_others(fitting_of: FittingOf, spy: Spy, naive: NaiveClassifier) -> None:
    detector = Ensemble().fit(fitting_of({"naive": naive}))
    assert isinstance(detector.network, Committee)
    assert detector.network.member(0) is naive.network
    assert len(detector.network.members) == MEMBERS == len(spy.asked) + 1


def test_the_vote_s_p_value_is_scipy_s() -> None:
    counts = [(n, k) for n in range(1, 33) for k in range((n + 1) // 2, n + 1)]
    trials, successes = torch.tensor(counts).T
    found = smoothing.log_p_value(successes, trials).exp()
    wanted = [stats.binomtest(k, n).pvalue for n, k in counts]
    torch.testing.assert_close(found, torch.tensor(wanted, dtype=torch.float64), rtol=1e-9, atol=0)


def test_smoothing_abstains_where_the_vote_is_not_clear() -> None:
    """A draw of noise that lifts one pixel above the others is a vote for its class."""
    votes = [(32, 0, 0), (27, 5, 0), (26, 6, 0), (25, 7, 0), (20, 1, 11), (16, 16, 0)]
    for of_class in votes:
        noise = torch.zeros(32, 1, 5, 5)
        noise.flatten(1)[:, :3] = functional.one_hot(torch.arange(3).repeat_interleave(torch.tensor(of_class)), 3) * 5.0
        classifier = smoothing.SmoothedClassifier(FirstPixels(3), 3, {"noise": noise})
        logits, margin = classifier(torch.rand(2, 1, 5, 5))
        first, second = sorted(of_class)[:0:-1]
        p_value = stats.binomtest(first, first + second).pvalue
        assert (margin > 0).tolist() == [p_value > smoothing.ALPHA] * 2
        torch.testing.assert_close(logits[0].exp() * 35 - 1, torch.tensor(of_class).float())


def test_smoothing_s_stand_in_is_the_mean_probability(tiny_track: Track) -> None:
    network, images = untrained(tiny_track, 10), random_images(3)
    noise = 0.25 * torch.randn(4, 1, 28, 28, generator=seeding.generator(8))
    logits, margin = smoothing.SmoothedClassifier(network, 10, {"noise": noise}).surrogate_forward(images)
    mean = torch.stack([network(images + one).softmax(1) for one in noise]).mean(0)
    torch.testing.assert_close(logits, mean.log())
    first, second = mean.sort(descending=True).values[:, :2].T
    torch.testing.assert_close(margin, second.log() - first.log())


def test_smoothing_is_trained_with_the_noise_that_votes(fitting_of: FittingOf, spy: Spy, tiny_data: TrackData) -> None:
    classifier = smoothing.Smoothing().fit(fitting_of({}))
    ((images, targets, _, hook),) = spy.asked
    assert hook is not None
    noised, labels = hook(FirstPixels(10), images, targets)
    assert (noised - images).std().item() == pytest.approx(smoothing.SIGMA, rel=0.02)
    assert torch.equal(labels, targets)
    noise = classifier.get_buffer("noise")
    assert noise.shape == (smoothing.DRAWS, *tiny_data.train.images.shape[1:])
    assert noise.std().item() == pytest.approx(smoothing.SIGMA, rel=0.02)


def test_magnet_knows_its_images_again(
    make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_network, "RATE", 1e-2)
    detector = magnet.MagNet().fit(make_fitting(fitted={"naive": naive}))
    images = tiny_data.test.images
    with torch.no_grad():
        again = magnet.reconstructed(images, dict(detector.named_buffers(recurse=False)))
        logits, error = detector.judged(images)
    torch.testing.assert_close(error, (again - images).abs().mean(dim=(1, 2, 3)))
    assert torch.equal(logits, naive.network(again))
    assert 0 < share_rejected(detector, tiny_data) <= FALSE_REJECTIONS
    assert (detector.predict(random_images(20)) == REJECT).all()


@pytest.mark.parametrize(("channels", "side", "reached"), [(1, 28, 12), (3, 32, 9)])
def test_only_grey_images_are_pooled_on_the_way(channels: int, side: int, reached: int) -> None:
    """A pixel reaches four to each side by four convolutions, and further where one is on a coarser grid."""
    weights = fresh((channels, 8, 8, 8, channels), seeding.generator(9))
    images = torch.rand(4, channels, side, side, generator=seeding.generator(10))
    moved = images.clone()
    moved[:, :, 8, 8] = 1 - moved[:, :, 8, 8]
    changed = (magnet.reconstructed(moved, weights) != magnet.reconstructed(images, weights)).any(dim=0).any(dim=0)
    assert changed.any(dim=1).sum() == changed.any(dim=0).sum() == reached


def test_mixup_mixes_images_and_labels_alike() -> None:
    labels = torch.arange(10)
    images = labels.float().view(10, 1, 1, 1).expand(-1, 1, 2, 2)
    weights = []
    for seed in range(200):
        torch.manual_seed(seed)
        found, targets = mixup.mixed(FirstPixels(10), images, functional.one_hot(labels, 10).float())
        torch.testing.assert_close(targets.sum(1), torch.ones(10))
        torch.testing.assert_close(targets @ labels.float(), found[:, 0, 0, 0])
        own = targets.diagonal()
        weights.append(own[own < 1].min().item())
    assert stats.kstest(weights, stats.beta(mixup.ALPHA, mixup.ALPHA).cdf).pvalue > 0.01


def test_squeezing_joins_the_dustbin() -> None:
    images = pixels((0.9, 0.1, 0.2), (0.1, 0.2, 0.9), (0.2, 0.9, 0.1))
    network = FirstPixels(3)
    detector, alone = DustbinSqueezingDetector(network, 2, {}), SqueezingDetector(network, 3, {})
    moved = alone.judged(images)[1]
    lead = torch.tensor([0.2 - 0.9, 0.9 - 0.2, 0.1 - 0.9])
    for threshold in (0.0, float(moved.median()), 3.0):
        detector.threshold.fill_(threshold)
        logits, margin = detector(images)
        torch.testing.assert_close(logits, images.flatten(1)[:, :2])
        torch.testing.assert_close(margin, torch.maximum(lead, moved - threshold))
    assert detector.predict(images).tolist() == [0, REJECT, 1]


def test_squeezing_s_part_rejects_its_share(make_fitting: MakeFitting, tiny_track: Track, tiny_data: TrackData) -> None:
    other = DustbinClassifier(untrained(tiny_track, 11), 10)
    detector = OodInterpSqueezing().fit(make_fitting(fitted={"ood_interp": other}))
    with torch.no_grad():
        moved = detector.judged(tiny_data.validation.images)[1]
    rejected = (moved > detector.threshold).float().mean()
    assert FALSE_REJECTIONS - 1 / len(moved) < rejected <= FALSE_REJECTIONS


def test_what_stands_on_the_dustbin_needs_one(make_fitting: MakeFitting, naive: NaiveClassifier) -> None:
    with pytest.raises(TypeError, match="NaiveClassifier"):
        dustbin_network(make_fitting(fitted={"ood_interp": naive}))


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


def test_rejecting_all_rejects_all(make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData) -> None:
    classifier = RejectAll().fit(make_fitting(fitted={"naive": naive}))
    logits, margin = classifier(tiny_data.test.images)
    assert torch.equal(logits, naive.network(tiny_data.test.images))
    assert margin.isfinite().all()
    assert (classifier.predict(tiny_data.test.images) == REJECT).all()


def test_rejecting_at_random_depends_on_the_image_alone_and_not_on_what_it_shows(
    make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    detector = RejectRandom().fit(make_fitting(fitted={"naive": naive}))
    assert isinstance(detector, RandomDetector)
    validation = tiny_data.validation.images
    with torch.no_grad():
        together = detector(validation)[1]
        alone = torch.cat([detector(image[None])[1] for image in validation])
        moved = detector((validation + 1 / 255).clamp(0, 1))[1]
    assert torch.equal(together, alone)
    assert 0 < share_rejected(detector, tiny_data) <= FALSE_REJECTIONS
    assert (moved != together).all()


@torch.no_grad()
def test_random_scores_are_even_for_images_of_every_kind() -> None:
    weights = torch.randint(MODULUS, (784,), generator=seeding.generator(11)).float()
    detector = RandomDetector(FirstPixels(10), 10, {"weights": weights})
    faint, bright = 0.1 * random_images(2000), 1 - 0.1 * random_images(2000, seed=2)
    for images in (faint, bright):
        assert stats.kstest(detector.judged(images)[1].numpy(), stats.uniform.cdf).pvalue > 0.01


def test_the_controls_say_so() -> None:
    defenses: tuple[type[Defense], ...] = (RejectAll, RejectRandom)
    assert all(defense.control for defense in defenses)


def test_training_on_attacks_takes_the_hook(fitting_of: FittingOf, spy: Spy, tiny_data: TrackData) -> None:
    fitting = fitting_of({})
    classifiers = [training.AdversarialTraining().fit(fitting), mixup.Mixup().fit(fitting)]
    assert [hook for _, _, _, hook in spy.asked] == [training.partly_attacked, mixup.mixed]
    assert torch.equal(spy.asked[0][1], tiny_data.train.labels)
    assert torch.equal(spy.asked[1][1].argmax(1), tiny_data.train.labels)
    for classifier in classifiers:
        assert (classifier(tiny_data.test.images[:3])[1] == -torch.inf).all()


def test_a_detector_on_a_network_of_its_own_is_calibrated(
    make_fitting: MakeFitting, naive: NaiveClassifier, tiny_data: TrackData
) -> None:
    fitting = make_fitting(fitted={"naive": naive})
    for defense in (Ensemble(), Specialists()):
        detector = defense.fit(fitting)
        assert isinstance(detector, Detector)
        assert share_rejected(detector, tiny_data) <= FALSE_REJECTIONS
        scores = detector(tiny_data.validation.images)[1]
        assert (scores >= 0).any()
