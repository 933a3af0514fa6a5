"""What a reader must know before trusting a table: limited runs, mixed environments, data notes, weak attacks."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.records import Record
from leaderboard.arranging import data_origins
from leaderboard.environment import mixed
from leaderboard.text import inline
from leaderboard.weak_attacks import weak_attacks, weak_sweeps

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
    return found + [weak.caution for weak in (*weak_attacks(records, cells), *weak_sweeps(records, cells))]
