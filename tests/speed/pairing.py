"""Decides from paired timings whether work has become slower: by more than the timings' own spread explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

TOLERANCE = 0.05
"""The slowdown, as a share of the time, that is let pass even where it is certain."""

ALARM = 5e-4
"""The chance that the true median lies below the interval, and that it lies above, whatever the timings' noise is."""

LEAST = math.ceil(-math.log2(ALARM))
"""Pairs without which nothing is certain: with fewer, all of them may lie on one side by chance."""


@dataclass(frozen=True)
class Verdict:
    """How many times as long the work takes now: the median of the paired ratios, and its interval."""

    ratio: float
    low: float
    high: float

    @property
    def slower(self) -> bool:
        """Whether the work is slower for certain, by more than is let pass."""
        return self.low > 1 + TOLERANCE

    @property
    def undecided(self) -> bool:
        """Whether more timings could find the work slower."""
        return not self.slower and self.ratio > 1 + TOLERANCE


def verdict(now: Sequence[float], before: Sequence[float]) -> Verdict:
    """Return the verdict on timings, in seconds, of which those at the same place were taken beside one another.

    The interval is that of the sign test: of its ends as many ratios lie outside as fair coins would show heads, with
    the chance ``ALARM`` at most. It asks nothing of the noise but that old and new have the same.
    """
    ratios = sorted(new / old for new, old in zip(now, before, strict=True))
    count = len(ratios)
    if count < LEAST:
        return Verdict(median(ratios), 0.0, math.inf)
    outside = 0
    while sum(math.comb(count, heads) for heads in range(outside + 2)) <= ALARM * 2**count:
        outside += 1
    return Verdict(median(ratios), ratios[outside], ratios[-1 - outside])
