"""A fit that was stopped goes on at its last checkpoint."""

import math
import shutil
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench import fitting
from bench.checkpoints import Checkpoints
from bench.fitting import TrackFitting
from bench.store import Store
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses.adversarial_training import partly_attacked
from defenses.base import BatchHook, Network
from defenses.mixup import mixed
from defenses.ood_interp_adversarial import OodInterpAdversarial
from defenses.smoothing import noised

CPU = torch.device("cpu")


class Stopping:
    """Hands out a fit of two epochs a network, with checkpoints; it is interrupted after so many images."""

    def __init__(self, folder: Path, track: Track, data: TrackData) -> None:
        self.store = Store(folder)
        self.track = replace(track, recipe=replace(track.recipe, epochs=2))
        self.data = data
        self.told: list[str] = []
        self.seen = 0.0

    def handed(self, stop_after: float = math.inf) -> TrackFitting:
        self.told.clear()
        self.seen = 0.0

        def advance(work: float) -> None:
            self.seen += work / fitting.TRAINING_WORK
            if self.seen > stop_after:
                raise KeyboardInterrupt

        kept = Checkpoints(self.store, "key", every=0.0, tell=self.told.append, warn=self.told.append)
        return TrackFitting(self.track, self.data, device=CPU, stream=1, fitted={}, advance=advance, checkpoints=kept)


@pytest.fixture
def stopping(tmp_path: Path, tiny_track: Track, tiny_data: TrackData) -> Stopping:
    return Stopping(tmp_path / "checkpoints", tiny_track, tiny_data)


def two_networks(handed: TrackFitting, hook: BatchHook | None = None) -> list[Tensor]:
    """Return the weights of two networks; the second is trained on images that the first and the generator decide."""
    first = handed.train_network(handed.train.images, handed.train.labels, 10, hook)
    order = torch.randperm(len(handed.train), generator=handed.generator)
    targets = first(handed.train.images).detach().softmax(dim=1)[order]
    second = handed.train_network(handed.train.images[order], targets, 10)
    return [*first.state_dict().values(), *second.state_dict().values()]


def test_a_fit_goes_on_in_its_second_network(stopping: Stopping) -> None:
    undisturbed = two_networks(stopping.handed())
    shutil.rmtree(stopping.store.root)
    epoch = len(stopping.data.train)
    with pytest.raises(KeyboardInterrupt):
        two_networks(stopping.handed(stop_after=3 * epoch + 1))
    resumed = two_networks(stopping.handed())
    assert stopping.told == ["goes on after epoch 2 of 2", "network 2 goes on after epoch 1 of 2"]
    assert all(torch.equal(one, other) for one, other in zip(resumed, undisturbed, strict=True))
    assert stopping.seen == 4 * epoch


def darker(_network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return images darkened at random: what comes out shows whether the generator stood where it should."""
    return images * torch.rand(len(images), 1, 1, 1), targets


def test_a_network_with_a_hook_that_cannot_remember_goes_on(stopping: Stopping) -> None:
    undisturbed = two_networks(stopping.handed(), darker)
    shutil.rmtree(stopping.store.root)
    with pytest.raises(KeyboardInterrupt):
        two_networks(stopping.handed(stop_after=len(stopping.data.train) + 1), darker)
    resumed = two_networks(stopping.handed(), darker)
    assert stopping.told == ["goes on after epoch 1 of 2"]
    assert all(torch.equal(one, other) for one, other in zip(resumed, undisturbed, strict=True))


def test_the_hooks_of_the_roster_cannot_remember() -> None:
    for hook in (noised, mixed, partly_attacked, OodInterpAdversarial().batch_hook()):
        assert not fitting.may_remember(hook)


def test_a_network_with_a_hook_that_may_remember_is_trained_anew(stopping: Stopping) -> None:
    seen: list[int] = []

    def hook(network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(images))
        return images / len(seen), targets

    for _ in range(2):
        seen.clear()
        two_networks(stopping.handed(), hook)
        assert sum(seen) == 2 * len(stopping.data.train)
        assert {path.name for path in (stopping.store.root / "key").iterdir()} == {"2.2"}
    assert stopping.told == ["network 2 goes on after epoch 2 of 2"]


def counting(
    _network: Network,
    images: Tensor,
    targets: Tensor,
    seen: list[int] = [],  # noqa: B006  kept from call to call
) -> tuple[Tensor, Tensor]:
    """Return what it is handed."""
    seen.append(len(images))
    return images, targets


def switched(hook: BatchHook) -> BatchHook:
    """Return a hook that changes every other batch, and so remembers."""
    on = False

    @wraps(hook)
    def switching(network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal on
        on = not on
        return hook(network, images, targets) if on else (images, targets)

    return switching


@switched
def every_other(_network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images darkened."""
    return images / 2, targets


def marked(_network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return what it is handed."""
    return images, targets


def test_a_hook_with_a_place_to_remember_may() -> None:
    assert fitting.may_remember(counting)
    assert fitting.may_remember(every_other)
    assert not fitting.may_remember(marked)
    vars(marked)["seen"] = 1
    assert fitting.may_remember(marked)
    assert fitting.may_remember(partial(darker))
