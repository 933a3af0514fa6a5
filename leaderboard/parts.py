"""Splits a track's records by the seeds that defenses share: who has others or fewer is compared on these alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.records import Record, seeds_by_defense
from leaderboard.cells import across_seeds
from leaderboard.ranking import Standing, standings
from leaderboard.weak_attacks import weakly_attacked


@dataclass(frozen=True)
class Part:
    """Defenses that all have the same seeds, and nothing of any other: what may be ranked in one table."""

    seeds: tuple[int, ...]
    records: Sequence[Record]
    cells: pd.DataFrame
    """``per_seed``'s table of these records."""
    across: pd.DataFrame
    """``across_seeds``'s table of these cells."""
    rows: Sequence[Standing]


def parts(records: Sequence[Record], cells: pd.DataFrame) -> list[Part]:
    """Return the part of the defenses that have the most seeds, then one for every lesser choice, by their number.

    A lesser part holds every defense that has its seeds, also those that have more. ``records`` are arranged, ``cells``
    is ``per_seed``'s table.
    """
    seeds = seeds_by_defense(records)
    most = max(seeds.values(), key=len)
    found = [_part(records, cells, most, [name for name, own in seeds.items() if own == most])]
    for fewer in sorted({*seeds.values()} - {most}, key=lambda own: (-len(own), own)):
        sharing = [name for name, own in seeds.items() if {*fewer} <= {*own}]
        found.append(_part(records, cells, fewer, sharing))
    return found


def every_row(split: Sequence[Part]) -> list[Standing]:
    """Return one row for every defense, over all of its seeds: as ranked where it has the most, then the others.

    These have no rank among the others. The controls stand last.
    """
    whole, *lesser = split
    rows = {row.defense: row for row in whole.rows}
    for part in lesser:  # the first that a defense is in has all of its seeds
        for row in part.rows:
            rows.setdefault(row.defense, replace(row, rank=None))
    return sorted(rows.values(), key=lambda row: row.control)


def _part(records: Sequence[Record], cells: pd.DataFrame, seeds: tuple[int, ...], defenses: Sequence[str]) -> Part:
    own = [record for record in records if record.header.defense in defenses and record.header.seed in seeds]
    chosen = cells[cells["defense"].isin(defenses) & cells["seed"].isin(seeds)]
    across, weakly = across_seeds(chosen), weakly_attacked(own, chosen)
    rows = [replace(row, weakly_attacked=row.defense in weakly) for row in standings(own, across)]
    return Part(seeds, own, chosen, across, rows)
