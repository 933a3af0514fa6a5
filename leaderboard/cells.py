"""Turns records into tidy tables: one row a cell and denominator, or one over its seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from bench import metrics
from bench.intervals import Interval, over_seeds, wilson
from bench.records import Record
from leaderboard.aims import asks_for_kappa, targeted

RATES = ("acc", "rej", "err")
QUALITY = ("hit_target", "reached_kappa", "source_err", "median_l2", "median_linf")
IDENTITY = ("track", "suite", "defense", "attack", "denominator")
FIGURES = ("n", *(f"{rate}{end}" for rate in RATES for end in ("", "_low", "_high")), *QUALITY)

Row = dict[str, str | int | float]


def per_seed(records: Sequence[Record]) -> pd.DataFrame:
    """Return one row for every record and denominator, by denominator before seed; intervals are Wilson's.

    ``records`` are arranged. Shares are fractions, distances in units of the pixel range; NaN where there is none.
    """
    rows = [row for record in records for row in _rows(record)]
    frame = pd.DataFrame(rows, columns=[*IDENTITY, "seed", *FIGURES])
    order = frame.groupby(["defense", "attack", "denominator"], sort=False).ngroup()
    return frame.loc[order.sort_values(kind="stable").index].reset_index(drop=True)


def across_seeds(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row for every defense, attack and denominator of ``per_seed``'s table.

    ``seeds`` counts the seeds that have images there, ``n`` sums these, the other figures are means of those seeds'
    values; a seed without an image in a denominator has no rate there.
    """
    rows = []
    for names, group in cells.groupby(list(IDENTITY), sort=False):
        row: Row = dict(zip(IDENTITY, map(str, names), strict=True))
        used = group[group["n"] > 0]
        row |= {"seeds": len(used), "n": int(used["n"].sum())}
        for rate in RATES:
            ends = used[[f"{rate}_low", f"{rate}_high"]].to_numpy()
            low, high = over_seeds(used[rate].tolist(), lambda ends=ends: Interval(*ends[0]))  # type: ignore[misc]
            row |= {rate: float(used[rate].mean()), f"{rate}_low": low, f"{rate}_high": high}
        row |= {figure: float(used[figure].mean()) for figure in QUALITY}
        rows.append(row)
    return pd.DataFrame(rows, columns=[*IDENTITY, "seeds", *FIGURES])


def to_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as CSV: six decimals, nothing where there is no figure, line feeds at line ends."""
    return frame.to_csv(index=False, float_format="%.6f", lineterminator="\n").encode()


def _rows(record: Record) -> list[Row]:
    """Return a record's rows, one a denominator."""
    header, tensors = record.header, record.tensors
    rows = []
    for denominator, mask in metrics.masks(tensors, header.kind).items():
        found = metrics.rates(tensors["label"][mask], tensors["prediction"][mask])
        row: Row = {
            "track": header.track,
            "suite": header.suite,
            "defense": header.defense,
            "attack": header.attack,
            "denominator": denominator,
            "seed": header.seed,
            "n": found.n,
        }
        for rate in RATES:
            value = getattr(found, rate)
            low, high = wilson(value * found.n, found.n) if found.n else (math.nan, math.nan)
            if header.kind == "out" and rate == "acc":
                low = high = value  # no class is right for such an image: nothing is left open
            row |= {rate: value, f"{rate}_low": low, f"{rate}_high": high}
        if header.kind == "attack":
            row |= asdict(metrics.quality(tensors, mask))
            if not targeted(header.parameters):
                row["hit_target"] = math.nan
            if not asks_for_kappa(header.parameters) or "control" in header.parameters:
                row["reached_kappa"] = math.nan
        rows.append(row)
    return rows
