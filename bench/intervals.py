"""Intervals: what the choice of images and of seeds leaves open about a rate or an average of rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench import seeding

LEVEL = 0.95
"""The share of repetitions in which an interval is meant to hold the true value."""

FEWEST_SEEDS = 3
"""The fewest seeds that have Student's t: fewer do not tell what another training might give."""


class Interval(NamedTuple):
    """The two ends of an interval: of a share, ``0 <= low <= high <= 1``, or a difference; NaN where it is unknown."""

    low: float
    high: float


@dataclass(frozen=True)
class Outcomes:
    """What one attack's images came to: ``index`` int ``(n,)`` of the source image, ``wrong`` bool ``(n,)``."""

    index: NDArray[np.int64]
    wrong: NDArray[np.bool_]


UNKNOWN = Interval(math.nan, math.nan)


def wilson(successes: float, n: int) -> Interval:
    """Return Wilson's score interval of a share of which ``successes`` of ``n`` independent trials were seen.

    NaN where ``n`` is 0. Source: E. B. Wilson, "Probable inference", JASA 22 (1927).
    """
    if n == 0:
        return UNKNOWN
    share = successes / n
    z = float(stats.norm.ppf((1 + LEVEL) / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At 0 and 1 an end is the share itself; rounding must not put it beyond.
    return Interval(max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share)))


def over_seeds(values: Sequence[float], of_one: Callable[[], Interval]) -> Interval:
    """Return the interval of the mean of a share's values, one a seed.

    One seed: what ``of_one`` returns, an interval over its images. Two: their range. Three or more: Student's t over
    the seeds, mean ± t·sd/√S, clipped to [0, 1]. NaN where there are no values.
    """
    if not values:
        return UNKNOWN
    if len(values) == 1:
        return of_one()
    if len(values) == 2:  # noqa: PLR2004 two values have a range and no usable spread
        return Interval(min(values), max(values))
    low, high = of_difference(values)
    return Interval(max(0.0, low), min(1.0, high))


def of_difference(values: Sequence[float]) -> Interval:
    """Return the interval of the mean of differences of shares, -1 .. 1, one a seed: Student's t, mean ± t·sd/√S.

    NaN where there are fewer than three: two trainings have no usable spread.
    """
    return _student(values, math.sqrt(1 / max(len(values), 1)))


def of_one_more(values: Sequence[float]) -> Interval:
    """Return the interval that holds a share's value in one more run: mean ± t·sd·√(1 + 1/S) of S values, one a seed.

    Clipped to [0, 1]; NaN where there are fewer than three values.
    """
    low, high = of_one_more_difference(values)
    return Interval(max(low, 0.0), min(high, 1.0))


def of_one_more_difference(values: Sequence[float]) -> Interval:
    """Return the same of a difference of shares, -1 .. 1, which is not clipped."""
    return _student(values, math.sqrt(1 + 1 / max(len(values), 1)))


def of_mean(values: NDArray[np.float64]) -> Interval:
    """Return the normal interval of the mean of many independent values ``(n,)``: mean ± z·sd/√n; NaN of none."""
    if not len(values):
        return UNKNOWN
    mean, half = float(values.mean()), float(stats.norm.ppf((1 + LEVEL) / 2) * values.std() / math.sqrt(len(values)))
    return Interval(mean - half, mean + half)


def _student(values: Sequence[float], errors: float) -> Interval:
    """Return mean ± t·sd·``errors`` of values, one a seed; NaN where there are fewer than three."""
    if len(values) < FEWEST_SEEDS:
        return UNKNOWN
    mean = float(np.mean(values))
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * float(np.std(values, ddof=1)) * errors
    return Interval(mean - half, mean + half)


def clustered_bootstrap(attacks: Sequence[Outcomes], draws: int = 2000) -> Interval:
    """Return the percentile interval of the unweighted mean over attacks of the share of images gone wrong.

    Source images are resampled, not rows: an image that several attacks start from, or one attack twice, is drawn
    with all that came of it. The stream of draws is fixed, so equal outcomes give equal intervals. Draws in which
    some attack has no image are left out. Of an attack under which nothing or everything went wrong resampling shows no
    spread: how far Wilson's interval over its source images reaches is added, for all such attacks together, to the
    percentiles' reach, as independent errors add. NaN where an attack has no image.
    """
    if not attacks or any(len(attack.index) == 0 for attack in attacks):
        return UNKNOWN
    estimate = float(np.mean([np.mean(attack.wrong) for attack in attacks]))
    drawn, without_spread = percentiles(attacks, draws), reach_without_spread(attacks)
    # A skewed handful of images can put the estimate outside its own percentiles: these reach nowhere on that side.
    below = math.hypot(max(estimate - drawn.low, 0.0), without_spread.low)
    above = math.hypot(max(drawn.high - estimate, 0.0), without_spread.high)
    return Interval(max(estimate - below, 0.0), min(estimate + above, 1.0))


def percentiles(attacks: Sequence[Outcomes], draws: int) -> Interval:
    """Return the percentiles of the mean over attacks when source images are resampled ``draws`` times."""
    table = per_source_image(attacks)
    # Source images with the same outcomes are exchangeable: drawing how often each kind of outcome comes up is drawing
    # images, and there are a few dozen kinds where there are thousands of images.
    kinds, counts = np.unique(table, axis=0, return_counts=True)
    stream = np.random.default_rng(seeding.derive("", "interval", "bootstrap", 0))
    weights = stream.multinomial(len(table), counts / len(table), size=draws)
    drawn = weights.astype(np.float64) @ kinds  # whole numbers all the same, multiplied far faster
    images, wrong = drawn[:, : len(attacks)], drawn[:, len(attacks) :]
    usable = (images > 0).all(axis=1)
    means = (wrong[usable] / images[usable]).mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def reach_without_spread(attacks: Sequence[Outcomes]) -> Interval:
    """Return how far down and up the mean over attacks may lie for those under which nothing or everything went wrong.

    They share source images, so what they leave open adds up.
    """
    low, high = 0.0, 0.0
    for attack in attacks:
        share = float(np.mean(attack.wrong))
        if share in {0.0, 1.0}:
            images = len(np.unique(attack.index))
            of_one = wilson(share * images, images)
            low, high = low + share - of_one.low, high + of_one.high - share
    return Interval(low / len(attacks), high / len(attacks))


def per_source_image(attacks: Sequence[Outcomes]) -> NDArray[np.int64]:
    """Return how many images each attack made of every source image, and how many went wrong: ``(sources, 2·attacks)``.

    The first half of the columns counts images, the second half wrong ones.
    """
    sources = np.unique(np.concatenate([attack.index for attack in attacks]))
    rows = [np.searchsorted(sources, attack.index) for attack in attacks]
    made = [np.bincount(row, minlength=len(sources)) for row in rows]
    wrong = [np.bincount(row[attack.wrong], minlength=len(sources)) for row, attack in zip(rows, attacks, strict=True)]
    return np.stack([*made, *wrong], axis=1).astype(np.int64)
