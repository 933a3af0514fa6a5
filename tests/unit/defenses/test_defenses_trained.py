"""Defenses of one network, trained in another way: on attacks, noise, mixtures, outliers, or a teacher's word."""

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from bench import seeding
from bench.fitting import TrackFitting
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses import adversarial_training as training
from defenses import mixup, smoothing
from defenses.adversarial_images import EPSILON
from defenses.base import Network
from defenses.detector import FALSE_REJECTIONS
from defenses.distillation import TEMPERATURE, Distillation
from defenses.naive import NaiveClassifier
from defenses.outlier_exposure import WEIGHT, OutlierExposure, exposed
from tests.unit.defenses.conftest import FirstPixels, FittingOf, Spy, loss_of, random_images, share_rejected, untrained

MakeFitting = Callable[..., TrackFitting]


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


def test_attacks_in_training_begin_at_random_points_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "STEPS", 0)
    images = torch.full((8, 1, 28, 28), 0.5)
    with seeding.stream(1):
        first, second = (training.attacked(Normalised(), images, torch.zeros(8).long()) for _ in range(2))
    moved = (first - images) / EPSILON[1]
    assert moved.min() == pytest.approx(-1, abs=0.01)
    assert moved.max() == pytest.approx(1, abs=0.01)
    assert moved.mean() == pytest.approx(0, abs=0.05)
    assert not torch.equal(first, second)


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


def test_training_on_attacks_takes_the_hook(fitting_of: FittingOf, spy: Spy, tiny_data: TrackData) -> None:
    fitting = fitting_of({})
    classifiers = [training.AdversarialTraining().fit(fitting), mixup.Mixup().fit(fitting)]
    assert [hook for _, _, _, hook in spy.asked] == [training.partly_attacked, mixup.mixed]
    assert torch.equal(spy.asked[0][1], tiny_data.train.labels)
    assert torch.equal(spy.asked[1][1].argmax(1), tiny_data.train.labels)
    for classifier in classifiers:
        assert (classifier(tiny_data.test.images[:3])[1] == -torch.inf).all()
