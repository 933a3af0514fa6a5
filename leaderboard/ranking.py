"""Ranks the defenses of a track by their average Err."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bench.records import Record
from leaderboard.arranging import seen_sets, titles, trained_on
from leaderboard.averages import Estimate, attacks_in_average, average, by_other_images, estimate
from leaderboard.figures import by_defense
from leaderboard.worst_case import worst_case

NAIVE = "naive"
"""The defense that the accuracy floor is measured from."""

FLOOR = 0.04
"""How far, as a share, a row's clean Acc may lie below naive's to be ranked with the others."""

ROUNDING = 1e-9
"""What two equal shares may differ by once computed along different ways."""


@dataclass(frozen=True)
class Standing:
    """A row of the leaderboard. ``rank`` counts from 1; ``None`` for a control or where the row is incomplete."""

    defense: str
    title: str
    control: bool
    seeds: tuple[int, ...]
    """Which its figures are over, from the least up."""
    average: Estimate | None
    """The average Err, by which rows rank."""
    average_rej: Estimate | None
    average_acc: Estimate | None
    other_images: float | None
    """What other test images leave open of the average, see ``by_other_images``; ``None`` where it is not known."""
    worst_case: Estimate | None
    """Of the source images that every attack was handed, the share of which at least one made an error."""
    clean_acc: Estimate | None
    clean_rej: Estimate | None
    out_rej: Mapping[str, Estimate | None]
    """By the attack name of the out-distribution set, ``out:<set>``, in record order."""
    below_floor: bool
    sees_attacks: bool
    """Whether it, or what it stands on, was trained on adversarial images."""
    sees_out: bool
    """Whether it, or what it stands on, was trained on out-distribution images."""
    seen: Sequence[str]
    """The out-distribution sets of ``out_rej`` that it was trained on other images of."""
    rank: int | None = None
    weakly_attacked: bool = False
    """Whether an attack on the defense itself, of those in the average, is told to be weak against it."""

    @property
    def complete(self) -> bool:
        """Whether the average is known, and the clean Acc without which the floor cannot be checked."""
        return self.average is not None and self.clean_acc is not None


def standings(records: Sequence[Record], table: pd.DataFrame) -> list[Standing]:
    """Return the rows of the leaderboard from the best down, the controls last.

    ``records`` are arranged, ``table`` is ``across_seeds``'s. Rows rank by average Err, ties by name. After them rank,
    in the same order, the rows more than ``FLOOR`` below naive's clean Acc; rows that lack a cell follow unranked.
    """
    rows = _rows(records, table)
    rows.sort(key=lambda row: (row.control, not row.complete, row.below_floor, _rounded(row.average), row.defense))
    return [
        replace(row, rank=number) if row.complete and not row.control else row for number, row in enumerate(rows, 1)
    ]


def below_floor(table: pd.DataFrame, defense: str) -> bool:
    """Return whether a defense's clean Acc, of ``across_seeds``'s table, is too far below naive's."""
    naive, own = (estimate(table, name, "clean", "acc") for name in (NAIVE, defense))
    return naive is not None and own is not None and own.value < naive.value - FLOOR - ROUNDING


def _rows(records: Sequence[Record], table: pd.DataFrame) -> list[Standing]:
    attacks = attacks_in_average(records)
    seeds = sorted({record.header.seed for record in records})
    outs = list(dict.fromkeys(record.header.attack for record in records if record.header.kind == "out"))
    seen = seen_sets(records)
    rows = []
    for defense, title in titles(records).items():
        own = [record for record in records if record.header.defense == defense]
        control = own[0].header.control
        worst = worst_case(by_defense(own)[defense], attacks)
        rows.append(
            Standing(
                defense,
                title,
                control,
                seeds=tuple(sorted({record.header.seed for record in own})),
                average=average(own, attacks, seeds),
                average_rej=average(own, attacks, seeds, "rej"),
                average_acc=average(own, attacks, seeds, "acc"),
                other_images=by_other_images(own, attacks),
                worst_case=None if worst is None else worst.err,
                clean_acc=estimate(table, defense, "clean", "acc"),
                clean_rej=estimate(table, defense, "clean", "rej"),
                out_rej={out: estimate(table, defense, out, "rej") for out in outs},
                below_floor=not control and below_floor(table, defense),
                sees_attacks=trained_on(own, "attacks"),
                sees_out=trained_on(own, "out"),
                seen=seen[defense],
            )
        )
    return rows


def _rounded(average: Estimate | None) -> float:
    return math.inf if average is None else round(average.value, 12)
