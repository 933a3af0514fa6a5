"""The figures of a leaderboard row, each with its interval: averages over attacks, rates on clean and other images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench import metrics
from bench.intervals import Outcomes, clustered_bootstrap, of_mean, over_seeds
from bench.records import Record


@dataclass(frozen=True)
class Estimate:
    """A share, 0 .. 1, with its interval."""

    value: float
    low: float
    high: float


def attacks_in_average(records: Sequence[Record]) -> list[str]:
    """Return the names of the attacks that count in the average Err, in record order."""
    return list(dict.fromkeys(record.header.attack for record in records if record.header.in_average))


def average(
    records: Sequence[Record], attacks: Sequence[str], seeds: Sequence[int], rate: str = "err"
) -> Estimate | None:
    """Return a defense's average Err, Rej or Acc: the unweighted mean of the rate, of all images, over ``attacks``.

    Over several seeds, the mean of the seeds' averages. ``None`` where a cell is missing or was handed no image.
    """
    cells = {(record.header.attack, record.header.seed): record for record in records}
    wanted = [[cells.get((attack, seed)) for attack in attacks] for seed in seeds]
    found = [[record for record in of_seed if record is not None] for of_seed in wanted]
    if not attacks or not seeds or any(len(of_seed) < len(attacks) for of_seed in found):
        return None
    values = [float(np.mean([_share(record, rate) for record in of_seed])) for of_seed in found]
    if np.isnan(values).any():
        return None
    low, high = over_seeds(values, lambda: clustered_bootstrap([_outcomes(record, rate) for record in found[0]]))
    return Estimate(float(np.mean(values)), low, high)


def by_other_images(records: Sequence[Record], attacks: Sequence[str]) -> float | None:
    """Return how far other test images would move a defense's average Err, 0 .. 1: the longer reach of an interval.

    The interval is a bootstrap's over source images, each drawn with all that came of it in every seed. ``None`` where
    a cell is missing or was handed no image.
    """
    counted = [record for record in records if record.header.attack in attacks]
    seeds = {record.header.seed for record in counted}
    if not counted or len(counted) < len(attacks) * len(seeds):
        return None
    outcomes = [_outcomes(record, "err") for record in counted]
    low, high = clustered_bootstrap(outcomes)
    if math.isnan(low):
        return None
    value = float(np.mean([made.wrong.mean() for made in outcomes]))
    return max(value - low, high - value)


def clean_difference(records: Sequence[Record], one: str, other: str) -> Estimate | None:
    """Return by how much one defense's clean Acc exceeds another's, -1 .. 1, with an interval over the test images.

    Paired by image, each with what came of it in every seed that both have. ``None`` where they share no seed.
    """
    right = {
        (record.header.defense, record.header.seed): _outcomes(record, "acc").wrong.astype(np.float64)
        for record in records
        if record.header.kind == "clean" and record.header.defense in {one, other}
    }
    seeds = sorted({seed for defense, seed in right if defense == one and (other, seed) in right})
    if not seeds:
        return None
    of_images = np.mean([right[one, seed] - right[other, seed] for seed in seeds], axis=0)
    return Estimate(float(of_images.mean()), *of_mean(of_images))


def estimate(table: pd.DataFrame, defense: str, attack: str, rate: str) -> Estimate | None:
    """Return a rate, on denominator ``all``, out of ``across_seeds``'s table; ``None`` where there is no such cell."""
    chosen = table[(table["defense"] == defense) & (table["attack"] == attack) & (table["denominator"] == "all")]
    if chosen.empty or not chosen["n"].iloc[0]:
        return None
    value, low, high = (float(chosen[f"{rate}{end}"].iloc[0]) for end in ("", "_low", "_high"))
    return Estimate(value, low, high)


def _share(record: Record, rate: str) -> float:
    return float(getattr(metrics.rates(record.tensors["label"], record.tensors["prediction"]), rate))


def _outcomes(record: Record, rate: str) -> Outcomes:
    """Return of which images a rate is the share, with the numbers of their source images."""
    prediction = record.tensors["prediction"]
    wrong, rejected = metrics.wrong(record.tensors["label"], prediction), metrics.rejected(prediction)
    counted = {"err": wrong, "rej": rejected, "acc": ~(wrong | rejected)}[rate]
    return Outcomes(record.tensors["index"].numpy(), counted.numpy())
