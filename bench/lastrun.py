"""What becomes of the last run's rows when another run of the same track and suite is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench import reporting, selecting
from bench.plan import Selection, plan
from bench.records import Header, Record
from bench.store import Store

SETTINGS = {"limit": "limit", "architecture": "network", "epochs": "number of epochs", "precision": "precision"}
"""What a whole table has one of, by its name in the header of a record, in words."""


def losses(store: Store, selection: Selection, *, add: bool) -> Iterator[str]:
    """Yield, in words, what a run would take off the table of the last one, as far as that can be told before it.

    A cell that is made again with the same settings is not lost. With ``add`` those stay, too, which the selection's
    settings and the code as it is now would give.
    """
    keys = strangers(store, selection)
    earlier = list(reporting.undamaged(store, keys))
    if add and len(earlier) < len(keys):
        yield (
            f"--add: records of the last run that are damaged or missing ({len(keys) - len(earlier)}) are left out of "
            "the table; the command that made them makes them again"
        )
    if not earlier:
        return
    own, fit = settings(selection), {record.key for record in selecting.current(earlier, selection)}
    others = [SETTINGS[name] for name, value in own.items() if getattr(earlier[0].header, name) != value]
    lost = [r for r in earlier if not (add and r.key in fit) and (others or not made_again(r.header, selection))]
    if lost and add:
        yield (
            f"--add: {defenses_of(lost)} of the last run are of another recipe, limit or code than now, and left out "
            "of the table; run them again with these settings, or choose other folders with --store and --out"
        )
    elif lost and others:
        yield (
            f"the last run was of another {' and '.join(others)}: its table, of {defenses_of(lost)}, is replaced; the "
            "same command as then writes it again, other folders for --store and --out keep both"
        )
    elif lost:
        kept = defenses_of([record for record in lost if record.key in fit])
        yield (
            f"rows or cells of the last run that this one lacks leave the table: {defenses_of(lost)}"
            + (f"; --add keeps those of {kept}" if kept else "")
        )


def defenses_of(records: Sequence[Record]) -> str:
    """Return the names of the defenses that records are of."""
    return ", ".join(dict.fromkeys(record.header.defense for record in records))


def beside(
    store: Store, selection: Selection, found: Sequence[Record], warn: Callable[[str], None]
) -> tuple[Record, ...]:
    """Return the records of a run with those of the last one beside them, as far as they fit; tell of other data."""
    fitting = selecting.current(list(reporting.undamaged(store, strangers(store, selection))), selection)
    kept = reporting.of_the_same_data(fitting, found)
    keys = {record.key for record in kept}
    others = defenses_of([record for record in fitting if record.key not in keys])
    if others:
        warn(f"--add: {others} of the last run are of other data, and left out of the table")
    return tuple(reporting.joined(kept, found))


def strangers(store: Store, selection: Selection) -> list[str]:
    """Return the keys of those records of the last run of a selection's track and suite that it has not."""
    entry = reporting.read(store).run_of(selection.track.name, selection.suite.name)
    own = {job.key for job in plan(selection).records}
    return [key for key in entry.records if key not in own] if entry is not None else []


def settings(selection: Selection) -> dict[str, object]:
    """Return what a selection has of ``SETTINGS``."""
    track = selection.track
    values = (selection.limit, track.architecture, track.other_epochs(selection.limit), track.recipe.precision)
    return dict(zip(SETTINGS, values, strict=True))


def made_again(header: Header, selection: Selection) -> bool:
    """Return whether a selection has a record's cell."""
    of_row = header.defense in selection.defenses and header.seed in selection.seeds
    return of_row and (header.kind != "attack" or header.attack in selection.attacks)
