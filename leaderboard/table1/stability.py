"""Whether the order of the defenses holds under choices that the paper leaves open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.metrics import DENOMINATORS
from bench.records import Record
from leaderboard import paper
from leaderboard.averages import attacks_in_average
from leaderboard.by_seed import averages
from leaderboard.cells import per_seed
from leaderboard.table1.fewer import shared

SWAPS: Mapping[str, tuple[str, str]] = {
    "DeepFool at overshoot 0.02": ("deepfool", "deepfool_min"),
    "I-FGS with 3 steps": ("ifgs", "ifgs_3"),
    "I-FGS with 10 steps": ("ifgs", "ifgs_10"),
    "I-FGS with 20 steps": ("ifgs", "ifgs_20"),
}
"""Choices of another setting: the attack of the average, and the one, of any suite, that stands in for it."""


@dataclass(frozen=True)
class Choice:
    """A choice, the seeds that it is judged by, and the average Err of each defense that has them all, a share."""

    title: str
    seeds: tuple[int, ...]
    averages: Mapping[str, float]

    @property
    def order(self) -> list[str]:
        """The defenses from the one that errs least."""
        return sorted(self.averages, key=lambda name: self.averages[name])


def choices(records: Sequence[Record], others: pd.DataFrame) -> list[Choice]:
    """Return the choices with an average of any defense; controls are not compared.

    ``records`` are arranged; ``others`` are ``per_seed``'s rows of the track's runs under other suites. A choice's
    seeds are those that all of the paper's defenses that were run under it have, with every attack; whoever lacks one
    of them is left out, since networks, and the images made on them, differ from seed to seed.
    """
    return list(_choices(records, others))


def _choices(records: Sequence[Record], others: pd.DataFrame) -> Iterator[Choice]:
    cells, attacks = pd.concat([per_seed(records), others]), attacks_in_average(records)
    ranked = list(dict.fromkeys(record.header.defense for record in records if not record.header.control))
    wanted = {f"of {name.replace('_', ' ')} images": (attacks, name) for name in DENOMINATORS}
    for title, (usual, other) in SWAPS.items():
        wanted[title] = ([other if attack == usual else attack for attack in attacks], DENOMINATORS[0])
    for title, (of, denominator) in wanted.items():
        found = {defense: averages(cells, defense, of, "err", denominator) for defense in ranked}
        seeds = shared(found[name].index for name in paper.ran(records))
        if seeds:
            whole = {name: of_seeds for name, of_seeds in found.items() if set(seeds) <= set(of_seeds.index)}
            means = {name: float(of_seeds[list(seeds)].mean()) for name, of_seeds in whole.items()}
            yield Choice(title, seeds, means)
