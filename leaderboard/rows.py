"""Builds the leaderboard's rows as text: for the terminal, the Markdown table, and the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from leaderboard.paper import AVERAGE, PaperCell
from leaderboard.ranking import Standing
from leaderboard.text import NONE, with_interval

BELOW = "†"
"""The mark of a row below the accuracy floor."""

ATTACKED = "‡"
"""The mark of a row that was trained on adversarial images."""

SEEN = "(seen)"
"""What stands behind the name of an out-distribution set whose training images defenses were handed."""


def leaderboard_rows(rows: Sequence[Standing], seen: Sequence[str]) -> pd.DataFrame:
    """Return standings as a table of text, rates in per cent with their intervals; ``seen`` are ``seen_sets``."""
    return pd.DataFrame(
        [
            {
                "rank": _rank(row),
                "defense": row.title,
                "average Err": "incomplete" if row.average is None else with_interval(row.average),
                "clean Acc": with_interval(row.clean_acc),
                "clean Rej": with_interval(row.clean_rej),
                **{_on(out.removeprefix("out:"), seen): with_interval(rej) for out, rej in row.out_rej.items()},
            }
            for row in rows
        ]
    )


def paper_averages(rows: Sequence[Standing], paper: Mapping[tuple[str, str], PaperCell]) -> list[str]:
    """Return the paper's average Err beside every row."""
    return [paper[row.defense, AVERAGE].err if (row.defense, AVERAGE) in paper else NONE for row in rows]


def _on(out: str, seen: Sequence[str]) -> str:
    return f"Rej on {out} {SEEN}" if out in seen else f"Rej on {out}"


def _rank(row: Standing) -> str:
    if row.control:
        return "control"
    marks = [mark for mark, has in ((BELOW, row.below_floor), (ATTACKED, row.sees_attacks)) if has]
    return " ".join([NONE if row.rank is None else str(row.rank), *marks])
