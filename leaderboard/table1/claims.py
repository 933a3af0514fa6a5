"""What the paper says of its Table I, each claim with our number, its interval and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd

from bench.intervals import FEWEST_SEEDS, of_one_more
from bench.records import Record
from leaderboard.arranging import plain_titles
from leaderboard.averages import Estimate, attacks_in_average, average
from leaderboard.by_seed import averages, differences, mean_of
from leaderboard.cells import per_seed
from leaderboard.equal_rejection import average_err_at
from leaderboard.figures import beyond, by_defense
from leaderboard.paper import TITLES, column_of
from leaderboard.table1.networks import ELSEWHERE, elsewhere
from leaderboard.table1.other_runs import NONE, OtherRuns
from leaderboard.text import percent

NAIVE, OOD, INTERP, MATCHED = "naive", "ood", "ood_interp", "ood_interp_matched"

SAFE: Mapping[str, float] = {"mnist": 0.95, "cifar10": 0.75}
"""The share of adversarial images, by column, that the paper has more than rejected or classified correctly."""

DROP = 0.04
"""The share by which clean accuracy falls by less."""

KAPPAS: Mapping[str, tuple[tuple[str, str, float], ...]] = {"mnist": (("0", "cw_0", 0.97), ("20", "cw", 0.2249))}
"""The κ, by column, of which the paper says what share the naive network classifies correctly, with its attack."""

CHANGED: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "a larger or smaller mixing ratio lowers clean accuracy": (
        ("ood_interp_alpha30", "acc", "less"),
        ("ood_interp_alpha70", "acc", "less"),
    ),
    "a larger or smaller mixing ratio raises false rejections": (
        ("ood_interp_alpha30", "rej", "more"),
        ("ood_interp_alpha70", "rej", "more"),
    ),
    "a much smaller dustbin does not help as much": (("ood_interp_tenth", "err", "more"),),
    "a very large dustbin lowers clean accuracy": (("ood_interp_triple", "acc", "less"),),
    "nearest neighbours do better than random ones (a control of ours)": (("ood_interp_random", "err", "more"),),
    "neighbours in feature space do better than in pixel space (a control of ours)": (
        ("ood_interp_pixels", "err", "more"),
    ),
}
"""What the paper says of its choices: by the claim, the variants of +OOD+interp that tell, and how a rate differs.

``acc`` and ``rej`` are of clean images, ``err`` is the average over the attacks.
"""

SQUEEZING = "feature_squeezing"
AGAINST_SQUEEZING: Sequence[tuple[str, tuple[str, ...], str, frozenset[str]]] = (
    ("lower error than feature squeezing, averaged over {}", ("fgs", "ifgs", "deepfool"), "less", frozenset()),
    ("higher error than feature squeezing on {}", ("fgs",), "more", frozenset({"mnist"})),
    ("higher error than feature squeezing on {}", ("cw",), "more", frozenset()),
)
"""What the paper says of +OOD+interp beside feature squeezing: attacks, how Err differs, the columns; none is all."""

EQUAL = "0.05"
"""The share of clean validation images that both reject where they are compared at equal rejection."""

AT_EQUAL = f"where both reject {100 * float(EQUAL):.0f}% of the clean validation images"

Verdict = Literal["holds", "does not hold", "undecided", "not measured", "agrees", "differs"]


@dataclass(frozen=True)
class Claim:
    """A claim, what was measured for it, and how that came out; ``estimate`` in shares, ``None`` if there is none."""

    said: str
    measured: str
    estimate: Estimate | None
    seeds: int
    """Of which there is a figure: of two defenses, those that both have."""
    verdict: Verdict


def claims(records: Sequence[Record], others: OtherRuns = NONE) -> list[Claim]:
    """Return the paper's claims about a track with what its arranged records, and its other runs, say of each."""
    attacks = attacks_in_average(records)
    cells, names, column = per_seed(records), {**TITLES, **plain_titles(records)}, column_of(records[0].header.track)
    less = partial(differences, cells)
    found = []
    for other in (NAIVE, OOD):
        called, differing = _name(names, other), less(INTERP, other, attacks, "err")
        found.append(
            _paired(f"+OOD+interp errs less than {called}", f"average Err minus {called}'s", differing, below=0.0)
        )
    for said, defense in (
        ("interpolation raises rejection over OOD alone", INTERP),
        ("the same with a dustbin no larger than +OOD's (a control of ours)", MATCHED),
    ):
        found.append(_paired(said, "average Rej minus +OOD's", less(defense, OOD, attacks, "rej"), above=0.0))
    found.append(
        _paired(
            "it errs less than +OOD with a dustbin no larger (a control of ours)",
            f"average Err minus +OOD's, {AT_EQUAL}",
            _at_equal_rejection(records, MATCHED, OOD, attacks),
            below=0.0,
        )
    )
    for defense in (OOD, INTERP):
        measured = f"naive's clean Acc minus {_name(names, defense)}'s"
        drops = less(NAIVE, defense, ["clean"], "acc")
        found.append(_paired("clean accuracy falls by less than 4 points", measured, drops, below=DROP))
    if column in SAFE:
        found.append(_safe(records, attacks, SAFE[column]))
    found += [_kappa(records, others.settings, *told) for told in KAPPAS.get(column, ())]
    found += _of_choices(records, others.again, attacks)
    for said, against, side, columns in AGAINST_SQUEEZING:
        if not columns or column in columns:
            found += _against_squeezing(records, cells, said, against, side)
    return found


def _of_choices(records: Sequence[Record], again: Sequence[Record], attacks: Sequence[str]) -> list[Claim]:
    """Return the claims about what the paper chose, each by the table's networks or else by those of ``again``.

    Both defenses of a difference are of one run.
    """
    of_runs = [(plain_titles(run), per_seed(run), mark) for run, mark in ((records, ""), (again, f" {ELSEWHERE}"))]
    found = []
    for said, variants in CHANGED.items():
        for variant, rate, side in variants:
            titles, cells, mark = next((run for run in of_runs if variant in run[0]), ({}, per_seed([]), ""))
            measured = f"{_kind(rate)} of {_name(titles, variant)} minus +OOD+interp's{mark}"
            of = attacks if rate == "err" else ["clean"]
            found.append(_sided(said, measured, differences(cells, variant, INTERP, of, rate), side))
    return found


def _safe(records: Sequence[Record], attacks: Sequence[str], share: float) -> Claim:
    """Return the claim of how much of the attacks' images +OOD+interp rejects or classifies correctly."""
    own = [record for record in records if record.header.defense == INTERP]
    seeds = sorted({record.header.seed for record in own})
    said = f"more than {100 * share:.0f}% of adversarial images are rejected or classified correctly"
    safe = _complement(average(own, attacks, seeds))
    return _claim(said, "1 − average Err of +OOD+interp", safe, len(seeds), above=share)


def _against_squeezing(
    records: Sequence[Record], cells: pd.DataFrame, said: str, attacks: Sequence[str], side: str
) -> list[Claim]:
    """Return a claim about +OOD+interp beside feature squeezing, at the thresholds of each and at equal rejection."""
    said = said.format(", ".join(_called(records, attack) for attack in attacks))
    ours, theirs = (averages(cells, name, ["clean"], "rej") for name in (INTERP, SQUEEZING))
    shared = ours.index.intersection(theirs.index)
    own = " and ".join(percent(float(rejected[shared].mean())) for rejected in (ours, theirs))  # a dash: not run
    measured = "Err minus feature squeezing's"
    return [
        _sided(
            said,
            f"{measured}, where they reject {own}% of the clean images",
            differences(cells, INTERP, SQUEEZING, attacks, "err"),
            side,
        ),
        _sided(
            said,
            f"{measured}, {AT_EQUAL}",
            _at_equal_rejection(records, INTERP, SQUEEZING, attacks),
            side,
        ),
    ]


def _at_equal_rejection(records: Sequence[Record], one: str, other: str, attacks: Sequence[str]) -> list[float]:
    """Return by how much a defense's Err exceeds another's where both reject as many, in each seed that both have."""
    cells = by_defense(records)
    return beyond(cells.get(one, {}), cells.get(other, {}), partial(average_err_at, attacks=attacks, rate=EQUAL))


def _kind(rate: str) -> str:
    return "average Err" if rate == "err" else f"clean {rate.title()}"


def _called(records: Sequence[Record], attack: str) -> str:
    return next((r.header.attack_title for r in records if r.header.attack == attack), attack)


def _sided(said: str, measured: str, differing: Sequence[float], side: str) -> Claim:
    """Return a claim that a difference is ``less`` or ``more`` than nothing."""
    if side == "less":
        return _paired(said, measured, differing, below=0.0)
    return _paired(said, measured, differing, above=0.0)


def _paired(
    said: str, measured: str, differing: Sequence[float], *, above: float = -math.inf, below: float = math.inf
) -> Claim:
    """Return a claim about differences, one for each seed that two defenses share."""
    return _claim(said, measured, mean_of(differing), len(differing), above=above, below=below)


def _kappa(records: Sequence[Record], others: Sequence[Record], kappa: str, attack: str, share: float) -> Claim:
    """Return the figure that the paper has of the naive network under C&W, beside what one more run of ours may give.

    ``others`` have the κ that the table's own ``records`` have not, perhaps of other networks.
    """
    said = f"at κ = {kappa} the naive network classifies {100 * share:.0f}% of C&W's images correctly"
    attacked = [r for r in others if (r.header.defense, r.header.attack) == (NAIVE, attack)]
    at = f"κ = {kappa} {ELSEWHERE}" if elsewhere(records, attacked) else f"κ = {kappa}"
    of_seeds = [float(value) for value in averages(per_seed([*records, *attacked]), NAIVE, [attack], "acc")]
    if not of_seeds:
        return Claim(said, f"naive's Acc at {at}", None, 0, "not measured")
    low, high = of_one_more(of_seeds)
    verdict: Verdict = "undecided"
    if len(of_seeds) >= FEWEST_SEEDS:
        verdict = "agrees" if low <= share <= high else "differs"
    measured = f"naive's Acc at {at}, one more run after {len(of_seeds)}"
    return Claim(said, measured, Estimate(float(np.mean(of_seeds)), low, high), len(of_seeds), verdict)


def _name(names: Mapping[str, str], defense: str) -> str:
    return names.get(defense, defense)


def _claim(
    said: str,
    measured: str,
    estimate: Estimate | None,
    seeds: int,
    *,
    above: float = -math.inf,
    below: float = math.inf,
) -> Claim:
    """Return a claim that a number lies between two bounds: decided where all of its interval is on one side.

    Never by fewer than ``FEWEST_SEEDS`` seeds, whose interval may be one of images, or none.
    """
    if estimate is None:
        return Claim(said, measured, None, 0, "not measured")
    verdict: Verdict = "undecided"
    if seeds >= FEWEST_SEEDS and above < estimate.low and estimate.high < below:
        verdict = "holds"
    elif seeds >= FEWEST_SEEDS and (estimate.high < above or estimate.low > below):
        verdict = "does not hold"
    return Claim(said, measured, estimate, seeds, verdict)


def _complement(estimate: Estimate | None) -> Estimate | None:
    return None if estimate is None else Estimate(1 - estimate.value, 1 - estimate.high, 1 - estimate.low)
