"""What a fit computes: with which seeds, under which floor, and what it says that it took."""

from pathlib import Path

import pytest
import torch

from bench import fitting, stages
from bench.checkpoints import Checkpoints
from bench.plan import FitTask
from bench.stages import Means, Result
from bench.store import Store
from bench.trackdata import TrackData
from bench.tracks import Track

CPU = torch.device("cpu")


@pytest.fixture
def means(tmp_path: Path) -> Means:
    kept = Checkpoints(Store(tmp_path), "key", every=1e9, tell=print, warn=print)
    return Means(CPU, lambda work: None, print, kept)


def test_roles_and_seeds_are_other_trainings(tiny_track: Track, tiny_data: TrackData, means: Means) -> None:
    def weights(role: str, seed: int) -> torch.Tensor:
        made = stages.fit(FitTask(tiny_track, 64, role, "naive", seed), {}, tiny_data, means)
        return made.tensors["network.body.classifier.weight"]

    first = weights("victim", 0)
    assert not torch.equal(first, weights("surrogate", 0))
    assert not torch.equal(first, weights("victim", 1))


def test_attacks_in_a_batch_hook_are_told_of(tiny_track: Track, tiny_data: TrackData, means: Means) -> None:
    def fit(name: str) -> Result:
        return stages.fit(FitTask(tiny_track, 64, "victim", name, 0), {}, tiny_data, means)

    assert fit("adversarial_training").meta["taken"]["adversarial_training"]["attacks"] == 1
    assert fit("naive").meta["taken"]["naive"]["attacks"] == 0


@pytest.mark.parametrize("limit", [None, 64])
def test_the_floor_is_the_track_s_unless_few_images_are_asked_for(
    tiny_track: Track, tiny_data: TrackData, means: Means, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    floors: list[float] = []
    fit = fitting.fit

    def watched(name: str, track: Track, handed: fitting.TrackFitting, floor: float) -> fitting.Fitted:
        floors.append(floor)
        return fit(name, track, handed, 0.0)

    monkeypatch.setattr(fitting, "fit", watched)
    stages.fit(FitTask(tiny_track, limit, "victim", "naive", 0), {}, tiny_data, means)
    assert floors == [tiny_track.floor if limit is None else 0.0]
