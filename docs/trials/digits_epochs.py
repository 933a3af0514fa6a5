"""Trains the digits track's defenses for longer, and looks at what interpolation then does.

    python docs/trials/digits_epochs.py STORE > docs/trials/digits_epochs.csv

STORE is a folder of finished jobs, such as that of `python -m bench run digits`, whose own are not done again.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from bench import fitting, records, scoring, seeding, selecting, stages, suites, trackdata
from bench.console import Terminal
from bench.executor import Executor, Outcome
from bench.plan import FitTask, Job, Plan, plan
from bench.store import Store
from bench.trackdata import TrackData
from bench.tracks import TRACKS
from defenses.base import REJECT
from defenses.ood_interp import OutDistributionInterpolated
from leaderboard.arranging import arranged
from leaderboard.cells import across_seeds, per_seed
from leaderboard.ranking import standings

EPOCHS = (24, 72)
SEEDS = 3
CPU = torch.device("cpu")
INTERPOLATING = "ood_interp"


def accepted(job: Job, made: Plan, outcome: Outcome, data: TrackData) -> float:
    """Return the share of the interpolated images of its own dustbin that a fitted +OOD+interp gives a class."""
    task = job.task
    assert isinstance(task, FitTask)
    fitted = {
        name: stages.classifier_of(name, outcome.artifacts[needed.key], task.track, CPU)
        for name, needed in job.inputs.items()
    }
    handed = fitting.TrackFitting(
        task.track,
        data,
        device=CPU,
        stream=seeding.derive(task.track.name, task.role, task.defense, task.seed),
        fitted=fitted,
        advance=lambda _: None,
    )
    defense = made.known(INTERPOLATING).defense()
    assert isinstance(defense, OutDistributionInterpolated)
    interpolated = defense.dustbin(handed)[len(data.out_train) :]
    classifier = stages.classifier_of(INTERPOLATING, outcome.artifacts[job.key], task.track, CPU)
    return (scoring.score(classifier, interpolated, CPU).prediction != REJECT).float().mean().item()


def rows(store: Store) -> Iterator[list[object]]:
    """Yield a row for every number of epochs and defense: means over the seeds."""
    digits = TRACKS["digits"]
    data = trackdata.assemble(digits, Path(), None)
    for epochs in EPOCHS:
        track = replace(digits, recipe=replace(digits.recipe, epochs=epochs))
        names = list(selecting.PAPER)
        of_suite = suites.load("table1")
        selection = selecting.select(
            track, of_suite, defense_names=names, attack_names=None, seeds=range(SEEDS), limit=None
        )
        made = plan(selection)
        executor = Executor(store, data, CPU, Terminal())
        outcome = executor.run(made, executor.survey(made))
        cells = arranged([records.from_artifact(outcome.artifacts[job.key]) for job in made.records])
        own = [
            accepted(job, made, outcome, data)
            for job in made.jobs
            if isinstance(job.task, FitTask) and job.task.defense == INTERPOLATING
        ]
        for row in standings(cells, across_seeds(per_seed(cells))):
            assert row.average is not None
            assert row.clean_acc is not None
            share = f"{100 * sum(own) / len(own):.1f}" if row.defense == INTERPOLATING else ""
            figures = (row.average.value, row.average.low, row.average.high, row.clean_acc.value)
            err, low, high, acc = (f"{100 * figure:.1f}" for figure in figures)
            yield [epochs, row.title, f"{err} [{low}, {high}]", acc, share]


def main() -> None:
    """Print the table as CSV."""
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["epochs", "defense", "average Err, %", "clean Acc, %", "own interpolated images accepted, %"])
    for row in rows(Store(Path(sys.argv[1]))):
        out.writerow(row)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
