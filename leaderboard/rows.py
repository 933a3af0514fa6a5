"""Builds the leaderboard's rows as text: for the terminal, the Markdown table, and the controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from bench.records import OUT_SET
from leaderboard.paper import AVERAGE, PaperCell
from leaderboard.ranking import Standing
from leaderboard.text import NONE, with_interval

BELOW = "†"
"""The mark of a row below the accuracy floor."""

ATTACKED = "‡"
"""The mark of a row that was trained on adversarial images."""

WEAKLY = "§"
"""The mark of a row that an attack of the average is weak against."""

SEEN = "(seen)"
"""What stands behind the Rej of a row on an out-distribution set that it was trained on other images of."""


def leaderboard_rows(rows: Sequence[Standing]) -> pd.DataFrame:
    """Return standings as a table of text, rates in per cent with their intervals."""
    return pd.DataFrame(
        [
            {
                "rank": _rank(row),
                "defense": row.title,
                "average Err": "incomplete" if row.average is None else with_interval(row.average),
                "average Rej": with_interval(row.average_rej),
                "average Acc": with_interval(row.average_acc),
                "clean Acc": with_interval(row.clean_acc),
                "clean Rej": with_interval(row.clean_rej),
                **{f"Rej on {out}": _rejected(row, out) for out in map(_set, row.out_rej)},
            }
            for row in rows
        ]
    )


def paper_averages(rows: Sequence[Standing], paper: Mapping[tuple[str, str], PaperCell]) -> list[str]:
    """Return the paper's average Err beside every row."""
    return [paper[row.defense, AVERAGE].err if (row.defense, AVERAGE) in paper else NONE for row in rows]


def _set(attack: str) -> str:
    return attack.removeprefix(OUT_SET)


def _rejected(row: Standing, out: str) -> str:
    """Return what a row rejects of an out-distribution set, with the mark if it was trained on others of that set."""
    rej = with_interval(row.out_rej[OUT_SET + out])
    return f"{rej} {SEEN}" if out in row.seen else rej


def _rank(row: Standing) -> str:
    if row.control:
        return "control"
    marks = {BELOW: row.below_floor, ATTACKED: row.sees_attacks, WEAKLY: row.weakly_attacked}
    return " ".join([NONE if row.rank is None else str(row.rank), *(mark for mark, has in marks.items() if has)])
