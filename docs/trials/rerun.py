"""Asks whether a run with other seeds gives the figures that the published one lets expect.

    python docs/trials/rerun.py PUBLISHED RERUN TRACK > docs/trials/rerun.csv
    python docs/trials/rerun.py PUBLISHED RERUN TRACK counts > docs/trials/rerun_counts.csv

PUBLISHED and RERUN are stores: of the published records, and of a run of the same track with seeds that the published
one does not have; or with the same ones where every training is another, in another precision say. A figure is as
expected where the rerun's mean over R seeds lies within mean ± t·sd·√(1/S + 1/R) of the published one's S seeds.
Figures that no seed of either moves, such as what a naive network rejects, are left out. The second form counts them.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from bench import reporting, suites
from bench.intervals import LEVEL
from bench.records import Record
from bench.store import Store
from leaderboard.arranging import arranged
from leaderboard.cells import RATES, per_seed


def records(store: Path, track: str) -> list[Record]:
    """Return the records of a track's last run under the standard suite."""
    found = reporting.of_last_run(Store(store), track, suites.STANDARD)
    if not found:
        sys.exit(f"{store}: holds no run of '{track}'")
    return arranged(found)


def check(published: list[Record], rerun: list[Record]) -> None:
    """Stop where the runs share a network: that would be no other training."""
    if {record.inputs["victim"] for record in published} & {record.inputs["victim"] for record in rerun}:
        sys.exit("the two runs share a network: give the rerun other seeds, such as --seeds 5-7")


def rows(published: pd.DataFrame, rerun: pd.DataFrame) -> Iterator[list[object]]:
    """Yield every figure of denominator ``all`` that both have, in per cent, with whether it is as expected."""
    names = ["defense", "attack", "denominator"]
    again = rerun.groupby(names, sort=False)
    for cell, group in published.groupby(names, sort=False):
        if cell not in again.groups or cell[-1] != "all":
            continue
        other = again.get_group(cell)
        for rate in RATES:
            values, found = 100 * group[rate].to_numpy(), float(100 * other[rate].mean())
            if np.ptp([*values, *(100 * other[rate])]) == 0:
                continue
            spread = math.sqrt(1 / len(values) + 1 / len(other))
            half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * float(np.std(values, ddof=1)) * spread
            mean = float(np.mean(values))
            within = abs(found - mean) <= half + 1e-9
            yield [*cell[:2], rate, f"{mean:.1f}", f"{half:.1f}", f"{found:.1f}", "yes" if within else "no"]


def counts(figures: pd.DataFrame) -> Iterator[list[object]]:
    """Yield of every defense, and of all, how many figures there are and how many are as expected."""
    for name, group in [*figures.groupby("defense", sort=False), ("all", figures)]:
        within = int((group["within"] == "yes").sum())
        yield [name, len(group), within, f"{100 * within / len(group):.1f}"]


def main() -> None:
    """Print the figures as CSV, or how many of them are as expected."""
    published, rerun = (records(Path(store), sys.argv[3]) for store in sys.argv[1:3])
    check(published, rerun)
    columns = ["defense", "attack", "rate", "published, %", "±", "rerun, %", "within"]
    figures = pd.DataFrame(rows(per_seed(published), per_seed(rerun)), columns=columns)
    out = csv.writer(sys.stdout, lineterminator="\n")
    if sys.argv[4:] == ["counts"]:
        out.writerow(["defense", "figures", "within", "within, %"])
        out.writerows(counts(figures))
    else:
        out.writerow(columns)
        out.writerows(figures.itertuples(index=False))


if __name__ == "__main__":
    main()
