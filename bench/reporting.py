"""Remembers which records each track's last table was made of, so that it can be made again from records alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench import records
from bench.errors import CorruptArtifact
from bench.records import Record
from bench.store import Store, write_file

FILE = "report.json"

Status = Literal["done", "missing", "invalid", "failed"]


class Entry(BaseModel):
    """A track's last run: how it ended, and the keys of its records in the order of its tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    track: str
    title: str
    status: Status
    reason: str
    records: tuple[str, ...] = ()


class Report(BaseModel):
    """The last run of every track, in the order of the tracks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    tracks: tuple[Entry, ...] = ()


def read(store: Store) -> Report:
    """Return a store's report, empty where it has none; raise ``CorruptArtifact`` where the file is damaged."""
    path = store.root / FILE
    if not path.exists():
        return Report()
    try:
        return Report.model_validate_json(path.read_bytes())
    except ValidationError:
        raise CorruptArtifact(
            f"{path}: damaged, or of another version; delete it and run again, finished jobs are kept"
        ) from None


def remember(store: Store, entry: Entry, order: Sequence[str]) -> Report:
    """Put a track's entry in place of its last one; ``order`` is that of the tracks.

    A track that has a table keeps it: an entry without records leaves the records of the last one in place.
    """
    with store.lock("report"):
        entries = {known.track: known for known in read(store).tracks}
        if not entry.records and entry.track in entries:
            entry = entry.model_copy(update={"records": entries[entry.track].records})
        entries[entry.track] = entry
        report = Report(tracks=tuple(entries[name] for name in order if name in entries))
        write_file(store.root / FILE, json.dumps(report.model_dump(mode="json"), indent=1).encode())
    return report


def load(store: Store, entry: Entry) -> list[Record]:
    """Return the records of an entry; raise ``CorruptArtifact`` that names one which is missing or damaged."""
    found = []
    for key in entry.records:
        artifact = store.find("score", key)
        if artifact is None:
            raise CorruptArtifact(f"{store.path('score', key)}: missing; `python -m bench run {entry.track}` makes it")
        found.append(records.from_artifact(artifact))
    return found
