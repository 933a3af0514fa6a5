"""Writes the leaderboard as CSV, for programs: one row a defense, shares as fractions, marks in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from leaderboard.arranging import lacking_text
from leaderboard.averages import Estimate
from leaderboard.cells import to_csv
from leaderboard.ranking import Standing

UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def board_csv(rows: Sequence[Standing], most: Sequence[int]) -> bytes:
    """Return ``every_row``'s rows as CSV, in their order; ``most`` are the seeds of those that rank.

    A rank or a figure that does not exist is empty; ``marks`` are words with semicolons between them.
    """
    frame = pd.DataFrame([_row(row, most) for row in rows])
    return to_csv(frame.astype({"rank": "Int64"}))


def marks(row: Standing, most: Sequence[int]) -> list[str]:
    """Return in words what a reader must know of a row that has no rank, ranks last or was trained on more."""
    said = {
        "control": row.control,
        f"{lacking_text([row.seeds], most)} seeds than others": {*row.seeds} != {*most},
        "incomplete": not row.complete,
        "below the accuracy floor": row.below_floor,
        "weakly attacked": row.weakly_attacked,
        "trained on adversarial images": row.sees_attacks,
        "trained on out-distribution images": row.sees_out,
    }
    return [words for words, holds in said.items() if holds]


def _row(row: Standing, most: Sequence[int]) -> dict[str, object]:
    rates = {
        "average_err": row.average,
        "average_rej": row.average_rej,
        "average_acc": row.average_acc,
        "worst_case_err": row.worst_case,
        "clean_acc": row.clean_acc,
        "clean_rej": row.clean_rej,
    }
    rates |= {f"rej_{out.removeprefix('out:')}": rej for out, rej in row.out_rej.items()}
    figures: dict[str, object] = {"rank": row.rank, "defense": row.defense, "title": row.title}
    for name, found in rates.items():
        shown = found or UNKNOWN
        figures |= {name: shown.value, f"{name}_low": shown.low, f"{name}_high": shown.high}
        if name == "average_err":
            figures["average_err_other_images"] = math.nan if row.other_images is None else row.other_images
    return figures | {"seeds": len(row.seeds), "marks": "; ".join(marks(row, most))}
