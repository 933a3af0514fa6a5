"""Draws the order of the defenses under each choice that the paper leaves open: ``table1-order.png``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from leaderboard import drawing
from leaderboard.table1.stability import Choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, AROUND, ROW = 9.0, 1.3, 0.32  # inches: of the figure, of a track's title and axis, of a defense
APART = 0.09  # between two choices of a defense, where defenses are 1 apart
MARKS = "osD^vPX"


def order_figure(
    found: Mapping[str, Sequence[Choice]], titles: Mapping[str, str], names: Mapping[str, Mapping[str, str]]
) -> bytes:
    """Return a PNG with a panel for each track; ``titles`` is what tracks are called, ``names`` what their rows are."""
    rows = {track: in_rows(of_track) for track, of_track in found.items()}
    heights = [AROUND + ROW * len(defenses) for defenses in rows.values()]
    drawn = drawing.empty(WIDTH, sum(heights))
    panels = drawn.subplots(len(rows), 1, squeeze=False, height_ratios=heights)
    for axes, (track, defenses) in zip(panels[:, 0], rows.items(), strict=True):
        _choices(axes, found[track], defenses)
        axes.set_yticks(range(len(defenses)), [names[track][name] for name in defenses])
        axes.set_title(titles[track])
    return drawing.png(drawn)


def in_rows(found: Sequence[Choice]) -> list[str]:
    """Return the defenses by the order of the first choice; those that only others have follow."""
    return list(dict.fromkeys(name for choice in found for name in choice.order))


def _choices(axes: Axes, found: Sequence[Choice], defenses: Sequence[str]) -> None:
    """Draw a line for each choice from defense to defense; where it turns back, the order is another."""
    for number, choice in enumerate(found):
        rows = [row for row, name in enumerate(defenses) if name in choice.averages]
        places = [row + (number - (len(found) - 1) / 2) * APART for row in rows]
        values = [100 * choice.averages[defenses[row]] for row in rows]
        mark = MARKS[number % len(MARKS)]
        axes.plot(values, places, marker=mark, markersize=4, linewidth=0.8, label=choice.title)
    axes.set_xlabel("average Err, %")
    axes.set_xlim(-3, 103)
    axes.set_ylim(len(defenses) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    if found:
        axes.legend(fontsize="small", frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
