"""Publishes a track's last run: checks that it is a whole one of the track as it stands, and keeps its records."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from bench import reporting, suites
from bench.errors import InvalidConfig
from bench.records import Record
from bench.reporting import Entry
from bench.store import Store
from bench.tracks import TRACKS

STAGE = "score"


def publish(source: Store, track: str, published: Store) -> None:
    """Put the records of a track's last run into a store of published ones, in place of the track's earlier ones.

    Raises ``InvalidConfig`` where there is no run of the track or ``refuse`` finds fault, ``CorruptArtifact`` where a
    record is damaged; nothing is changed then.
    """
    entry = next((entry for entry in reporting.read(source).tracks if entry.track == track), None)
    if entry is None or not entry.records:
        raise InvalidConfig(f"{source.root}: holds no run of '{track}'; `python -m bench run {track}` makes one")
    records = reporting.load(source, entry)
    refuse(entry, records)
    for record in records:
        with published.lock(record.key):
            copy(source, published, record.key)
    report = reporting.remember(published, entry, list(TRACKS))
    used = {key for kept in report.tracks for key in kept.records}
    for path in sorted((published.root / STAGE).iterdir()):
        if path.name not in used:
            shutil.rmtree(path)
    shutil.rmtree(published.root / "locks")


def refuse(entry: Entry, records: Sequence[Record]) -> None:
    """Raise ``InvalidConfig`` where a run is not one of the whole track: limited, broken off, or of another recipe."""
    what = f"the last run of '{entry.track}'"
    mend = f"publish a run with the track's own settings: `python -m bench run {entry.track}`"
    if entry.status != "done":
        raise InvalidConfig(f"{what} is not published: it ended as '{entry.status}' ({entry.reason}); mend it first")
    track = TRACKS[entry.track]
    header = records[0].header
    own = {"limit": None, "architecture": track.architecture, "precision": track.recipe.precision}
    for name, value in own.items():
        found = getattr(header, name)
        if found != value:
            shown = f"it has {name} {found}, the track has {'none' if value is None else value}"
            raise InvalidConfig(f"{what} is not published: {shown}; {mend}")
    if header.suite not in suites.names() or suites.load(header.suite).digest != header.suite_digest:
        raise InvalidConfig(
            f"{what} is not published: its suite '{header.suite}' is none of those that ship with the program; {mend}"
        )
    ran = {record.header.attack for record in records}
    left_out = [attack.name for attack in suites.load(header.suite).attacks if attack.name not in ran]
    if left_out:
        raise InvalidConfig(f"{what} is not published: it leaves out {', '.join(left_out)}; {mend}")


def copy(source: Store, published: Store, key: str) -> None:
    """Copy a record's files; the record appears whole or not at all."""
    path = published.path(STAGE, key)
    partial = path.with_name(f"{key}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source.path(STAGE, key), partial)
    published.discard(STAGE, key)
    partial.rename(path)
