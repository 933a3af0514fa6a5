"""Remembers which records each last table was made of, by track and suite, so that records alone make it again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench import records, suites
from bench.errors import CorruptArtifact
from bench.records import Record
from bench.store import Store, write_file

FILE = "report.json"

Status = Literal["done", "missing", "invalid", "failed"]


class Entry(BaseModel):
    """The last run of a track under a suite: how it ended, and the keys of its records in the order of its tables."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    track: str
    suite: str
    title: str
    status: Status
    reason: str
    records: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its tables are called: the track's name, and the suite's where it is not the standard one."""
        return self.track if self.suite == suites.STANDARD else f"{self.track}-{self.suite}"


class Report(BaseModel):
    """The last run of every track and suite, in the order of the tracks, the standard suite first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = 2
    runs: tuple[Entry, ...] = ()

    def run_of(self, track: str, suite: str) -> Entry | None:
        """Return the last run of a track under a suite, ``None`` where there is none."""
        return next((entry for entry in self.runs if (entry.track, entry.suite) == (track, suite)), None)


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
    """Put an entry in place of the last one of its track and suite; ``order`` is that of the tracks.

    A run that has a table keeps it: an entry without records leaves the records of the last one in place.
    """
    with store.lock("report"):
        known = read(store)
        last = known.run_of(entry.track, entry.suite)
        if last is not None and not entry.records:
            entry = entry.model_copy(update={"records": last.records})
        kept = [entry, *(other for other in known.runs if other is not last and other.track in order)]
        kept.sort(key=lambda run: (order.index(run.track), run.suite != suites.STANDARD, run.suite))
        report = Report(runs=tuple(kept))
        write_file(store.root / FILE, json.dumps(report.model_dump(mode="json"), indent=1).encode())
    return report


def load(store: Store, entry: Entry) -> list[Record]:
    """Return the records of an entry; raise ``CorruptArtifact`` that names one which is missing or damaged."""
    found = []
    for key in entry.records:
        try:
            artifact = store.find("score", key)
        except CorruptArtifact as error:
            raise CorruptArtifact(f"{error}; {command(entry.track, entry.suite)} makes it again") from None
        if artifact is None:
            raise CorruptArtifact(
                f"{store.path('score', key)}: missing; {command(entry.track, entry.suite)} makes it again"
            )
        found.append(records.from_artifact(artifact))
    return found


def undamaged(store: Store, keys: Iterable[str]) -> Iterator[Record]:
    """Yield the records of the keys, those of them that are there and whole."""
    for key in keys:
        with suppress(CorruptArtifact):
            artifact = store.find("score", key)
            if artifact is not None:
                yield records.from_artifact(artifact)


def command(track: str, suite: str) -> str:
    """Return the command that runs a track under a suite, as messages have it."""
    if suite not in suites.names():
        return f"`python -m bench run {track} --suite` with the file of '{suite}'"
    option = "" if suite == suites.STANDARD else f" --suite {suite}"
    return f"`python -m bench run {track}{option}`"


def of_last_run(store: Store, track: str, suite: str) -> list[Record]:
    """Return the records of a track's last run under a suite; raise ``CorruptArtifact`` where one is damaged."""
    entry = read(store).run_of(track, suite)
    return [] if entry is None else load(store, entry)


def of_the_same_data(earlier: Sequence[Record], found: Sequence[Record]) -> list[Record]:
    """Return those of earlier records that are of no other data sets of a name than the ones found."""
    data = {name: origin.digest for record in found for name, origin in record.header.data.items()}
    return [
        record
        for record in earlier
        if all(data.get(name, origin.digest) == origin.digest for name, origin in record.header.data.items())
    ]


def joined(earlier: Sequence[Record], found: Sequence[Record]) -> list[Record]:
    """Return records with earlier ones of other cells beside them, in the order of a run: by seed, then by defense."""
    cells = {cell(record) for record in found}
    every = [*(record for record in earlier if cell(record) not in cells), *found]
    order = list(dict.fromkeys(record.header.defense for record in every))
    return sorted(every, key=lambda record: (record.header.seed, order.index(record.header.defense)))


def cell(record: Record) -> tuple[str, str, int]:
    """Return what a record is of, within a track and a suite: defense, attack, seed."""
    return record.header.defense, record.header.attack, record.header.seed
