"""Draws Table I: Err under each attack, the paper's and ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from leaderboard import drawing
from leaderboard.looks import looks
from leaderboard.paper import AVERAGE
from leaderboard.table1.beside import Beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 8.0, 4.2  # inches, of a track
APART = 0.22  # between two defenses of an attack, where attacks are 1 apart


def figure(rows: Mapping[str, Sequence[Beside]], names: Mapping[str, str]) -> bytes:
    """Return a PNG with a row for each track; ``names`` is what tracks, defenses and attacks are called."""
    drawn = drawing.empty(WIDTH, HEIGHT * len(rows))
    panels = drawn.subplots(len(rows), 1, squeeze=False)
    for axes, (track, cells) in zip(panels[:, 0], rows.items(), strict=True):
        _attacks(axes, [cell for cell in cells if cell.rate == "err"], names)
        axes.set_title(names.get(track, track))
    return drawing.png(drawn)


def _attacks(axes: Axes, cells: Sequence[Beside], names: Mapping[str, str]) -> None:
    """Draw Err: ours with its interval, the paper's as a hollow mark beside it."""
    attacks = list(dict.fromkeys(cell.attack for cell in cells))
    defenses = list(dict.fromkeys(cell.defense for cell in cells))
    of_defenses = looks(defenses)
    for number, defense in enumerate(defenses):
        own = [cell for cell in cells if cell.defense == defense]
        places = [attacks.index(cell.attack) + (number - (len(defenses) - 1) / 2) * APART for cell in own]
        values = [100 * cell.ours.value for cell in own]
        reach = [
            [max(0.0, value - 100 * cell.ours.low) for cell, value in zip(own, values, strict=True)],
            [max(0.0, 100 * cell.ours.high - value) for cell, value in zip(own, values, strict=True)],
        ]
        colour = of_defenses[defense].colour
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
