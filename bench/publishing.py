"""Publishes a track's last run: checks that it is a whole one of the track as it stands, and keeps its records."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import cast

from filelock import FileLock

from bench import precision, reporting, suites
from bench.data.in_folder import UNKNOWN_COPY
from bench.errors import InvalidConfig
from bench.plan import NAIVE, Selection, plan
from bench.records import OUT_SET, Header, Record, seeds_by_defense
from bench.reporting import Entry
from bench.selecting import PAPER
from bench.store import Store, pack
from bench.tracks import TRACKS, Precision, Track

STAGE = "score"

LOCK = ".lock"
"""The file, in the folder of a store of published records, that whoever publishes locks."""


@dataclass(frozen=True)
class WholeRun:
    """A run that may be published: of the whole track as it stands.

    Of the ``records`` that ``entry`` names, those of the keys ``own`` are ``source``'s, the others published already.
    """

    source: Store
    entry: Entry
    records: Sequence[Record]
    own: frozenset[str]


def whole_run(source: Store, track: str, suite: str, published: Store | None = None) -> WholeRun:
    """Return a track's last run under a suite; only read, nothing is made.

    With ``published``, a store of published records, the run is taken together with what is published of that track and
    suite: another machine's seeds, say.

    Raises ``InvalidConfig`` where there is no run of the track or there is a fault in it, ``CorruptArtifact`` where a
    record is damaged, ``RosterError`` where a defense is registered no more.
    """
    entry = reporting.read(source).run_of(track, suite)
    if entry is None or not entry.records:
        raise InvalidConfig(f"{source.root}: holds no run of '{track}'; {reporting.command(track, suite)} makes one")
    what = f"the last run of '{track}' is not published"
    if entry.status != "done":
        raise InvalidConfig(f"{what}: it ended as '{entry.status}' ({entry.reason}); mend it first")
    found = reporting.load(source, entry)
    own = frozenset(record.key for record in found)
    if published is not None:
        found = reporting.joined(reporting.of_last_run(published, track, suite), found)
        entry = entry.model_copy(update={"records": tuple(record.key for record in found)})
    fault = next(faults(TRACKS[track], entry, found), None)
    if fault is not None:
        mend = f"publish one of the track's own settings and known data: {reporting.command(track, suite)}"
        raise InvalidConfig(f"{what}: {fault}; {mend}")
    return WholeRun(source, entry, found, own)


@contextmanager
def alone(published: Store) -> Iterator[None]:
    """Hold the lock of a store of published records, in its folder, which is made; git ignores it.

    Raises ``InvalidConfig`` where it cannot be had.
    """
    path = published.root / LOCK
    try:
        published.root.mkdir(parents=True, exist_ok=True)
        held = FileLock(path).acquire()
    except OSError as error:
        raise InvalidConfig(
            f"{path}: {error.strerror or error}; make it a file that can be written, or choose another folder with --to"
        ) from None
    with held:
        yield


def publish(run: WholeRun, published: Store) -> None:
    """Put the records of a run into a store of published ones, packed, in place of those of the track and suite before.

    The caller holds the store's lock (``alone``).

    Raises ``CorruptArtifact`` where the store's report is damaged, and ``InvalidConfig`` where the run trained more
    briefly than the one that it would replace, or lacks a row of the paper that this one has; nothing is changed then.
    A damaged record may be replaced, and counts for nothing.
    """
    track, brief = run.entry.track, run.records[0].header.epochs
    last = reporting.read(published).run_of(track, run.entry.suite)
    before = list(reporting.undamaged(published, last.records if last is not None else ()))
    if brief is not None and any(record.header.epochs is None for record in before):
        raise InvalidConfig(
            f"what is published of '{track}' trained for all epochs of the recipe: a run of {brief} does not take its "
            "place; publish one without --epochs"
        )
    lost = [name for name in of_paper(before) if name not in of_paper(run.records)]
    if lost:
        raise InvalidConfig(
            f"what is published of '{track}' has {', '.join(lost)}: a run without does not take its place; run these "
            "too, or put it beside what is published with --add, if that is of the same recipe"
        )
    for key in run.entry.records:
        with published.lock(key):
            if key in run.own:
                copy(run.source, published, key)
            pack(published.path(STAGE, key))
    report = reporting.remember(published, run.entry, list(TRACKS))
    used = {key for kept in report.runs for key in kept.records}
    for path in sorted((published.root / STAGE).iterdir()):
        if path.name not in used:
            shutil.rmtree(path)
    shutil.rmtree(published.root / "locks")


def faults(track: Track, entry: Entry, records: Sequence[Record]) -> Iterator[str]:
    """Yield in words what keeps a run from being one of the whole track as it stands, what explains most first."""
    yield from faults_of_settings(track, records)
    header = records[0].header
    if header.suite not in suites.names() or suites.load(header.suite).digest(track.name) != header.suite_digest:
        yield f"its suite '{header.suite}' is none of those that ship with the program"
    for record in records:
        for name, origin in record.header.data.items():
            if UNKNOWN_COPY in origin.origin:
                yield f"its data set '{name}' is an {UNKNOWN_COPY} ({origin.digest[:12]})"
    selection = selection_of(track, records)
    wanted = (NAIVE, *selection.attacks, *(OUT_SET + name for name in track.out_tests))
    has = {name for record in records for name in (record.header.defense, record.header.attack)}
    left_out = [name for name in wanted if name not in has]
    if left_out:
        yield f"it leaves out {', '.join(left_out)}"
    of_seeds = defenses_of_seeds(records)
    yield from faults_of_seeds(of_seeds, of_paper(records))
    parts = [replace(selection, defenses=names, seeds=seeds) for seeds, names in of_seeds.items()]
    planned = {job.key for part in parts for job in plan(part).records}
    if set(entry.records) != planned:
        clean = [record for record in records if record.header.kind == "clean"]
        other = [record.header.defense for record in clean if record.key not in planned]
        if 0 < len(set(other)) < len({record.header.defense for record in clean}):
            yield f"it is of other code of '{other[0]}', or of a defense that this needs, than the checkout's"
        yield "it is of another recipe than the track's now, of other code of a defense, or of other cells"


def faults_of_settings(track: Track, records: Sequence[Record]) -> Iterator[str]:
    """Yield in words which settings of a run are not the track's, or not the same in all of its records."""
    own = {
        "limit": ("none", (None,)),
        "architecture": (track.architecture, (track.architecture,)),
        "precision": (track.recipe.precision, precision.of_recipe(track.recipe)),
        "epochs": (track.recipe.epochs, (None, track.cpu_epochs)),
    }
    for name, (of_track, values) in own.items():
        found = [getattr(record.header, name) for record in records]
        most = max(dict.fromkeys(found), key=lambda value: (value in values, found.count(value)))
        if most not in values:
            yield f"it has {name} {most}, the track has {of_track}"
            continue
        again = f"without --{name}" if most is None else f"with --{name} {most}"
        for value in dict.fromkeys(value for value in found if value != most):
            one, other = (of_track if said is None else said for said in (value, most))
            whose = seeds_of([record.header for record in records], name, value)
            yield f"it has {name} {one} with {whose} and {other} with the others: run {whose} again {again}"


def seeds_of(headers: Sequence[Header], name: str, value: object) -> str:
    """Return in words with which seeds a setting has a value, and of which defenses if not of all with these seeds."""
    having = [header for header in headers if getattr(header, name) == value]
    seeds = sorted({header.seed for header in having})
    said = f"seeds {', '.join(map(str, seeds))}"
    if all(getattr(header, name) == value for header in headers if header.seed in seeds):
        return said
    return f"{said} of {', '.join(dict.fromkeys(header.defense for header in having))}"


def of_paper(records: Sequence[Record]) -> list[str]:
    """Return the paper's defenses among those of the records: a costly network may be published before the others."""
    ran = {record.header.defense for record in records}
    return [name for name in PAPER if name in ran]


def faults_of_seeds(of_seeds: Mapping[tuple[int, ...], Sequence[str]], of_all: Sequence[str]) -> Iterator[str]:
    """Yield in words what is wrong with the seeds of a run, ``defenses_of_seeds``'s; those ``of_all`` must have all."""
    for seeds in of_seeds:
        if seeds != tuple(range(len(seeds))):
            yield f"it has the seeds {', '.join(map(str, seeds))}, which do not count up from 0"
    with_most = of_seeds[max(of_seeds, key=len)]
    fewer = [name for name in of_all if name not in with_most]
    if fewer:
        yield f"it has fewer seeds of {', '.join(fewer)} than of others"


def defenses_of_seeds(records: Sequence[Record]) -> dict[tuple[int, ...], tuple[str, ...]]:
    """Return the defenses that have the same seeds, by these: a costly one may have been run with fewer."""
    found: dict[tuple[int, ...], tuple[str, ...]] = {}
    for name, seeds in seeds_by_defense(records).items():
        found[seeds] = (*found.get(seeds, ()), name)
    return found


def selection_of(track: Track, records: Sequence[Record]) -> Selection:
    """Return what a whole run of the track takes: the defenses, seeds and near tests are those of the records.

    The records are of a suite that ships with the program.
    """
    suite = suites.load(records[0].header.suite)
    ran = {record.header.attack for record in records}
    near = tuple(name for name in track.near_tests if OUT_SET + name in ran)
    header = records[0].header
    trained = precision.in_precision(track, cast("Precision", header.precision))
    if header.epochs is not None:
        trained = replace(trained, recipe=replace(trained.recipe, epochs=header.epochs))
    return Selection(
        track=replace(trained, out_tests=(*track.out_tests, *near), near_tests=()),
        suite=suite,
        defenses=tuple(dict.fromkeys(record.header.defense for record in records)),
        attacks=tuple(attack.name for attack in suite.attacks),
        seeds=tuple(dict.fromkeys(record.header.seed for record in records)),
        limit=None,
    )


def copy(source: Store, published: Store, key: str) -> None:
    """Copy a record's files; the record appears whole or not at all."""
    path = published.path(STAGE, key)
    partial = path.with_name(f"{key}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source.path(STAGE, key), partial)
    published.discard(STAGE, key)
    partial.rename(path)
