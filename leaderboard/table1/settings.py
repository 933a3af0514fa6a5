"""What the settings that the paper leaves open move: the same defenses under an attack's other settings."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from leaderboard.averages import estimate
from leaderboard.table1.beside import Beside
from leaderboard.text import inline, table, with_interval


def settings(across: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return Err under each attack of other suites as a table; ``across`` is ``across_seeds``'s of those suites."""
    lines = [
        {
            "images": inline(names[attack]),
            "seeds": str(int(across[across["attack"] == attack]["seeds"].max())),
            **{
                inline(names[defense]): with_interval(estimate(across, defense, attack, "err"))
                for defense in dict.fromkeys(across["defense"])
            },
        }
        for attack in dict.fromkeys(across["attack"])
    ]
    return table(pd.DataFrame(lines), ("images",)) if lines else "Not measured."


def reaching(row: Beside, across: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return, in words, the other settings of a figure's attack under which ours passes the paper's; empty if none.

    An attack's other settings are called after it: ``cw_0`` is one of ``cw``.
    """
    found = []
    for attack in dict.fromkeys(across["attack"]):
        ours = estimate(across, row.defense, attack, row.rate)
        if not attack.startswith(f"{row.attack}_") or ours is None:
            continue
        low, high = sorted((row.ours.value, ours.value))
        if low <= row.paper <= high:
            found.append(f"{inline(names[attack])}: {100 * ours.value:.1f}")
    return f"the paper's lies between ours here and under other settings ({'; '.join(found)})" if found else ""


def cause(row: Beside, across: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return what is known of why a figure lies far from the paper's."""
    known = ["differs as much from training to training"] if row.spanned else []
    moved = reaching(row, across, names)
    return "; ".join([*known, *([moved] if moved else [])]) or "we do not know"
