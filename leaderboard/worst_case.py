"""What an attacker reaches who takes, for every image, whichever attack works."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from torch import Tensor

from bench import metrics
from bench.records import Record
from leaderboard.arranging import titles
from leaderboard.attack_sections import attack_headers
from leaderboard.averages import Estimate, attacks_in_average
from leaderboard.figures import Cell, Cells, by_defense, over_images
from leaderboard.text import NONE, inline, percent, table, with_interval

MEANT = (
    "Of the source images that every attack of the average was handed, the share of which at least one of them made an "
    "error, in per cent, at each defense's own threshold; beside it the Err on these images of the attack that has "
    "the largest. Of an attack with several targets, one that works suffices. Images are counted once for every seed. "
    "From the least."
)


@dataclass(frozen=True)
class WorstCase:
    """Over the source ``images`` that every attack was handed, counted once for every seed."""

    images: int
    err: Estimate
    """Share of which at least one attack made an error."""
    strongest: str
    """The attack that makes the most errors of these images."""
    err_of_strongest: float


def worst_case(cells: Cells, attacks: Sequence[str]) -> WorstCase | None:
    """Return the worst case over attacks of a defense's records; ``None`` where a cell or an image for it is missing.

    Over several seeds, shares are means of the seeds'; with one, the interval is Wilson's over the images.
    """
    seeds = sorted({cell.seed for cell in cells})
    wanted = [[Cell(attack, seed) for attack in attacks] for seed in seeds]
    if not attacks or any(cell not in cells for of_seed in wanted for cell in of_seed):
        return None
    tables = [metrics.met_by_source([_outcomes(cells[cell]) for cell in of_seed]) for of_seed in wanted]
    if not all(len(errors) for errors in tables):
        return None
    alone = [sum(metrics.share(errors[:, place]) for errors in tables) / len(tables) for place in range(len(attacks))]
    most = max(alone)
    return WorstCase(
        images=sum(map(len, tables)),
        err=over_images([errors.any(dim=1) for errors in tables]),
        strongest=attacks[alone.index(most)],
        err_of_strongest=most,
    )


def worst_cases(records: Sequence[Record]) -> str:
    """Return the table of every defense's worst case, of arranged records; ``""`` of fewer than two attacks."""
    attacks, headers, names, rows = attacks_in_average(records), attack_headers(records), titles(records), []
    if not attacks[1:]:
        return ""
    for defense, cells in by_defense(records).items():
        found = worst_case(cells, attacks)
        row = {
            "defense": inline(names[defense]),
            "images": NONE if found is None else str(found.images),
            "worst-case Err": NONE if found is None else with_interval(found.err),
            "strongest attack": NONE
            if found is None or not found.err.value
            else inline(headers[found.strongest].attack_title),
            "its Err": NONE if found is None else percent(found.err_of_strongest),
        }
        rows.append((math.inf if found is None else round(found.err.value, 12), row))
    rows.sort(key=lambda pair: (pair[0], pair[1]["defense"]))
    return f"{MEANT}\n\n{table(pd.DataFrame([row for _, row in rows]), ('defense', 'strongest attack'))}"


def _outcomes(record: Record) -> tuple[Tensor, Tensor]:
    tensors = record.tensors
    return tensors["index"], metrics.wrong(tensors["label"], tensors["prediction"])
