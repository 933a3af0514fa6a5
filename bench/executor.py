"""Runs a plan: what is stored and current is kept, the rest is made in order, a failure stops only what needs it.

Several processes may run one plan on one store at once: each takes the first job that none of the others has in hand.
"""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from bench import checkpoints, provenance, stages
from bench.checkpoints import Checkpoints
from bench.errors import BenchError, CorruptArtifact
from bench.plan import FitTask, Job, Plan, data_of
from bench.store import Artifact, Store, write_file
from bench.trackdata import TrackData

PAUSE = 0.1  # seconds until it is looked again for what others have finished

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What says, wherever it is met, that nothing more can be stored."""

DATA = "data "
"""What comes before a data set's name where a manifest lists its digest."""


class Observer(Protocol):
    """Who is told how a run goes."""

    def found_corrupt(self, reason: str) -> None:
        """Hear that a stored file is damaged; it is made again, with what depends on it."""

    def started(self, job: Job) -> None:
        """Hear that a job begins."""

    def advanced(self, work: float) -> None:
        """Hear that so much of the job in hand is done, in forward passes of the track's network."""

    def resumed(self, job: Job, where: str) -> None:
        """Hear where a fit goes on that was stopped before."""

    def warned(self, job: Job, reason: str) -> None:
        """Hear what a job goes on without: a checkpoint that cannot be used, memory for its whole batches."""

    def finished(self, job: Job) -> None:
        """Hear that a job's artifact is stored."""

    def failed(self, job: Job, reason: str) -> None:
        """Hear that a job could not be done; those that need it will not be."""


@dataclass
class Survey:
    """What a store holds of a plan: the current artifacts, by key, and the jobs whose artifacts are damaged."""

    current: dict[str, Artifact] = field(default_factory=dict)
    damaged: list[Job] = field(default_factory=list)


@dataclass
class Outcome:
    """The artifacts of a run by key, the keys that it made itself, and the reasons of what failed by key."""

    artifacts: dict[str, Artifact] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


class Executor:
    """Runs plans over one track's data on one store and device."""

    def __init__(self, store: Store, data: TrackData, device: torch.device, observer: Observer) -> None:
        self.store = store
        self.data = data
        self.device = device
        self.observer = observer
        provenance.commit()  # as it is while the code is loaded: files may be edited while a run goes on

    def survey(self, plan: Plan) -> Survey:
        """Return what of a plan is current and what is damaged; nothing is changed."""
        found = Survey()
        for job in plan.jobs:
            try:
                artifact = self.store.find(job.stage, job.key)
            except CorruptArtifact:
                found.damaged.append(job)
                continue
            if artifact is not None and self.is_current(job, artifact, found.current):
                found.current[job.key] = artifact
        return found

    def discard_damaged(self, plan: Plan, survey: Survey) -> None:
        """Remove what is damaged, after all that depends on it: a kill in between leaves no trusted orphan.

        It is looked at again under its lock: another process may have been writing it, or have mended it.
        """
        for job in survey.damaged:
            with self.store.lock(job.key):
                try:
                    self.store.find(job.stage, job.key)
                except CorruptArtifact as error:
                    self.observer.found_corrupt(str(error))
                    for tainted in reversed(plan.needing(job)):
                        self.store.discard(tainted.stage, tainted.key)
                    self.store.discard(job.stage, job.key)

    def is_current(self, job: Job, artifact: Artifact, found: Mapping[str, Artifact]) -> bool:
        """Return whether an artifact was made from exactly the data and inputs that are there now."""
        return artifact.inputs == self.input_digests(job, found)

    def input_digests(self, job: Job, found: Mapping[str, Artifact]) -> dict[str, str]:
        """Return the digests of a job's inputs by name; an input that is not there yet has none."""
        digests = {name: found[needed.key].digest for name, needed in job.inputs.items() if needed.key in found}
        return digests | {DATA + name: self.data.origins[name].digest for name in data_of(job.task)}

    def run(self, plan: Plan, survey: Survey, urgency: Mapping[str, float] | None = None) -> Outcome:
        """Make what a survey of the plan did not find current, and return everything that there is then.

        The jobs are taken in the plan's order, or those with the most ``urgency`` first, by key.
        """
        self.discard_damaged(plan, survey)
        outcome = Outcome(survey.current)
        left = [job for job in plan.jobs if job.key not in outcome.artifacts]
        left.sort(key=lambda job: -(urgency or {}).get(job.key, 0.0))
        while left:
            settled = next((job for job in left if self.settle(job, outcome)), None)
            if settled is None:
                time.sleep(PAUSE)
            else:
                left.remove(settled)
        return outcome

    def settle(self, job: Job, outcome: Outcome) -> bool:
        """Make a job, or count it as failed; return whether either was done: else it waits for what others make."""
        needed = job.inputs.values()
        broken = [other.label for other in needed if other.key in outcome.failures]
        if broken:
            outcome.failures[job.key] = f"needs '{broken[0]}', which failed"
            return True
        if any(other.key not in outcome.artifacts for other in needed):
            return False
        with self.store.lock(job.key, wait=False) as held:
            if held:
                self.make(job, outcome)
        return held

    def make(self, job: Job, outcome: Outcome) -> None:
        """Do one job, unless another process has done it since the survey."""
        inputs = {name: outcome.artifacts[needed.key] for name, needed in job.inputs.items()}
        self.observer.started(job)
        try:
            artifact = self.store.find(job.stage, job.key)
            if artifact is None or not self.is_current(job, artifact, outcome.artifacts):
                artifact = self.do(job, inputs, self.input_digests(job, outcome.artifacts))
                outcome.made.append(job.key)
        except OSError:
            raise  # a store that cannot be written stops everything
        except Exception as error:  # noqa: BLE001  a defense may raise anything; told() keeps all of it
            outcome.failures[job.key] = self.told(job, error)
            self.observer.failed(job, outcome.failures[job.key])
        else:
            outcome.artifacts[job.key] = artifact
            self.observer.finished(job)

    def told(self, job: Job, error: Exception) -> str:
        """Return a failure as one line; where somebody's code raised it, keep the traceback in a file that it names."""
        cause = error.__cause__ if isinstance(error, BenchError) else error
        line = " ".join(str(error).split())
        if cause is None:
            return line
        if cause is error:
            line = f"{type(error).__name__}: {line}"
        log = self.store.root / "logs" / f"{job.key[:12]}.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        write_file(log, "".join(traceback.format_exception(cause)).encode())
        return f"{line} (traceback: {log})"

    def do(self, job: Job, inputs: Mapping[str, Artifact], digests: Mapping[str, str]) -> Artifact:
        """Run a job and store what it made."""
        start = time.perf_counter()
        work = 0.0

        def advance(done: float) -> None:
            nonlocal work
            work += done
            self.observer.advanced(done)

        def warn(reason: str) -> None:
            self.observer.warned(job, reason)

        kept = Checkpoints(
            Store(self.store.root / checkpoints.FOLDER),
            job.key,
            every=checkpoints.EVERY,
            tell=lambda where: self.observer.resumed(job, where),
            warn=warn,
        )
        try:
            result = stages.run(job, inputs, self.data, stages.Means(self.device, advance, warn, kept))
        except OSError as error:
            if error.errno in FULL or self.store.holds(error.filename):
                raise
            # A defense's own files are its own affair.
            raise BenchError(f"{type(error).__name__}: {error}") from error
        seconds = kept.seconds + time.perf_counter() - start
        artifact = self.store.write(
            job.stage,
            job.key,
            meta=result.meta,
            tensors=result.tensors,
            inputs=digests,
            provenance=provenance.stamp(self.device, seconds, work, list(inputs.values()), fits_of(job, inputs))
            | kept.provenance,
        )
        kept.clear()
        return artifact


def fits_of(job: Job, inputs: Mapping[str, Artifact]) -> dict[str, float]:
    """Return the seconds that the fits took which a job is handed, by defense."""
    needed = {name: other.task for name, other in job.inputs.items()}
    return {
        task.defense: inputs[name].provenance["seconds"] for name, task in needed.items() if isinstance(task, FitTask)
    }
