"""A plan whose jobs only write down that they were done, run again and again on one store."""

from pathlib import Path

import torch

from bench import suites
from bench.errors import FitFailed
from bench.executor import Executor, Outcome
from bench.plan import Job, Plan, Selection, plan
from bench.records import DataOrigin
from bench.stages import Result
from bench.store import Store
from bench.trackdata import TrackData
from bench.tracks import TRACKS
from defenses.base import LabelledImages

CPU = torch.device("cpu")
DEFENSES = ("naive", "ood")


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def found_corrupt(self, reason: str) -> None:
        self.heard.append(f"corrupt {reason}")

    def started(self, job: Job) -> None:
        self.heard.append(f"started {job.label}")

    def advanced(self, work: float) -> None:
        self.heard.append(f"advanced {work}")

    def resumed(self, job: Job, where: str) -> None:
        self.heard.append(f"resumed {job.label}: {where}")

    def warned(self, job: Job, reason: str) -> None:
        self.heard.append(f"warned {job.label}: {reason}")

    def finished(self, job: Job) -> None:
        self.heard.append(f"finished {job.label}")

    def failed(self, job: Job, reason: str) -> None:
        self.heard.append(f"failed {job.label}: {reason}")


class Workshop:
    """Runs one plan again and again on one store, with jobs that only write down that they were done."""

    def __init__(self, root: Path, quick: Path) -> None:
        self.store = Store(root)
        self.listener = Listener()
        self.done: list[str] = []
        self.failing: set[str] = set()
        self.made_of = "one"
        self.plan: Plan = plan(Selection(TRACKS["digits"], suites.load(quick), DEFENSES, ("fgs",), (0,), None))

    def work(self, job: Job, *_: object) -> Result:
        if job.label in self.failing:
            raise FitFailed("it broke")
        self.done.append(job.label)
        return Result({"of": job.label, "from": self.made_of}, {"x": torch.zeros(2)})

    def executor(self, data: str = "data", photos: str = "photos") -> Executor:
        empty = LabelledImages(torch.zeros(1, 1, 2, 2), torch.zeros(1, dtype=torch.int64))
        origins = {name: DataOrigin(digest=data, origin="test") for name in ("digits", "letters", "photos")}
        origins["photos"] = DataOrigin(digest=photos, origin="test")
        of_track = TrackData(empty, empty, empty, empty.images, {}, origins, 1.0)
        return Executor(self.store, of_track, CPU, self.listener)

    def run(self, data: str = "data") -> Outcome:
        """Run and forget what was done before."""
        self.done.clear()
        self.listener.heard.clear()
        return self.go_on(data)

    def go_on(self, data: str = "data") -> Outcome:
        made = self.executor(data)
        return made.run(self.plan, made.survey(self.plan))

    def job(self, label: str) -> Job:
        return next(job for job in self.plan.jobs if job.label == label)

    def labels(self) -> list[str]:
        return [job.label for job in self.plan.jobs]


def dependents(shop: Workshop, label: str) -> set[str]:
    """Return a job's label with those of all jobs that need it."""
    found = {label}
    for job in shop.plan.jobs:
        if any(needed.label in found for needed in job.inputs.values()):
            found.add(job.label)
    return found


def outcome_label(shop: Workshop, key: str) -> str:
    return shop.plan.by_key[key].label
