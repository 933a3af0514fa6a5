"""Runs a plan: what is stored and current is kept, the rest is made in order, a failure stops only what needs it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from bench import provenance, stages
from bench.errors import BenchError, CorruptArtifact
from bench.plan import Job, Plan
from bench.store import Artifact, Store
from bench.trackdata import TrackData

DATA = "data"
"""The name under which a manifest lists the digest of a track's data."""


class Observer(Protocol):
    """Who is told how a run goes."""

    def found_corrupt(self, reason: str) -> None:
        """Hear that a stored file is damaged; it is made again, with what depends on it."""

    def started(self, job: Job) -> None:
        """Hear that a job begins."""

    def advanced(self, work: float) -> None:
        """Hear that so much of the job in hand is done, in forward passes of the track's network."""

    def finished(self, job: Job) -> None:
        """Hear that a job's artifact is stored."""

    def failed(self, job: Job, reason: str) -> None:
        """Hear that a job could not be done; those that need it will not be."""


@dataclass
class Survey:
    """What a store holds of a plan: artifacts that are current by key, damage found, and the jobs that it touches."""

    current: dict[str, Artifact] = field(default_factory=dict)
    damage: list[str] = field(default_factory=list)
    tainted: list[Job] = field(default_factory=list)


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

    def survey(self, plan: Plan) -> Survey:
        """Return what of a plan is current and what is damaged; nothing is changed."""
        found = Survey()
        for job in plan.jobs:
            try:
                artifact = self.store.find(job.stage, job.key)
            except CorruptArtifact as error:
                found.damage.append(str(error))
                found.tainted.append(job)
                continue
            if any(needed in found.tainted for needed in job.inputs.values()):
                found.tainted.append(job)
            elif artifact is not None and self.is_current(job, artifact, found.current):
                found.current[job.key] = artifact
        return found

    def discard(self, survey: Survey) -> None:
        """Remove damaged artifacts, after all that depends on them: a kill in between leaves no trusted orphan."""
        for reason in survey.damage:
            self.observer.found_corrupt(reason)
        for job in reversed(survey.tainted):
            with self.store.lock(job.key):
                self.store.discard(job.stage, job.key)

    def is_current(self, job: Job, artifact: Artifact, found: Mapping[str, Artifact]) -> bool:
        """Return whether an artifact was made from exactly the data and inputs that are there now."""
        return artifact.inputs == self.input_digests(job, found)

    def input_digests(self, job: Job, found: Mapping[str, Artifact]) -> dict[str, str]:
        """Return the digests of a job's inputs by name; an input that is not there yet has none."""
        digests = {name: found[needed.key].digest for name, needed in job.inputs.items() if needed.key in found}
        return digests | {DATA: self.data.digest}

    def run(self, plan: Plan, survey: Survey) -> Outcome:
        """Make what a survey of the plan did not find current, in order, and return everything that there is then."""
        self.discard(survey)
        outcome = Outcome(survey.current)
        for job in plan.jobs:
            if job.key in outcome.artifacts:
                continue
            broken = [needed.label for needed in job.inputs.values() if needed.key in outcome.failures]
            if broken:
                outcome.failures[job.key] = f"needs '{broken[0]}', which failed"
                continue
            with self.store.lock(job.key):
                self.make(job, outcome)
        return outcome

    def make(self, job: Job, outcome: Outcome) -> None:
        """Do one job, unless another process has done it since the survey."""
        inputs = {name: outcome.artifacts[needed.key] for name, needed in job.inputs.items()}
        self.observer.started(job)
        try:
            artifact = self.store.find(job.stage, job.key)
            if artifact is None or not self.is_current(job, artifact, outcome.artifacts):
                artifact = self.do(job, inputs, self.input_digests(job, outcome.artifacts))
                outcome.made.append(job.key)
        except BenchError as error:
            outcome.failures[job.key] = str(error)
            self.observer.failed(job, str(error))
        else:
            outcome.artifacts[job.key] = artifact
            self.observer.finished(job)

    def do(self, job: Job, inputs: Mapping[str, Artifact], digests: Mapping[str, str]) -> Artifact:
        """Run a job and store what it made."""
        start = time.perf_counter()
        work = 0.0

        def advance(done: float) -> None:
            nonlocal work
            work += done
            self.observer.advanced(done)

        result = stages.run(job, inputs, self.data, self.device, advance)
        return self.store.write(
            job.stage,
            job.key,
            meta=result.meta,
            tensors=result.tensors,
            inputs=digests,
            provenance=provenance.stamp(self.device, time.perf_counter() - start, work),
        )
