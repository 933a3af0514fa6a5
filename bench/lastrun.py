"""What becomes of the last run's rows when another run of the same track and suite is made."""

from __future__ import annotations

from collections.abc import Sequence

from bench import reporting, selecting
from bench.plan import Selection, plan
from bench.records import Header, Record
from bench.store import Store

SETTINGS = {"limit": "limit", "architecture": "network", "epochs": "number of epochs", "precision": "precision"}
"""What a whole table has one of, by its name in the header of a record, in words."""


def strangers(store: Store, selection: Selection) -> list[Record]:
    """Return those records of the last run of a selection's track and suite that it has not and that can be read."""
    entry = reporting.read(store).run_of(selection.track.name, selection.suite.name)
    own = {job.key for job in plan(selection).records}
    return list(reporting.undamaged(store, [key for key in entry.records if key not in own] if entry else []))


def loss(earlier: Sequence[Record], selection: Selection, *, add: bool) -> str | None:
    """Return, in words, which rows of an earlier run a run would take off the table; ``None`` where none would go.

    A cell that is made again with the same settings is none of them. With ``add`` those stay, too, which the
    selection's settings and the code as it is now would give.
    """
    if not earlier:
        return None
    kept = {record.key for record in selecting.current(earlier, selection)} if add else set()
    own = settings(selection)
    others = [SETTINGS[name] for name, value in own.items() if getattr(earlier[0].header, name) != value]
    comes_back = add or not others
    lost = [r for r in earlier if r.key not in kept and not (comes_back and made_again(r.header, selection))]
    if not lost:
        return None
    names = ", ".join(dict.fromkeys(record.header.defense for record in lost))
    if add:
        return (
            f"--add: {names} of the last run are of another recipe, limit or code than now, and left out of the table; "
            "run them again to have them there"
        )
    if others:
        return (
            f"the last run was of another {' and '.join(others)}: its table, of {names}, is replaced; the same command "
            "as then writes it again, other folders for --store and --out keep both"
        )
    return f"what the last run has more of {names} leaves the table; --add keeps it there"


def settings(selection: Selection) -> dict[str, object]:
    """Return what a selection has of ``SETTINGS``."""
    track = selection.track
    values = (selection.limit, track.architecture, track.other_epochs(selection.limit), track.recipe.precision)
    return dict(zip(SETTINGS, values, strict=True))


def made_again(header: Header, selection: Selection) -> bool:
    """Return whether a selection has a record's cell."""
    of_row = header.defense in selection.defenses and header.seed in selection.seeds
    return of_row and (header.kind != "attack" or header.attack in selection.attacks)


def beside(
    earlier: Sequence[Record], selection: Selection, found: Sequence[Record]
) -> tuple[tuple[Record, ...], list[str]]:
    """Return records with those of an earlier run beside them, and the defenses that are left out: of other data."""
    fitting = selecting.current(earlier, selection)
    kept = reporting.of_the_same_data(fitting, found)
    keys = {record.key for record in kept}
    others = dict.fromkeys(record.header.defense for record in fitting if record.key not in keys)
    return tuple(reporting.joined(kept, found)), list(others)
