"""Takes a selection through the engine: data, plan, execution; and says how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bench import estimate, records, trackdata, workers
from bench.console import Terminal
from bench.data.download import Fetcher
from bench.data.location import fetch_command
from bench.errors import DataInvalid, DataMissing, InvalidConfig
from bench.estimate import Load
from bench.executor import Executor, Survey
from bench.plan import Plan, Selection, plan
from bench.records import Record
from bench.reporting import Status
from bench.store import Store
from bench.trackdata import TrackData


@dataclass(frozen=True)
class Ended:
    """How a track's run ended: ``reason`` is for people, empty where all went well; ``records`` are in table order."""

    status: Status
    reason: str
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Session:
    """A store, a device, a data folder, the permission to download what is missing, and how many processes there are.

    A ``fetcher`` of ``None`` is no permission.
    """

    store: Store
    device: torch.device
    terminal: Terminal
    data_dir: Path
    fetcher: Fetcher | None
    jobs: int

    def run(self, selection: Selection) -> Ended:
        """Run a selection; missing or invalid data and failed jobs are ways to end, not exceptions."""
        data = self.load(selection)
        if isinstance(data, Ended):
            return data
        selection = replace(selection, track=data.tested(selection.track))
        made = plan(selection)
        executor = Executor(self.store, data, self.device, self.terminal)
        survey = executor.survey(made)
        before, waiting = len(survey.current), self.announce(made, survey, data)
        others = self.others(waiting)
        urgency = estimate.urgency(made.jobs, waiting) if others else {}
        work = workers.Work(selection, self.store.root, self.device, self.data_dir, torch.get_num_threads(), urgency)
        with self.terminal.watch(waiting), workers.beside(work, others, self.terminal):
            outcome = executor.run(made, survey, urgency)
        done = len(outcome.artifacts) - before
        found = [outcome.artifacts[job.key] for job in made.records if job.key in outcome.artifacts]
        self.terminal.say(f"{selection.track.name}: {done} jobs done, {before} kept")
        reasons = [f"{made.by_key[key].label}: {reason}" for key, reason in outcome.failures.items()]
        return Ended(
            "failed" if reasons else "done",
            reasons[0] if reasons else "",
            tuple(records.from_artifact(artifact) for artifact in found),
        )

    def load(self, selection: Selection) -> TrackData | Ended:
        """Return a selection's data, or how the run ends without them; warn of each near test set left out."""
        try:
            data = trackdata.assemble(selection.track, self.data_dir, selection.limit, fetcher=self.fetcher)
        except DataMissing as error:
            return Ended("missing", str(error))
        except DataInvalid as error:
            return Ended("invalid", str(error))
        if selection.limit is not None and (classes := data.classes_left_out(selection.track.classes)):
            raise InvalidConfig(
                f"--limit {selection.limit}: leaves no image of class {classes[0]} of '{selection.track.name}' "
                "to train or validate on; use a larger one"
            )
        for name, reason in data.left_out.items():
            self.terminal.warn(f"{selection.track.name}: test set '{name}' is left out: {reason}")
        return data

    def announce(self, made: Plan, survey: Survey, data: TrackData) -> dict[str, Load]:
        """Say what is to be done; return the load of every job that is not current, by key."""
        left = [job for job in made.jobs if job.key not in survey.current]
        waiting = estimate.loads(left, made.selection.track, data, self.device)
        line = f"{made.selection.track.name}: {len(made.jobs)} jobs, {len(survey.current)} finished before"
        if waiting:
            together = sum(load.seconds for load in waiting.values()) / (self.others(waiting) + 1)
            longest = max(estimate.urgency(made.jobs, waiting).values())
            line += f", {estimate.spoken(max(together, longest))} to go on {self.device}"
            line += f", in {made.selection.track.recipe.precision}"
        self.terminal.say(line)
        return waiting

    def others(self, waiting: Mapping[str, Load]) -> int:
        """Return how many processes are started beside this one: none where the work is over before they have begun."""
        worth = sum(load.seconds for load in waiting.values()) > workers.WORTHWHILE
        return min(self.jobs, len(waiting)) - 1 if worth else 0

    def show_plan(self, selection: Selection) -> Ended:
        """Print a selection's jobs, which of them are finished, and an estimate; change nothing, download nothing.

        Where data are to be unpacked first there is no plan yet: it depends on them.
        """
        left = [
            f"{place.name}: {place.origin} is still to be unpacked, which a dry run does not do; run: "
            f"{fetch_command(place.name, self.data_dir)}"
            for place in trackdata.packed(selection.track, self.data_dir)
        ]
        if left:
            return Ended("missing", "; ".join(left))
        data = replace(self, fetcher=None).load(selection)
        if isinstance(data, Ended):
            return data
        selection = replace(selection, track=data.tested(selection.track))
        made = plan(selection)
        survey = Executor(self.store, data, self.device, self.terminal).survey(made)
        waiting = self.announce(made, survey, data)
        for job in made.jobs:
            self.terminal.say(f"  {'to do' if job.key in waiting else 'done '}  {job.key[:12]}  {job.label}")
        return Ended("done", "")
