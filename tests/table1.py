"""Table I's page by its parts, and figures by seed from the stored predictions, with what intervals they give."""

import math
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from scipy.stats import t

from tests.again import PUBLISHED, Again
from tests.reading import sections

ROWS = ("naive", "ood", "ood_interp")
ATTACKS = ("fgs", "ifgs", "tfgs", "deepfool", "cw")
DECIDE = 3  # seeds, the fewest that decide a claim
DROP, SAFE = 0.04, {"mnist": 0.95, "cifar10": 0.75}

Values = dict[int, float]
"""A figure by seed."""

each_track = pytest.mark.parametrize("track", SAFE)


def parts(track: str) -> dict[str, str]:
    """Return what the page says of a track, by heading."""
    text = (PUBLISHED / "table1.md").read_text(encoding="utf-8")
    (part,) = (part for part in sections(text, "##").values() if f"({track}.md)" in part)
    return sections(part, "###")


def of(found: Again, defense: str, rate: str, attacks: Sequence[str], denominator: str = "all") -> Values:
    """Return a rate's mean over attacks by seed, of those seeds that have them all."""
    cells = {seed: [found.cells.get((defense, a, denominator, seed)) for a in attacks] for seed in found.seeds}
    whole = {seed: [each[rate] for each in of_seed if each] for seed, of_seed in cells.items()}
    return {seed: float(np.mean(each)) for seed, each in whole.items() if len(each) == len(attacks)}


def differing(found: Again, one: str, other: str, rate: str, attacks: Sequence[str] = ATTACKS) -> Values:
    return less(of(found, one, rate, attacks), of(found, other, rate, attacks))


def less(one: Values, other: Values) -> Values:
    return {seed: one[seed] - other[seed] for seed in one.keys() & other.keys()}


def reach(values: Iterable[float], errors: Callable[[int], float]) -> tuple[float, ...]:
    """Return the mean of seeds' values and the ends of an interval by Student's t, if there are enough for one."""
    each = [*values]
    if len(each) < DECIDE:
        return (float(np.mean(each)),)
    half = t.ppf(0.975, len(each) - 1) * np.std(each, ddof=1) * errors(len(each))
    return (float(np.mean(each)), float(np.mean(each) - half), float(np.mean(each) + half))


def of_mean(seeds: int) -> float:
    return math.sqrt(1 / seeds)


def one_more(seeds: int) -> float:
    return math.sqrt(1 + 1 / seeds)


def says(text: str, values: Sequence[float]) -> bool:
    """Whether a cell shows a mean and its interval, which may be below zero."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", text)]
    return len(numbers) == len(values) and all(
        abs(number - 100 * value) < 0.0501 for number, value in zip(numbers, values, strict=True)
    )
