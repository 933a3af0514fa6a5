"""Compares defenses where each rejects as many clean images, and by how well their scores tell images apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from torch import Tensor

from bench import detection, metrics
from bench.records import OUT_SET, Record
from leaderboard.arranging import seen_sets, titles
from leaderboard.averages import Estimate, attacks_in_average
from leaderboard.by_seed import mean_of
from leaderboard.figures import Cell, Cells, beyond, by_defense, over
from leaderboard.rows import SEEN
from leaderboard.text import inline, table, with_interval

MATCHED = (
    "Every defense rejects where its score exceeds a threshold; here each has the threshold under which it rejects the "
    "same share of clean validation images, in place of its own. Average Err in per cent, and the share of clean test "
    "images that the threshold then rejects. A defense without a score rejects nothing. From the least Err at 5%."
)
REFERENCE = "ood_interp"
"""The paper's best defense, beside which all others stand."""

ONE_THRESHOLD = (
    "An attack on the defense itself is made against its own threshold, and ends where that lets an image pass: at "
    "another one the defense would be attacked anew. So no threshold is moved here."
)
PAIRED = (
    "*Minus {reference}'s*: by how much the average Err exceeds that of {reference}, seed by seed, "
    "in points, with the interval of the seeds' differences: below zero the defense errs less."
)
APART = (
    "Whatever the threshold, in per cent. AURC: the share of wrong classes "
    "among the accepted clean images, averaged over all shares accepted. AUROC: how often an out-distribution image "
    "scores higher than a clean one; equal scores count half. FPR95: the share of out-distribution images accepted "
    "where 95% of the clean ones are. *Seen*: the defense was trained on other images of that set."
)


def movable(records: Sequence[Record]) -> bool:
    """Return whether thresholds may be moved: where no attack that counts was made against a defense's own."""
    return all(record.header.source != "victim" for record in records if record.header.in_average)


@dataclass(frozen=True)
class Matched:
    """A defense's figures, each ``None`` if unknown, where it rejects a share of clean validation images."""

    err: Estimate | None
    """The average Err."""
    clean_rej: Estimate | None
    """The share of clean test images that are rejected there."""
    more: Estimate | None
    """By how much the average Err exceeds that of ``REFERENCE``; ``None`` of itself and where that was not run."""


def matched(records: Sequence[Record]) -> dict[str, dict[str, Matched]]:
    """Return the figures at each share by defense, of arranged records, from the least Err at the last share."""
    attacks, names, all_cells = attacks_in_average(records), titles(records), by_defense(records)
    found: dict[str, dict[str, Matched]] = {}
    reference = all_cells.get(REFERENCE, {})
    for defense, cells in all_cells.items():
        found[defense] = {}
        for rate in records[0].header.thresholds:
            figure = partial(average_err_at, attacks=attacks, rate=rate)
            more = None if defense == REFERENCE else mean_of(beyond(cells, reference, figure))
            rejected = over(cells, partial(clean_rej_at, rate=rate))
            found[defense][rate] = Matched(over(cells, figure), rejected, more)

    def order(defense: str) -> tuple[float, str]:
        last = next(reversed(found[defense].values()), None)  # of records without thresholds there is none
        err = None if last is None else last.err
        return math.inf if err is None else round(err.value, 12), inline(names[defense])

    return {defense: found[defense] for defense in sorted(found, key=order)}


def equal_rejection(records: Sequence[Record]) -> str:
    """Return the table of the average Err at equal clean rejection, of arranged records."""
    names, found, rows = titles(records), matched(records), []
    compared = REFERENCE in found and len(found) > 1
    for defense, of_rates in found.items():
        row = {"defense": inline(names[defense])}
        for rate, figures in of_rates.items():
            share = f"{100 * float(rate):.0f}%"
            row |= {
                f"Err at {share}": with_interval(figures.err),
                f"clean Rej at {share}": with_interval(figures.clean_rej),
            }
            if compared:
                row[f"Err at {share}, minus {inline(names[REFERENCE])}'s"] = with_interval(figures.more)
        rows.append(row)
    said = f"{MATCHED} {PAIRED.format(reference=inline(names[REFERENCE]))}" if compared else MATCHED
    return f"{said}\n\n{table(pd.DataFrame(rows), ('defense',))}"


@dataclass(frozen=True)
class Apart:
    """How well a defense's scores tell images apart, each figure ``None`` if unknown; the others by set."""

    aurc: Estimate | None
    auroc: Mapping[str, Estimate | None]
    fpr95: Mapping[str, Estimate | None]


def told_apart(records: Sequence[Record]) -> dict[str, Apart]:
    """Return those figures by defense, of arranged records, with the sets in record order."""
    outs = list(dict.fromkeys(record.header.attack for record in records if record.header.kind == "out"))
    found = {}
    for defense, cells in by_defense(records).items():
        auroc, fpr95 = (
            {out.removeprefix(OUT_SET): over(cells, partial(against_clean, out=out, figure=figure)) for out in outs}
            for figure in (detection.auroc, detection.false_acceptances)
        )
        found[defense] = Apart(over(cells, area_under_risk), auroc, fpr95)
    return found


def apart(records: Sequence[Record]) -> str:
    """Return the table of how well the defenses' scores tell images apart, of arranged records."""
    names, seen, rows = titles(records), seen_sets(records), []
    for defense, figures in told_apart(records).items():
        row = {"defense": inline(names[defense]), "AURC": with_interval(figures.aurc, decimals=3)}
        for name in figures.auroc:
            mark = f" {SEEN}" if name in seen[defense] else ""
            for title, found in (("AUROC", figures.auroc[name]), ("FPR95", figures.fpr95[name])):
                row[f"{title} {inline(name)}"] = f"{with_interval(found)}{mark}"
        rows.append(row)
    return f"{APART}\n\n{table(pd.DataFrame(rows), ('defense',))}"


def decided(record: Record, rate: str) -> metrics.Rates:
    """Return how a record's images are decided at the threshold that rejects that share of clean validation images."""
    tensors = record.tensors
    threshold = record.header.thresholds[rate]
    prediction = detection.decided_at(threshold, tensors["class_prediction"], tensors["reject_score"])
    return metrics.rates(tensors["label"], prediction)


def average_err_at(cells: Cells, seed: int, attacks: Sequence[str], rate: str) -> float:
    """Return the average Err, 0 .. 1, at that threshold; NaN where there is no attack."""
    errors = [decided(cells[Cell(attack, seed)], rate).err for attack in attacks]
    return float(np.mean(errors)) if errors else math.nan


def clean_rej_at(cells: Cells, seed: int, rate: str) -> float:
    """Return the share of clean test images, 0 .. 1, that are rejected at that threshold."""
    return decided(cells[Cell("clean", seed)], rate).rej


def against_clean(cells: Cells, seed: int, out: str, figure: Callable[[Tensor, Tensor], float]) -> float:
    """Return a figure of the clean images' scores and those of an out-distribution set."""
    return figure(*(cells[Cell(name, seed)].tensors["reject_score"] for name in ("clean", out)))


def area_under_risk(cells: Cells, seed: int) -> float:
    """Return the area under the risk–coverage curve of the clean images."""
    tensors = cells[Cell("clean", seed)].tensors
    return detection.area_under_risk(tensors["class_prediction"] != tensors["label"], tensors["reject_score"])
