"""Draws Table I: Err under each attack, the paper's and ours, and the order under other choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from leaderboard import drawing
from leaderboard.paper import AVERAGE
from leaderboard.table1.beside import Beside
from leaderboard.table1.stability import Choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 12.0, 4.2  # inches, of a track
APART = 0.22  # between two defenses of an attack, where attacks are 1 apart
COLOURS = 10  # of matplotlib's cycle
LINES = ("-", "--", ":", "-.")  # where the colours come round again


def figure(
    rows: Mapping[str, Sequence[Beside]], orders: Mapping[str, Sequence[Choice]], names: Mapping[str, str]
) -> bytes:
    """Return a PNG with a row for each track; ``names`` is what tracks, defenses and attacks are called."""
    drawn = drawing.empty(WIDTH, HEIGHT * len(rows))
    panels = drawn.subplots(len(rows), 2, squeeze=False, width_ratios=(3, 2))
    for (left, right), (track, cells) in zip(panels, rows.items(), strict=True):
        _attacks(left, [cell for cell in cells if cell.rate == "err"], names)
        _choices(right, orders[track], names)
        left.set_title(names.get(track, track))
        right.set_title("average Err under other choices")
    return drawing.png(drawn)


def _attacks(axes: Axes, cells: Sequence[Beside], names: Mapping[str, str]) -> None:
    """Draw Err: ours with its interval, the paper's as a hollow mark beside it."""
    attacks = list(dict.fromkeys(cell.attack for cell in cells))
    defenses = list(dict.fromkeys(cell.defense for cell in cells))
    for number, defense in enumerate(defenses):
        own = [cell for cell in cells if cell.defense == defense]
        places = [attacks.index(cell.attack) + (number - (len(defenses) - 1) / 2) * APART for cell in own]
        values = [100 * cell.ours.value for cell in own]
        reach = [
            [max(0.0, value - 100 * cell.ours.low) for cell, value in zip(own, values, strict=True)],
            [max(0.0, 100 * cell.ours.high - value) for cell, value in zip(own, values, strict=True)],
        ]
        colour = f"C{number}"
        label = names.get(defense, defense)
        axes.errorbar(places, values, yerr=reach, fmt="o", color=colour, capsize=3, label=f"{label}, ours")
        beside = [place + APART / 3 for place in places]
        axes.plot(beside, [100 * cell.paper for cell in own], "D", mfc="none", color=colour, label=f"{label}, paper")
    shown = ["average" if attack == AVERAGE else names.get(attack, attack) for attack in attacks]
    axes.set_xticks(range(len(attacks)), shown)
    axes.set_ylabel("Err, %")
    axes.set_ylim(-3, 103)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small", frameon=False, ncols=len(defenses), loc="upper center", bbox_to_anchor=(0.5, -0.1))


def _choices(axes: Axes, found: Sequence[Choice], names: Mapping[str, str]) -> None:
    """Draw a line for each defense over the choices; where lines cross, the order changes."""
    averages = pd.DataFrame.from_dict({choice.title: choice.averages for choice in found}, orient="index")
    places = range(len(averages))
    for number, defense in enumerate(averages.columns):
        colour, line = f"C{number % COLOURS}", LINES[number // COLOURS % len(LINES)]
        label = names.get(defense, defense)
        axes.plot(places, 100 * averages[defense], marker="o", color=colour, linestyle=line, label=label)
    axes.set_ylabel("average Err, %")
    axes.set_xticks(places, [title.replace(" at ", "\nat ").replace(" images", "\nimages") for title in averages.index])
    axes.set_ylim(-3, 103)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small", frameon=False, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.17))
