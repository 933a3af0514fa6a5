"""Whether the order of the defenses holds under choices that the paper leaves open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from bench.metrics import DENOMINATORS
from bench.records import Record
from leaderboard.averages import attacks_in_average
from leaderboard.by_seed import averages
from leaderboard.cells import per_seed

SWAPS: Mapping[str, tuple[str, str]] = {
    "DeepFool at overshoot 0.02": ("deepfool", "deepfool_min"),
    "I-FGS with 3 steps": ("ifgs", "ifgs_3"),
    "I-FGS with 10 steps": ("ifgs", "ifgs_10"),
    "I-FGS with 20 steps": ("ifgs", "ifgs_20"),
}
"""Choices of another setting: the attack of the average, and the one, of any suite, that stands in for it."""


def choices(records: Sequence[Record], others: pd.DataFrame) -> pd.DataFrame:
    """Return the average Err, a share, of each ranked defense under each choice: a row a choice, a column a defense.

    ``records`` are arranged; ``others`` are ``per_seed``'s rows of the track's runs under other suites. The mean over
    the seeds that have every attack, NaN where there is none; a choice that no defense has one for is no row.
    """
    cells = pd.concat([per_seed(records), others])
    attacks = attacks_in_average(records)
    ranked = list(dict.fromkeys(record.header.defense for record in records if not record.header.control))
    wanted = {f"of {name.replace('_', ' ')} images": (attacks, name) for name in DENOMINATORS}
    for title, (usual, other) in SWAPS.items():
        wanted[title] = ([other if attack == usual else attack for attack in attacks], DENOMINATORS[0])
    rows = {
        title: [float(averages(cells, defense, of, "err", denominator).mean()) for defense in ranked]
        for title, (of, denominator) in wanted.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=ranked).dropna(how="all")


def order(of_choice: pd.Series[float]) -> list[str]:
    """Return the defenses that have an average from the one that errs least."""
    return [str(name) for name in of_choice.dropna().sort_values(kind="stable").index]
