"""A run that was stopped in the middle of a fit: what it repeats, what it says, and what it leaves."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench import checkpoints, fitting, suites
from bench.errors import FitFailed
from bench.executor import Executor, Outcome
from bench.plan import Job, Plan, Selection, plan
from bench.store import Store
from bench.trackdata import TrackData
from bench.tracks import TRACKS

EPOCHS = 3
FIT = "fit naive, seed 0"


class Interrupting:
    """Hears of a run and interrupts it after so much work of its first fit."""

    def __init__(self, stop_after: float | None) -> None:
        self.stop_after = stop_after
        self.work: dict[str, float] = {}
        self.said: list[str] = []
        self.job = ""

    def found_corrupt(self, reason: str) -> None:
        self.said.append(reason)

    def started(self, job: Job) -> None:
        self.job = job.label

    def advanced(self, work: float) -> None:
        self.work[self.job] = self.work.get(self.job, 0) + work
        if self.stop_after is not None and self.work[self.job] > self.stop_after:
            raise KeyboardInterrupt

    def resumed(self, job: Job, where: str) -> None:
        self.said.append(f"{job.label}: {where}")

    def warned(self, job: Job, reason: str) -> None:
        self.said.append(f"{job.label}: {reason}")

    def finished(self, job: Job) -> None:
        assert job.label == self.job

    def failed(self, job: Job, reason: str) -> None:
        self.said.append(f"{job.label}: {reason}")


class Shop:
    """Runs one naive fit with its clean cells on a store that is named."""

    def __init__(self, folder: Path, data: TrackData, quick: Path) -> None:
        digits = TRACKS["digits"]
        track = replace(digits, recipe=replace(digits.recipe, epochs=EPOCHS))
        self.folder = folder
        self.data = data
        self.epoch = 3.0 * len(data.train)  # work
        self.plan: Plan = plan(Selection(track, suites.load(quick), ("naive",), (), (0,), 64))
        self.heard = Interrupting(None)

    def run(self, store: str, stop_after: float | None = None) -> Outcome:
        self.heard = Interrupting(stop_after)
        made = Executor(Store(self.folder / store), self.data, torch.device("cpu"), self.heard)
        return made.run(self.plan, made.survey(self.plan))

    def kept(self, store: str) -> list[Path]:
        return list((self.folder / store / checkpoints.FOLDER).glob("*/*"))


@pytest.fixture
def shop(tmp_path: Path, tiny_data: TrackData, quick: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setattr(checkpoints, "EVERY", 0.0)
    return Shop(tmp_path, tiny_data, quick)


def contents(outcome: Outcome) -> dict[str, str]:
    assert not outcome.failures
    return {key: artifact.digest for key, artifact in outcome.artifacts.items()}


def test_it_goes_on_and_makes_the_same_artifacts(shop: Shop) -> None:
    undisturbed = shop.run("one")
    assert shop.heard.said == []
    for done in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            shop.run("two", stop_after=done * shop.epoch)
        assert len(shop.kept("two")) == 1
    resumed = shop.run("two")
    assert shop.heard.said == [f"{FIT}: goes on after epoch 2 of {EPOCHS}"]
    assert shop.heard.work[FIT] == EPOCHS * shop.epoch
    assert contents(resumed) == contents(undisturbed)
    fit = next(job for job in shop.plan.jobs if job.label == FIT)
    assert resumed.artifacts[fit.key].provenance["resumed"] == 2
    assert all("resumed" not in artifact.provenance for artifact in undisturbed.artifacts.values())
    for store in ("one", "two"):
        assert list((shop.folder / store / checkpoints.FOLDER).iterdir()) == []
    again = shop.run("two")
    assert again.made == []


def collapse(name: str, *_: object) -> dict[str, float]:
    raise FitFailed(f"defense '{name}' has collapsed")


def test_a_fit_that_fails_after_its_training_is_not_trained_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "check", collapse)
    first = shop.run("one")
    reasons = list(shop.heard.said)
    assert "collapsed" in reasons[0]
    second = shop.run("one")
    assert shop.heard.said == [f"{FIT}: goes on after epoch {EPOCHS} of {EPOCHS}", *reasons]
    assert second.failures == first.failures
