"""Rates averaged over attacks, seed by seed, so that two defenses can be compared on the same networks' images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bench.intervals import of_difference
from leaderboard.averages import Estimate


def averages(
    cells: pd.DataFrame, defense: str, attacks: Sequence[str], rate: str, denominator: str = "all"
) -> pd.Series[float]:
    """Return a rate's unweighted mean over attacks, a share, by seed: of the seeds that have every attack.

    ``cells`` is ``per_seed``'s table, or several of them one under another.
    """
    chosen = cells[
        (cells["defense"] == defense) & (cells["denominator"] == denominator) & cells["attack"].isin(attacks)
    ]
    table = chosen.pivot_table(index="seed", columns="attack", values=rate)
    if len(table.columns) < len(attacks):
        return pd.Series(dtype=float)
    return table.dropna().mean(axis=1)


def difference(cells: pd.DataFrame, one: str, other: str, attacks: Sequence[str], rate: str) -> Estimate | None:
    """Return by how much a rate of one defense exceeds another's, mean and interval over the seeds that have both.

    The interval is unknown where there are fewer than three; ``None`` where there is none.
    """
    return mean_of(differences(cells, one, other, attacks, rate))


def differences(cells: pd.DataFrame, one: str, other: str, attacks: Sequence[str], rate: str) -> list[float]:
    """Return by how much a rate of one defense exceeds another's in each seed that both have, a share of -1 .. 1."""
    values = (averages(cells, one, attacks, rate) - averages(cells, other, attacks, rate)).dropna()
    return [float(value) for value in values]


def mean_of(values: Sequence[float]) -> Estimate | None:
    """Return the mean of differences, one a seed, with its interval, unknown under three; ``None`` of none."""
    return Estimate(float(np.mean(values)), *of_difference(values)) if values else None
