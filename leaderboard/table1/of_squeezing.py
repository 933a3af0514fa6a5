"""What the paper says of +OOD+interp beside feature squeezing: claims about their Err."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.records import Record
from leaderboard.by_seed import averages, differences
from leaderboard.paper import INTERP
from leaderboard.table1.deciding import AT_EQUAL, Claim, at_equal_rejection, sided
from leaderboard.text import percent

SQUEEZING = "feature_squeezing"

BESIDE: Sequence[tuple[str, tuple[str, ...], str, frozenset[str]]] = (
    ("lower error than feature squeezing, averaged over {}", ("fgs", "ifgs", "deepfool"), "less", frozenset()),
    ("higher error than feature squeezing on {}", ("fgs",), "more", frozenset({"mnist"})),
    ("higher error than feature squeezing on {}", ("cw",), "more", frozenset()),
)
"""What is said: of which attacks, how Err differs, and of which of the paper's columns; none is all."""


def of_squeezing(records: Sequence[Record], cells: pd.DataFrame, column: str) -> list[Claim]:
    """Return the claims about a column, at the thresholds of each and at equal rejection."""
    ours, theirs = (averages(cells, name, ["clean"], "rej") for name in (INTERP, SQUEEZING))
    shared = ours.index.intersection(theirs.index)
    own = " and ".join(percent(float(rejected[shared].mean())) for rejected in (ours, theirs))  # a dash: not run
    measured = "Err minus feature squeezing's"
    found = []
    for claimed, attacks, side, columns in BESIDE:
        if columns and column not in columns:
            continue
        said = claimed.format(", ".join(_called(records, attack) for attack in attacks))
        at_own = differences(cells, INTERP, SQUEEZING, attacks, "err")
        found.append(sided(said, f"{measured}, where they reject {own}% of the clean images", at_own, side))
        at_equal = at_equal_rejection(records, INTERP, SQUEEZING, attacks)
        found.append(sided(said, f"{measured}, {AT_EQUAL}", at_equal, side))
    return found


def _called(records: Sequence[Record], attack: str) -> str:
    return next((r.header.attack_title for r in records if r.header.attack == attack), attack)
