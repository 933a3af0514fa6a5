"""What the paper says of its Table I, each claim with our number, its interval and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from bench.records import Record
from leaderboard.arranging import titles
from leaderboard.averages import Estimate, attacks_in_average, average_err, estimate
from leaderboard.cells import per_seed
from leaderboard.table1.by_seed import difference

NAIVE, OOD, INTERP, MATCHED = "naive", "ood", "ood_interp", "ood_interp_matched"

SAFE: Mapping[str, float] = {"mnist": 0.95, "cifar10": 0.75}
"""The share of adversarial images, by track, that the paper has more than rejected or classified correctly."""

DROP = 0.04
"""The share by which clean accuracy falls by less."""

KAPPAS: Mapping[str, tuple[tuple[str, float], ...]] = {"mnist": (("cw_0", 0.97), ("cw_20", 0.2249))}
"""The attacks of the suite ``kappa`` of which the paper says what share the naive network classifies correctly."""

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
    "nearest neighbours do better than random ones": (("ood_interp_random", "err", "more"),),
    "neighbours in feature space do better than in pixel space": (("ood_interp_pixels", "err", "more"),),
}
"""What the paper says of its choices: by the claim, the variants of +OOD+interp that tell, and how a rate differs.

``acc`` and ``rej`` are of clean images, ``err`` is the average over the attacks.
"""

SQUEEZING = "feature_squeezing"
AGAINST_SQUEEZING: Mapping[str, str] = {"fgs": "less", "ifgs": "less", "deepfool": "less", "cw": "more"}
"""By attack, whether the paper has the Err of +OOD+interp less or more than that of feature squeezing."""

Verdict = Literal["holds", "does not hold", "undecided", "not measured"]


@dataclass(frozen=True)
class Claim:
    """A claim, what was measured for it, and how that came out; ``estimate`` in shares, ``None`` if there is none."""

    said: str
    measured: str
    estimate: Estimate | None
    verdict: Verdict


def claims(records: Sequence[Record], others: pd.DataFrame) -> list[Claim]:
    """Return the paper's claims about a track with what its arranged records say of each.

    ``others`` are ``across_seeds``'s rows of the track's runs under other suites.
    """
    attacks, seeds = attacks_in_average(records), sorted({record.header.seed for record in records})
    cells, names, track = per_seed(records), titles(records), records[0].header.track
    found = []
    for other in (NAIVE, OOD):
        less = difference(cells, INTERP, other, attacks, "err")
        found.append(_claim("+OOD+interp errs least", f"average Err less {_name(names, other)}'s", less, below=0.0))
    more = difference(cells, INTERP, OOD, attacks, "rej")
    found.append(_claim("interpolation raises rejection over OOD alone", "average Rej less +OOD's", more, above=0.0))
    more = difference(cells, MATCHED, OOD, attacks, "rej")
    said = "the same with a dustbin no larger than +OOD's (a control of ours)"
    found.append(_claim(said, "average Rej less +OOD's", more, above=0.0))
    for defense in (OOD, INTERP):
        drop = difference(cells, NAIVE, defense, ["clean"], "acc")
        measured = f"naive's clean Acc less {_name(names, defense)}'s"
        found.append(_claim("clean accuracy falls by less than 4 points", measured, drop, below=DROP))
    if track in SAFE:
        said = f"more than {100 * SAFE[track]:.0f}% of adversarial images are rejected or classified correctly"
        own = [record for record in records if record.header.defense == INTERP]
        safe = _complement(average_err(own, attacks, seeds))
        found.append(_claim(said, "1 − average Err of +OOD+interp", safe, above=SAFE[track]))
    found += [_kappa(others, attack, share) for attack, share in KAPPAS.get(track, ())]
    for said, variants in CHANGED.items():
        for variant, rate, side in variants:
            of = attacks if rate == "err" else ["clean"]
            measured = f"{_kind(rate)} of {_name(names, variant)} less +OOD+interp's"
            found.append(_sided(said, measured, difference(cells, variant, INTERP, of, rate), side))
    for attack, side in AGAINST_SQUEEZING.items():
        said = f"{'lower' if side == 'less' else 'higher'} error than feature squeezing on {_called(records, attack)}"
        less = difference(cells, INTERP, SQUEEZING, [attack], "err")
        found.append(_sided(said, "Err of +OOD+interp less feature squeezing's", less, side))
    return found


def _kind(rate: str) -> str:
    return "average Err" if rate == "err" else f"clean {rate.title()}"


def _called(records: Sequence[Record], attack: str) -> str:
    return next((r.header.attack_title for r in records if r.header.attack == attack), attack)


def _sided(said: str, measured: str, estimate: Estimate | None, side: str) -> Claim:
    """Return a claim that a difference is ``less`` or ``more`` than nothing."""
    if side == "less":
        return _claim(said, measured, estimate, below=0.0)
    return _claim(said, measured, estimate, above=0.0)


def _kappa(others: pd.DataFrame, attack: str, share: float) -> Claim:
    """Return the claim that the naive network classifies so much of an attack's images correctly."""
    kappa = attack.removeprefix("cw_")
    said = f"at κ = {kappa} the naive network classifies {100 * share:.0f}% of C&W's images correctly"
    found = estimate(others, NAIVE, attack, "acc")
    if found is None:
        return Claim(said, f"naive's Acc at κ = {kappa}", None, "not measured")
    verdict: Verdict = "holds" if found.low <= share <= found.high else "does not hold"
    return Claim(said, f"naive's Acc at κ = {kappa}", found, verdict)


def _name(names: Mapping[str, str], defense: str) -> str:
    return names.get(defense, defense)


def _claim(
    said: str, measured: str, estimate: Estimate | None, *, above: float = -math.inf, below: float = math.inf
) -> Claim:
    """Return a claim that a number lies between two bounds: decided where all of its interval is on one side."""
    if estimate is None:
        return Claim(said, measured, None, "not measured")
    verdict: Verdict = "undecided"
    if above < estimate.low and estimate.high < below:
        verdict = "holds"
    elif estimate.high <= above or estimate.low >= below:
        verdict = "does not hold"
    return Claim(said, measured, estimate, verdict)


def _complement(estimate: Estimate | None) -> Estimate | None:
    return None if estimate is None else Estimate(1 - estimate.value, 1 - estimate.high, 1 - estimate.low)
