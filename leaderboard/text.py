"""How figures and tables are written for people: per cent with one decimal, Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from bench.intervals import FEWEST_SEEDS
from leaderboard.averages import Estimate

NONE = "–"
"""What stands where there is no figure."""


def percent(share: float | None, decimals: int = 1) -> str:
    """Return a share, 0 .. 1, or a difference of two, in per cent; nothing is no negative zero."""
    return NONE if share is None or math.isnan(share) else f"{100 * share:z.{decimals}f}"


def signed(difference: float) -> str:
    """Return a difference of two shares in points, with its sign, which what rounds to nothing has not."""
    points = f"{100 * difference:+z.1f}"
    return points.removeprefix("+") if float(points) == 0 else points


def distance(value: float) -> str:
    """Return a distance in units of the pixel range."""
    return NONE if math.isnan(value) else f"{value:.3f}"


def with_interval(estimate: Estimate | None, decimals: int = 1) -> str:
    """Return an estimate in per cent with its interval, if it has one, such as ``12.3 [10.1, 14.9]``."""
    if estimate is None:
        return NONE
    value, low, high = (percent(share, decimals) for share in (estimate.value, estimate.low, estimate.high))
    return value if math.isnan(estimate.low) else f"{value} [{low}, {high}]"


def intervals_text(seeds: int) -> str:
    """Return what the intervals of figures over so many seeds are (``bench.intervals.over_seeds``)."""
    if seeds == 1:
        return "95% intervals over the test images: what another training run would change is not in them"
    if seeds < FEWEST_SEEDS:
        return "the range of the two seeds, which is no 95% interval"
    return f"95% intervals over the trainings of {seeds} seeds (Student's t), on the same test images"


def inline(words: str) -> str:
    """Return words from elsewhere on one line, with what Markdown or HTML would act upon made harmless."""
    line = " ".join(words.split())
    for mark in "\\|*`<[":
        line = line.replace(mark, f"\\{mark}")
    return line


def table(frame: pd.DataFrame, words: Sequence[str]) -> str:
    """Return a table of text as Markdown; the columns ``words`` stand to the left, all others to the right.

    The text of a cell is Markdown already.
    """
    sides = ["left" if column in words else "right" for column in frame.columns]
    return str(frame.to_markdown(index=False, disable_numparse=True, colalign=sides))


def section(document: str, heading: str) -> str:
    """Return what stands under a second-level heading of a Markdown document; ``""`` where it has none."""
    lines = document.splitlines()
    if f"## {heading}" not in lines:
        return ""
    rest = lines[lines.index(f"## {heading}") + 1 :]
    end = next((number for number, line in enumerate(rest) if line.startswith("## ")), len(rest))
    return "\n".join(rest[:end]).strip()
