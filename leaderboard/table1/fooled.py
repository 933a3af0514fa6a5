"""Table I counted over the images that fool the network that they were made on, beside all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from bench.intervals import UNKNOWN, of_one_more, over_seeds
from bench.records import Record
from leaderboard.averages import Estimate, attacks_in_average
from leaderboard.by_seed import averages
from leaderboard.cells import per_seed
from leaderboard.paper import AVERAGE
from leaderboard.table1.beside import Beside
from leaderboard.text import NONE, inline, table, with_interval

FOOLED = "fooled"
"""The denominator, one of ``bench.metrics.DENOMINATORS``."""

SCRIPT = (
    "https://github.com/mahdaneh/Robustness-to-adversarial-examples/blob/"
    "328ea93249d496c558f53b8437f44040bf5f5cd2/GenAdv.py"
)
"""What the paper's authors published later, for another paper."""

READING = (
    "The paper calls adversarial what makes a network err, attacks every image that is classified correctly, and does "
    f"not say whether those count on which an attack fails; [the authors' later script]({SCRIPT}) keeps none of them. "
    "Err, in per cent, of all images handed to the attack, as above, and of those alone that fool the network that "
    "they were made on; in **bold** where the paper's lies outside of what one more run of ours may give."
)


def of_fooled(rows: Sequence[Beside], records: Sequence[Record], names: Mapping[str, str]) -> str:
    """Return the paper's Err beside ours of all images and of those that fool, with what that is, as a table.

    ``rows`` are ``beside``'s of the arranged ``records``. Of one seed the figures of those that fool have no interval.
    """
    cells, attacks = per_seed(records), attacks_in_average(records)
    lines: dict[str, dict[str, str]] = {}
    for row in rows:
        of = attacks if row.attack == AVERAGE else [row.attack]
        if row.rate != "err" or not {*of} <= {*attacks}:
            continue
        found = [*map(float, averages(cells, row.defense, of, "err", FOOLED))]
        line = lines.setdefault(row.attack, {"images": inline(names[row.attack])})
        line[f"{names[row.defense]}: paper"] = row.printed
        line[f"{names[row.defense]}: of all"] = _shown(row)
        line[f"{names[row.defense]}: of those that fool"] = _shown(_counted(row, found)) if found else NONE
    return f"{READING}\n\n{table(pd.DataFrame([*lines.values()]), ('images',))}"


def _counted(row: Beside, of_seeds: Sequence[float]) -> Beside:
    """Return a figure in place of ours, by its value of each seed."""
    ours = Estimate(float(np.mean(of_seeds)), *over_seeds(of_seeds, lambda: UNKNOWN))
    return replace(row, ours=ours, one_more=of_one_more(of_seeds))


def _shown(row: Beside) -> str:
    return f"**{with_interval(row.ours)}**" if row.apart else with_interval(row.ours)
