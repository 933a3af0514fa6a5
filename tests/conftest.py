"""What the tests share: a small track, its data, and the program as a user calls it."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read once, when torch is loaded: the tests run beside one another

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from typer.testing import CliRunner, Result

from bench import trackdata
from bench.cli import app
from bench.fitting import TrackFitting
from bench.trackdata import TrackData
from bench.tracks import TRACKS, Track
from defenses.base import RejectingClassifier

# No test fails by a busy machine or by the draw of its examples; --hypothesis-profile=search draws others, and more.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, derandomize=False, max_examples=2000)
settings.load_profile("same")

QUICK = Path(__file__).parent / "data" / "quick.toml"
"""A suite with an attack of every family and source, for few images."""

LIMIT = 200
"""Images a split: as few as still train a network that is no wreck."""

Cli = Callable[..., Result]
MakeFitting = Callable[..., TrackFitting]


@pytest.fixture(scope="session")
def quick() -> Path:
    return QUICK


@pytest.fixture(scope="session")
def tiny_track() -> Track:
    digits = TRACKS["digits"]
    return replace(digits, recipe=replace(digits.recipe, epochs=1, batch_size=32))


@pytest.fixture(scope="session")
def tiny_data(tiny_track: Track) -> TrackData:
    return trackdata.assemble(tiny_track, Path("nowhere"), 64)


@pytest.fixture
def make_fitting(tiny_track: Track, tiny_data: TrackData) -> MakeFitting:
    def make(stream: int = 1, fitted: dict[str, RejectingClassifier] | None = None) -> TrackFitting:
        return TrackFitting(
            tiny_track,
            tiny_data,
            device=torch.device("cpu"),
            stream=stream,
            fitted=fitted or {},
            advance=lambda work: None,
        )

    return make


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call the program in an empty folder, without a terminal and a GPU; give its result, output and errors apart."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REJECTBENCH_DATA", raising=False)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return call
