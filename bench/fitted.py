"""Loads what a run fitted: its defenses, and the surrogate that its attacks were made on."""

from __future__ import annotations

from dataclasses import replace

import torch

from bench import reporting, stages, suites
from bench.errors import BenchError
from bench.plan import NAIVE, SURROGATE, Stage
from bench.store import Artifact, Store
from bench.tracks import TRACKS
from defenses.base import RejectingClassifier


def of_last_run(
    store: Store, track: str, device: torch.device, *, seed: int = 0, suite: str = suites.STANDARD
) -> dict[str, RejectingClassifier]:
    """Return the classifiers of one seed of a track's last run under a suite, by the defenses' names.

    The attacker's own network is called ``surrogate``, where an attack was made on one. All are made by the code as it
    is now. Raises ``BenchError`` where the store holds no such run, or no longer what it fitted.
    """
    records = [record for record in reporting.of_last_run(store, track, suite) if record.header.seed == seed]
    if not records:
        raise BenchError(f"{store.root}: holds no run of '{track}' under '{suite}' with seed {seed}")
    of_track = replace(TRACKS[track], architecture=records[0].header.architecture)
    fits, crafted = by_digest(store, "fit"), by_digest(store, "craft")
    digests = {record.header.defense: record.inputs["victim"] for record in records}
    for record in records:
        if record.header.source == SURROGATE and record.inputs["craft"] in crafted:
            digests[SURROGATE] = crafted[record.inputs["craft"]].inputs["source"]
    lost = [name for name, digest in digests.items() if digest not in fits]
    if lost:
        raise BenchError(
            f"{store.root}: the fit of {', '.join(lost)} is gone; {reporting.command(track, suite)} makes it"
        )
    return {
        name: stages.classifier_of(NAIVE if name == SURROGATE else name, fits[digest], of_track, device)
        for name, digest in digests.items()
    }


def by_digest(store: Store, stage: Stage) -> dict[str, Artifact]:
    """Return all artifacts of a stage by their digests."""
    folder = store.root / stage
    keys = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    found = (store.find(stage, key) for key in keys)
    return {artifact.digest: artifact for artifact in found if artifact is not None}
