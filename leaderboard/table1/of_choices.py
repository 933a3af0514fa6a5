"""What the paper says of its choices, mixing ratio, dustbin's size and neighbours: claims about variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.records import Record
from leaderboard.arranging import plain_titles
from leaderboard.by_seed import differences
from leaderboard.cells import per_seed
from leaderboard.paper import INTERP, TITLES
from leaderboard.ranking import NAIVE
from leaderboard.table1.deciding import Claim, sided
from leaderboard.table1.networks import ELSEWHERE, elsewhere


@dataclass(frozen=True)
class Asked:
    """A variant, the rate by which it is compared, how that differs, ``less`` or ``more``, and from whose.

    ``acc`` and ``rej`` are of clean images, ``err`` is the average over the attacks.
    """

    variant: str
    rate: str
    side: str
    other: str = INTERP


CHANGED: Mapping[str, tuple[Asked, ...]] = {
    "a larger or smaller mixing ratio lowers clean accuracy": (
        Asked("ood_interp_alpha30", "acc", "less"),
        Asked("ood_interp_alpha70", "acc", "less"),
    ),
    "a larger or smaller mixing ratio raises false rejections": (
        Asked("ood_interp_alpha30", "rej", "more"),
        Asked("ood_interp_alpha70", "rej", "more"),
    ),
    "a much smaller dustbin does not improve on the naive network": (Asked("ood_interp_tenth", "err", "more", NAIVE),),
    "a much smaller dustbin does not help as much (a control of ours)": (Asked("ood_interp_tenth", "err", "more"),),
    "a very large dustbin lowers clean accuracy": (Asked("ood_interp_triple", "acc", "less"),),
    "nearest neighbours do better than random ones (a control of ours)": (Asked("ood_interp_random", "err", "more"),),
    "neighbours in feature space do better than in pixel space (a control of ours)": (
        Asked("ood_interp_pixels", "err", "more"),
    ),
}
"""What the paper says of its choices, by the claim, and which variants of +OOD+interp tell."""


def of_choices(records: Sequence[Record], again: Sequence[Record], attacks: Sequence[str]) -> list[Claim]:
    """Return the claims about what the paper chose, each by the table's networks or else by those of ``again``.

    Both defenses of a difference are of one run; it is marked where the other one's networks are not the table's.
    """
    of_runs = [(run, plain_titles(run), per_seed(run)) for run in (records, again)]
    found = []
    for said, variants in CHANGED.items():
        for asked in variants:
            run, titles, cells = next((each for each in of_runs if asked.variant in each[1]), ((), {}, per_seed([])))
            others = [record for record in run if record.header.defense == asked.other]
            mark = f" {ELSEWHERE}" if elsewhere(records, others) else ""
            of, kind = (attacks, "average Err") if asked.rate == "err" else (["clean"], f"clean {asked.rate.title()}")
            called = titles.get(asked.variant, asked.variant)
            measured = f"{kind} of {called} minus {TITLES[asked.other]}'s{mark}"
            differing = differences(cells, asked.variant, asked.other, of, asked.rate)
            found.append(sided(said, measured, differing, asked.side))
    return found
