"""How long the work takes that users wait for; run by ``nox -s speed``, never part of the tests."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from bench import crafting, fitting, scoring, suites, trackdata
from bench.fitting import TrackFitting
from bench.plan import Selection, plan
from bench.trackdata import TrackData
from bench.tracks import TRACKS, Track
from defenses.base import LabelledImages, RejectingClassifier
from defenses.naive import Naive

CPU = torch.device("cpu")
SUITE = suites.load("table1")
IMAGES = 64  # an attack's; C&W has 8


@pytest.fixture(scope="module")
def track() -> Track:
    """The digits track, with one epoch."""
    digits = TRACKS["digits"]
    return replace(digits, recipe=replace(digits.recipe, epochs=1))


@pytest.fixture(scope="module")
def data(track: Track) -> TrackData:
    return trackdata.assemble(track, Path("nowhere"), None)


def handed(track: Track, data: TrackData) -> TrackFitting:
    return TrackFitting(track, data, device=CPU, stream=1, fitted={}, advance=lambda work: None)


@pytest.fixture(scope="module")
def classifier(data: TrackData) -> RejectingClassifier:
    """A naive network trained by the whole recipe, as attacks meet it."""
    track = TRACKS["digits"]
    return fitting.fit("naive", track, handed(track, data), track.floor).classifier


def test_an_epoch_of_training(benchmark: BenchmarkFixture, track: Track, data: TrackData) -> None:
    fitted = benchmark(lambda: Naive().fit(handed(track, data)))
    assert not fitted.network.training


@pytest.mark.parametrize("name", [attack.name for attack in SUITE.attacks])
def test_crafting(benchmark: BenchmarkFixture, classifier: RejectingClassifier, data: TrackData, name: str) -> None:
    attack = next(attack for attack in SUITE.attacks if attack.name == name).on("digits")
    attack = replace(attack, images=8 if name == "cw" else IMAGES)
    validation = LabelledImages(data.validation.images, data.validation.labels)
    crafted = benchmark.pedantic(
        lambda: crafting.craft(classifier, attack, attack.spec("digits"), validation, permutation=1, device=CPU),
        rounds=3,
        warmup_rounds=1,
    )
    assert crafted.fooled.float().mean() > 0.5


def test_scoring(benchmark: BenchmarkFixture, classifier: RejectingClassifier, data: TrackData) -> None:
    scores = benchmark(lambda: scoring.score(classifier, data.test.images, CPU))
    assert len(scores.prediction) == len(data.test)


def test_planning_twenty_seeds(benchmark: BenchmarkFixture) -> None:
    attacks = tuple(attack.name for attack in SUITE.attacks)
    selection = Selection(TRACKS["digits"], SUITE, ("naive", "ood", "ood_interp"), attacks, 20, None)
    made = benchmark(lambda: plan(selection))
    assert len(made.jobs) == 20 * 37
