"""Draws Err, or Rej, by the value of a parameter: ``<name>.sweep.png``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leaderboard import drawing
from leaderboard.arranging import titles
from leaderboard.averages import estimate
from leaderboard.looks import GREY, in_colour
from leaderboard.parts import Part
from leaderboard.sweeps import Sweep

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 5.5, 5.2  # inches, of a panel
COLUMNS = 2  # of the legend, for each panel
DECADE = 10  # times the least value, from which on an axis is logarithmic


def sweep_png(part: Part, found: Sequence[Sweep]) -> bytes:
    """Return a PNG with a panel for each sweep: the paper's defenses, the best of the others, the rest in grey.

    Means over the seeds. The best are the first of the leaderboard; controls are not drawn.
    """
    return drawing.png(sweep_figure(part, found))


def sweep_figure(part: Part, found: Sequence[Sweep]) -> Figure:
    """Return the figure that ``sweep_png`` is a PNG of."""
    drawn = drawing.empty(WIDTH * len(found), HEIGHT)
    names = titles(part.records)
    chosen, rest = in_colour([row.defense for row in part.rows if row.complete and not row.control])
    for axes, sweep in zip(drawn.subplots(1, len(found), squeeze=False)[0], found, strict=True):
        for defense in [*chosen, *rest]:
            cells = [estimate(part.across, defense, attack, sweep.rate) for attack in sweep.attacks]
            shares = [float("nan") if cell is None else 100 * cell.value for cell in cells]
            label = f"{len(rest)} others" if rest and defense == rest[0] else names[defense]
            (line,) = axes.plot(sweep.values, shares, label=label)
            if defense in chosen:
                look = chosen[defense]
                line.set(color=look.colour, linewidth=look.width, marker=look.mark, markersize=5)
            else:
                line.set(**GREY)
        if sweep.values[0] > 0 and sweep.values[-1] >= DECADE * sweep.values[0]:
            axes.set_xscale("log")
        axes.set_xticks(sweep.values, [f"{value:g}" for value in sweep.values])
        axes.minorticks_off()
        axes.set(title=f"{sweep.title}, {sweep.made_on}", xlabel=sweep.symbol)
        axes.set(ylabel=f"{sweep.rate.title()}, %", ylim=(-3, 103))
        axes.grid(alpha=0.3)
    if chosen:
        lines = drawn.axes[0].lines[: len(chosen) + bool(rest)]
        columns = COLUMNS * len(found)
        drawn.legend(handles=lines, loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
    return drawn
