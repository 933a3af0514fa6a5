"""Figures of a defense's records, seed by seed, and what they come to over the seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from bench import metrics
from bench.intervals import UNKNOWN, over_seeds, wilson
from bench.records import Record
from leaderboard.averages import Estimate


class Cell(NamedTuple):
    """What names a record among those of one defense."""

    attack: str
    seed: int


Cells = dict[Cell, Record]

Figure = Callable[[Cells, int], float]
"""A share, 0 .. 1, of a defense's records of one seed; raises ``KeyError`` where a record is missing."""


def by_defense(records: Sequence[Record]) -> dict[str, Cells]:
    """Return every defense's records by attack and seed."""
    found: dict[str, Cells] = {}
    for record in records:
        header = record.header
        found.setdefault(header.defense, {})[Cell(header.attack, header.seed)] = record
    return found


def over(cells: Cells, figure: Figure) -> Estimate | None:
    """Return a figure of a defense's records, share 0 .. 1, over its seeds; ``None`` where a seed lacks a cell for it.

    With one seed there is no interval.
    """
    values = values_by_seed(cells, figure)
    if values is None:
        return None
    return Estimate(float(np.mean([*values.values()])), *over_seeds([*values.values()], lambda: UNKNOWN))


def over_images(marked: Sequence[Tensor]) -> Estimate:
    """Return the share of each seed's images that are marked, bool ``(n,)``, over the seeds.

    It is the mean of the seeds' shares; with one seed, the interval is Wilson's over the images. No seed may lack
    images.
    """
    values = [metrics.share(of_seed) for of_seed in marked]
    low, high = over_seeds(values, lambda: wilson(float(marked[0].sum()), len(marked[0])))
    return Estimate(sum(values) / len(values), low, high)


def beyond(cells: Cells, reference: Cells, figure: Figure) -> list[float]:
    """Return by how much a defense's figure exceeds another's, in each seed that both have, -1 .. 1."""
    mine, theirs = (values_by_seed(of, figure) or {} for of in (cells, reference))
    return [mine[seed] - theirs[seed] for seed in sorted(mine.keys() & theirs.keys())]


def values_by_seed(cells: Cells, figure: Figure) -> dict[int, float] | None:
    """Return a figure of a defense's records by seed; ``None`` where a seed has none."""
    try:
        found = {seed: figure(cells, seed) for seed in sorted({cell.seed for cell in cells})}
    except KeyError:
        return None
    return None if not found or np.isnan([*found.values()]).any() else found
