"""Decides from paired timings whether work has become slower: by more than the timings' own spread explains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

TOLERANCE = 0.05
"""The slowdown, as a share of the time, that is let pass even where it is certain."""

ERRORS = 4.0
"""Standard errors of the median by which it must exceed the tolerance."""

NORMAL = 1.4826
"""The standard deviation of a normal distribution, in median absolute deviations."""

EFFICIENCY = 1.2533
"""The standard error of a median, in those of a mean, for a normal distribution: the square root of π/2."""

FLOOR = 0.004
"""The least spread of the logarithm of a ratio that is believed: a few timings may agree by chance."""


@dataclass(frozen=True)
class Verdict:
    """How many times as long the work takes now: the median of the paired ratios, with ``ERRORS`` errors around it."""

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
    """Return the verdict on timings, in seconds, of which those at the same place were taken beside one another."""
    logarithms = [math.log(new / old) for new, old in zip(now, before, strict=True)]
    middle = median(logarithms)
    deviation = median(abs(value - middle) for value in logarithms)
    spread = max(NORMAL * deviation, FLOOR)
    error = ERRORS * EFFICIENCY * spread / math.sqrt(len(logarithms))
    return Verdict(math.exp(middle), math.exp(middle - error), math.exp(middle + error))
