"""Decides claims by intervals: over differences of two defenses' seeds, or by what one more run may give."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from bench.intervals import FEWEST_SEEDS, Interval, of_one_more
from bench.records import Record
from leaderboard.averages import Estimate
from leaderboard.by_seed import mean_of
from leaderboard.equal_rejection import average_err_at
from leaderboard.figures import beyond, by_defense

EQUAL = "0.05"
"""The share of clean validation images that both reject where they are compared at equal rejection."""

AT_EQUAL = f"where both reject {100 * float(EQUAL):.0f}% of the clean validation images"

Verdict = Literal["holds", "does not hold", "undecided", "not measured", "agrees", "differs"]


@dataclass(frozen=True)
class Claim:
    """A claim, what was measured for it, and how that came out; ``estimate`` in shares, ``None`` if there is none."""

    said: str
    measured: str
    estimate: Estimate | None
    seeds: int
    """Of which there is a figure: of two defenses, those that both have."""
    verdict: Verdict


def between(
    said: str,
    measured: str,
    estimate: Estimate | None,
    seeds: int,
    *,
    above: float = -math.inf,
    below: float = math.inf,
) -> Claim:
    """Return a claim that a number lies between two bounds: decided where all of its interval is on one side.

    Never by fewer than ``FEWEST_SEEDS`` seeds, whose interval may be one of images, or none.
    """
    if estimate is None:
        return Claim(said, measured, None, 0, "not measured")
    verdict: Verdict = "undecided"
    if seeds >= FEWEST_SEEDS and above < estimate.low and estimate.high < below:
        verdict = "holds"
    elif seeds >= FEWEST_SEEDS and (estimate.high < above or estimate.low > below):
        verdict = "does not hold"
    return Claim(said, measured, estimate, seeds, verdict)


def paired(
    said: str, measured: str, differing: Sequence[float], *, above: float = -math.inf, below: float = math.inf
) -> Claim:
    """Return a claim about differences, one for each seed that two defenses share."""
    return between(said, measured, mean_of(differing), len(differing), above=above, below=below)


def sided(said: str, measured: str, differing: Sequence[float], side: str) -> Claim:
    """Return a claim that a difference is ``less`` or ``more`` than nothing."""
    if side == "less":
        return paired(said, measured, differing, below=0.0)
    return paired(said, measured, differing, above=0.0)


def printed(
    said: str,
    measured: str,
    of_seeds: Sequence[float],
    figure: float,
    *,
    one_more: Callable[[Sequence[float]], Interval] = of_one_more,
    rounding: float = 0.0,
) -> Claim:
    """Return a claim that ours is the paper's ``figure``, which is of one run, perhaps rounded by so much.

    It agrees where that lies within what one more run of ours may give, which is the claim's interval.
    """
    if not of_seeds:
        return Claim(said, measured, None, 0, "not measured")
    low, high = one_more(of_seeds)
    verdict: Verdict = "undecided"
    if len(of_seeds) >= FEWEST_SEEDS:
        verdict = "agrees" if low <= figure + rounding and figure - rounding <= high else "differs"
    after = f"{measured}, one more run after {len(of_seeds)}"
    return Claim(said, after, Estimate(float(np.mean(of_seeds)), low, high), len(of_seeds), verdict)


def at_equal_rejection(records: Sequence[Record], one: str, other: str, attacks: Sequence[str]) -> list[float]:
    """Return by how much a defense's Err exceeds another's where both reject as many, in each seed that both have."""
    cells = by_defense(records)
    return beyond(cells.get(one, {}), cells.get(other, {}), partial(average_err_at, attacks=attacks, rate=EQUAL))
