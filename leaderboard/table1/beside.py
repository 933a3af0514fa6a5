"""Every figure that the paper's Table I prints, with ours beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.intervals import Interval, of_one_more
from bench.records import Record
from leaderboard import paper
from leaderboard.averages import Estimate, attacks_in_average, average, estimate
from leaderboard.by_seed import averages
from leaderboard.cells import RATES, across_seeds, per_seed
from leaderboard.paper import AVERAGE

FAR = 0.15
"""The difference, as a share, beyond which a defended cell is asked for its cause."""

COLUMNS = ("track", "defense", "attack", "rate", "paper", "ours", "low", "high", "difference", "more_low", "more_high")


@dataclass(frozen=True)
class Beside:
    """A figure of Table I; shares in 0 .. 1. ``one_more`` is what one more run of ours may give, NaN if unknown."""

    track: str
    defense: str
    attack: str
    rate: str
    printed: str
    """In per cent, as the paper has it."""
    ours: Estimate
    one_more: Interval

    @property
    def paper(self) -> float:
        """The paper's figure as a share."""
        return float(self.printed) / 100

    @property
    def difference(self) -> float:
        """Ours less the paper's."""
        return self.ours.value - self.paper

    @property
    def far(self) -> bool:
        """Whether it is a figure of a defended network that lies far from the paper's."""
        return self.defense != "naive" and abs(self.difference) > FAR

    @property
    def rounding(self) -> float:
        """By how much, a share, the paper's figure may differ from the one that it was rounded from."""
        return 0.5 * 10.0 ** -len(self.printed.partition(".")[2]) / 100

    @property
    def apart(self) -> bool:
        """Whether the paper's figure, of one run, however rounded, lies outside of what one more of ours may give."""
        return self.paper + self.rounding < self.one_more.low or self.paper - self.rounding > self.one_more.high

    @property
    def within(self) -> bool:
        """Whether it may lie in it; neither where that is unknown."""
        return not math.isnan(self.one_more.low) and not self.apart


def beside(records: Sequence[Record]) -> list[Beside]:
    """Return the figures that both have, of arranged records of one track, in the paper's order."""
    cells, attacks = per_seed(records), attacks_in_average(records)
    across = across_seeds(cells)
    found = []
    for (defense, attack), printed in paper.of_run(records[0].header).items():
        for rate in RATES:
            text = getattr(printed, rate)
            if not text:
                continue
            if attack == AVERAGE:
                ours, values = _average(records, defense, rate), averages(cells, defense, attacks, rate)
            else:
                ours, values = estimate(across, defense, attack, rate), averages(cells, defense, [attack], rate)
            if ours is not None:
                track = records[0].header.track
                found.append(Beside(track, defense, attack, rate, text, ours, of_one_more([*map(float, values)])))
    return found


def to_frame(rows: Sequence[Beside]) -> pd.DataFrame:
    """Return the figures as a table, shares in 0 .. 1."""
    return pd.DataFrame(
        [
            (
                *(row.track, row.defense, row.attack, row.rate, row.paper),
                *(row.ours.value, row.ours.low, row.ours.high, row.difference, *row.one_more),
            )
            for row in rows
        ],
        columns=list(COLUMNS),
    )


def _average(records: Sequence[Record], defense: str, rate: str) -> Estimate | None:
    own = [record for record in records if record.header.defense == defense]
    return average(own, attacks_in_average(records), sorted({record.header.seed for record in own}), rate)
