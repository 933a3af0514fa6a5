"""What other settings of an attack than those of the table move: the same defenses under them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from leaderboard import paper
from leaderboard.arranging import seeds_text
from leaderboard.averages import estimate
from leaderboard.cells import across_seeds
from leaderboard.ranking import NAIVE
from leaderboard.table1.beside import FAR, Beside
from leaderboard.text import distance, inline, percent, table, with_interval

WIDE = 0.5
"""The width, as a share, beyond which what one more run may give could hardly have left the paper's figure out."""


def settings(cells: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return each attack of other suites, its success on the network that it was made on, and Err, as a table.

    ``cells`` is ``per_seed``'s of those suites. A defense with other or fewer seeds than a row says so in its cell.
    """
    lines, across = [], across_seeds(cells)
    used = cells[(cells["denominator"] == "all") & (cells["n"] > 0)]
    of_cells = {key: tuple(seeds) for key, seeds in used.groupby(["attack", "defense"])["seed"]}
    for attack in dict.fromkeys(across["attack"]):
        rows = across[(across["attack"] == attack) & (across["denominator"] == "all")]
        most = rows[rows["seeds"] == rows["seeds"].max()].iloc[0]
        line = {
            "images": inline(names[attack]),
            "seeds": str(most["seeds"]),
            "source Err": percent(most["source_err"]),
            "reached κ": percent(most["reached_kappa"]),
            "L2": distance(most["median_l2"]),
        }
        for name in dict.fromkeys(across["defense"]):
            err = with_interval(estimate(rows, name, attack, "err"))
            own = _lacking(of_cells.get((attack, name), ()), of_cells.get((attack, str(most["defense"])), ()))
            line[f"Err of {inline(names[name])}"] = err + own
        lines.append(line)
    return table(pd.DataFrame(lines), ("images",)) if lines else "Not measured."


def _lacking(own: Sequence[int], most: Sequence[int]) -> str:
    """Return what stands behind a figure: of how many of the row's seeds it is, or of which others; nothing of none."""
    if not own or own == most:
        return ""
    return f", of {len(own)}" if {*own} <= {*most} else f", of {seeds_text(own)}"


def reaching(row: Beside, across: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return, in words, the other settings of a figure's attack under which ours passes the paper's; empty if none.

    An attack's other settings are called after it: ``cw_0`` is one of ``cw``. One under which the naive network errs
    far from what the paper has of it is none that the paper can have used.
    """
    found = []
    for attack in dict.fromkeys(across["attack"]):
        ours, naive = estimate(across, row.defense, attack, row.rate), estimate(across, NAIVE, attack, "err")
        if not attack.startswith(f"{row.attack}_") or ours is None or naive is None:
            continue
        low, high = sorted((row.ours.value, ours.value))
        if low <= row.paper <= high and abs(naive.value - paper_err(row, NAIVE)) <= FAR:
            found.append(f"{inline(names[attack])}: {100 * ours.value:.1f}")
    return f"the paper's lies between ours here and under another setting ({'; '.join(found)})" if found else ""


def paper_err(row: Beside, defense: str) -> float:
    """Return the Err, a share, that the paper has of a defense under a figure's attack."""
    return float(paper.column(paper.column_of(row.track))[defense, row.attack].err) / 100


def cause(row: Beside, across: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return what is known of why a figure lies far from the paper's."""
    low, high = row.one_more
    known = [f"one more run of ours may give as much ({100 * low:.0f} to {100 * high:.0f})"] if row.within else []
    if row.within and high - low > WIDE:
        known = [f"{known[0]}, but so wide an interval leaves hardly any figure out and tells little"]
    moved = reaching(row, across, names)
    known += [moved] if moved else []
    if math.isnan(low):
        known.append("fewer than three seeds do not tell what one more run of ours may give")
    return "; ".join(known if row.within or moved else ["we do not know", *known])
