"""What a reader must know before trusting a table: limited runs, mixed environments, data notes, weak attacks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.records import Record
from leaderboard.arranging import data_origins
from leaderboard.environment import mixed
from leaderboard.text import inline, percent

WEAK = 0.5
"""The share of images under which an attack that fools its own source is called weak."""

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
    return found + _weak_attacks(records, cells)


def _weak_attacks(records: Sequence[Record], cells: pd.DataFrame) -> list[str]:
    """Return a caution for every attack that does little to the network it was made on, in some seed."""
    found = []
    titles = {
        record.header.attack: record.header.attack_title
        for record in records
        if record.header.kind == "attack" and "control" not in record.header.parameters  # a control need not fool it
    }
    for attack, title in titles.items():
        rows = cells[(cells["attack"] == attack) & (cells["denominator"] == "all")]
        reasons = []
        if (rows["n"] == 0).any():
            reasons.append("was handed no image")
        if (rows["source_err"] < WEAK).any():
            least = f"fools its own source for {percent(rows['source_err'].min())}% of its images only"
            reasons.append(f"{least}, in one seed" if rows["seed"].nunique() > 1 else least)
        if (rows["median_l2"] == 0).any() or (rows["median_linf"] == 0).any():
            reasons.append("leaves half of its images or more as they were (median distance 0)")
        if reasons:
            found.append(f"**Weak attack {inline(title)}**: it {' and '.join(reasons)}; a low Err on it says little.")
    return found
