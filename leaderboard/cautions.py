"""What a reader must know before trusting a table: limited runs, mixed environments, data notes, weak attacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from bench.records import Record
from leaderboard.arranging import data_origins, titles
from leaderboard.attack_sections import attack_headers
from leaderboard.cells import aims_at_rejection
from leaderboard.environment import mixed
from leaderboard.sweeps import Sweep, sweeps
from leaderboard.text import inline, percent

WEAK = 0.5
"""The share of images under which an attack that fools its own source is called weak."""

ALIKE = 0.02
"""By how much, as a share, the Err of attacks that should err alike may differ unsaid: four images in two hundred."""

ANYWHERE = 1.0
"""The ε in L∞ within which every image lies."""

NO_IMAGE = "was handed no image"
UNMOVED = "leaves half of its images or more as they were"

LIMITED = "**LIMITED"
"""How the caution of a run on part of the data begins."""


def cautions(records: Sequence[Record], cells: pd.DataFrame) -> list[str]:
    """Return the cautions that apply, one line of Markdown each, the gravest first.

    ``records`` are arranged, ``cells`` is ``per_seed``'s table.
    """
    found = []
    limit = records[0].header.limit
    if limit is not None:
        found.append(f"{LIMITED} to the first {limit} of every split: not comparable, not for publication.**")
    differing = mixed(records)
    if differing:
        found.append(f"**Mixed environments**: the records were not all computed alike: {'; '.join(differing)}.")
    for name, origin in data_origins(records).items():
        found += [f"**Data {inline(name)}**: {inline(note)}" for note in origin.notes]
    return found + _weak_attacks(records, cells) + _weak_sweeps(records, cells)


def _weak_attacks(records: Sequence[Record], cells: pd.DataFrame) -> list[str]:
    """Return a caution for every attack that does little to a network that it was made on, in some seed."""
    found = []
    for attack, header in attack_headers(records).items():
        if header.kind != "attack" or "control" in header.parameters or aims_at_rejection(header.parameters):
            continue  # a control need not fool its source; what is to be rejected is to fool nobody
        rows = cells[(cells["attack"] == attack) & (cells["denominator"] == "all")]
        name = inline(header.attack_title)
        if header.source == "victim":
            if reasons := _on_victims(rows, titles(records)):
                said = f"in some seed it {' and '.join(reasons)}; a low Err there tells the one or the other"
                found.append(f"**Weak attack {name}, or strong defenses**: {said}.")
        elif reasons := _on_surrogates(rows):
            found.append(f"**Weak attack {name}**: it {' and '.join(reasons)}; a low Err on it says little.")
    return found


def _weak_sweeps(records: Sequence[Record], cells: pd.DataFrame) -> list[str]:
    """Return a caution for every sweep of ε over attacks on the defenses themselves that shows them weak.

    Within a larger ε lies all that lies within a smaller one: what errs less there was not looked for well.
    """
    found = []
    names = titles(records)
    for sweep in sweeps(records):
        if (sweep.parameter, sweep.source, sweep.rate) != ("epsilon", "victim", "err"):
            continue
        errors = _errors(sweep, cells)
        falls = (errors.cummax(axis=1) - errors).max(axis=1) > ALIKE
        loses = (errors[sweep.attacks[-1]] < 1 - ALIKE) & (sweep.values[-1] >= ANYWHERE)
        of = errors.index.get_level_values("defense")
        signs = {
            "errs less within a larger ε": of[falls],
            f"does not always err within ε {sweep.values[-1]:g}": of[loses],
        }
        if reasons := _of_whom(signs, names):
            said = f"in some seed it {' and '.join(reasons)}; with a better search, Err there is larger"
            found.append(f"**Weak attack {inline(sweep.title)}, {sweep.made_on}**: {said}.")
    return found


def _errors(sweep: Sweep, cells: pd.DataFrame) -> pd.DataFrame:
    """Return the Err of a sweep's attacks, a column each from the least value, by defense and seed."""
    rows = cells[cells["attack"].isin(sweep.attacks) & (cells["denominator"] == "all") & (cells["n"] > 0)]
    return rows.pivot(index=["defense", "seed"], columns="attack", values="err").reindex(columns=[*sweep.attacks])


def _on_surrogates(rows: pd.DataFrame) -> list[str]:
    """Return what shows an attack weak in its cells: all defenses were handed its images, made on another network."""
    reasons = []
    if (rows["n"] == 0).any():
        reasons.append(NO_IMAGE)
    if (rows["source_err"] < WEAK).any():
        least = f"fools its own source for {percent(rows['source_err'].min())}% of its images only"
        reasons.append(f"{least}, in one seed" if rows["seed"].nunique() > 1 else least)
    if _unmoved(rows).any():
        reasons.append(f"{UNMOVED} (median distance 0)")
    return reasons


def _on_victims(rows: pd.DataFrame, names: Mapping[str, str]) -> list[str]:
    """Return the same of an attack on the defenses themselves, and of which it shows."""
    signs = {
        NO_IMAGE: rows["n"] == 0,
        f"fools its victim for less than {100 * WEAK:.0f}% of its images": rows["source_err"] < WEAK,
        f"{UNMOVED} (median distance 0)": _unmoved(rows),
    }
    return _of_whom({sign: rows.loc[has, "defense"] for sign, has in signs.items()}, names)


def _of_whom(signs: Mapping[str, Iterable[str]], names: Mapping[str, str]) -> list[str]:
    """Return the signs that some defense shows, each with the titles of those that do."""
    shown = {sign: dict.fromkeys(of) for sign, of in signs.items()}
    return [f"{sign}, of {'; '.join(inline(names[name]) for name in of)}" for sign, of in shown.items() if of]


def _unmoved(rows: pd.DataFrame) -> pd.Series[bool]:
    return (rows["median_l2"] == 0) | (rows["median_linf"] == 0)
