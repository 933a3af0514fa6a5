"""A run to publish, made by hand: a store with the records that a selection's plan names."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from bench import publishing, records, reporting, suites
from bench.plan import Job, ScoreTask, Selection, plan
from bench.records import DataOrigin
from bench.reporting import Entry
from bench.selecting import PAPER
from bench.store import Store
from bench.tracks import TRACKS, Track

StoreRun = Callable[..., Store]

SUITE = suites.load("table1")
ATTACKS = tuple(attack.name for attack in SUITE.attacks)
DIGITS = TRACKS["digits"]


def meta_of(job: Job) -> dict[str, Any]:
    """Return what a record of the job says of itself."""
    task = job.task
    assert isinstance(task, ScoreTask)
    attack = task.attack.name if task.attack else records.OUT_SET + task.out if task.out else "clean"
    return {
        "schema_version": records.SCHEMA,
        "track": task.track.name,
        "track_title": "A track",
        "architecture": task.track.architecture,
        "suite": task.suite.name,
        "suite_digest": task.suite.digest(task.track.name),
        "defense": task.defense,
        "defense_title": task.defense,
        "defense_source": "a paper",
        "defense_departs": "",
        "taken": {},
        "thresholds": {},
        "control": False,
        "attack": attack,
        "attack_title": attack,
        "kind": "attack" if task.attack else "out" if task.out else "clean",
        "source": "surrogate" if task.attack else None,
        "in_average": task.attack is not None,
        "seed": task.seed,
        "limit": task.limit,
        "precision": task.track.recipe.precision,
        "parameters": {},
        "data": {"digits": DataOrigin(digest="ab" * 32, origin="here").model_dump()},
    }


@pytest.fixture
def run_of(tmp_path: Path) -> StoreRun:
    """Store the records, of four images each, that a selection's plan names; ``header`` changes what they say."""

    def stored(
        track: Track = DIGITS,
        *,
        names: tuple[str, ...] = PAPER,
        attacks: tuple[str, ...] = ATTACKS,
        seeds: Sequence[int] = (0,),
        limit: int | None = None,
        status: str = "done",
        **header: Any,
    ) -> Store:
        store = Store(tmp_path / "store")
        made = plan(Selection(track, SUITE, names, attacks, tuple(seeds), limit))
        keys = []
        for job in made.records:
            tensors = {name: torch.zeros(4) for name in records.PER_IMAGE}
            tensors |= {
                name: torch.zeros(4, dtype=torch.int64) for name in ("index", "label", "prediction", "class_prediction")
            }
            tensors |= {name: torch.ones(4, dtype=torch.bool) for name in ("fooled", "hit_target", "victim_correct")}
            tensors["exhibits"] = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
            meta = meta_of(job) | {"counts": records.counted(tensors)} | header
            inputs = {name: needed.key for name, needed in job.inputs.items()}
            store.write("score", job.key, meta=meta, tensors=tensors, inputs=inputs, provenance={})
            keys.append(job.key)
        entry = Entry(
            track=track.name, suite="table1", title="A track", status=status, reason="it broke", records=tuple(keys)
        )
        reporting.remember(store, entry, list(TRACKS))
        return store

    return stored


def publish(source: Store, track: str, published: Store) -> None:
    publishing.publish(publishing.whole_run(source, track, "table1"), published)


def kept(published: Store) -> set[str]:
    return {path.name for path in (published.root / "score").iterdir()}
