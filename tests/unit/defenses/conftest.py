"""Small networks, few images and quick fits that the defenses are tested on."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench import models, seeding
from bench.fitting import TrackFitting, network_factory
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses.base import REJECT, BatchHook, Network, RejectingClassifier
from defenses.detector import Detector, DetectorDefense
from defenses.equipped import EquippedClassifier
from defenses.naive import Naive, NaiveClassifier
from defenses.on_naive import OnNaiveDefense

MakeFitting = Callable[..., TrackFitting]
FittingOf = Callable[[dict[str, RejectingClassifier]], TrackFitting]


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


@torch.no_grad()
def scores(detector: Detector, images: Tensor) -> Tensor:
    return detector.judged(images)[1]


def assert_close(found: Tensor, wanted: Tensor, within: float = 1e-4) -> None:
    torch.testing.assert_close(found.double(), wanted.double(), atol=within, rtol=0)


class FirstPixels(Network):
    """A network whose logits are the first pixels, from a place on."""

    def __init__(self, outputs: int, skipped: int = 0) -> None:
        super().__init__()
        self.outputs, self.skipped = outputs, skipped

    def features(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, self.skipped : self.skipped + self.outputs]

    def head(self, features: Tensor) -> Tensor:
        return features


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
def fitting_of(make_fitting: MakeFitting, spy: Spy, monkeypatch: pytest.MonkeyPatch) -> FittingOf:
    """Make a fitting that trains nothing."""

    def make(fitted: dict[str, RejectingClassifier]) -> TrackFitting:
        fitting = make_fitting(fitted=fitted)
        monkeypatch.setattr(fitting, "train_network", spy)
        return fitting

    return make


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


def share_rejected(detector: RejectingClassifier, data: TrackData) -> float:
    with torch.no_grad():
        return (detector.predict(data.validation.images) == REJECT).float().mean().item()
