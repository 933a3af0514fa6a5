"""What the paper says of its Table I, each claim with our number, its interval and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd

from bench.intervals import of_one_more_difference
from bench.records import Record
from leaderboard import paper
from leaderboard.arranging import plain_titles
from leaderboard.averages import Estimate, attacks_in_average, average
from leaderboard.by_seed import averages, differences
from leaderboard.cells import per_seed
from leaderboard.paper import INTERP, OOD, TITLES, column_of
from leaderboard.ranking import NAIVE
from leaderboard.table1.deciding import AT_EQUAL, Claim, at_equal_rejection, between, paired, printed
from leaderboard.table1.networks import ELSEWHERE, elsewhere
from leaderboard.table1.of_choices import of_choices
from leaderboard.table1.of_squeezing import of_squeezing
from leaderboard.table1.other_runs import NONE, OtherRuns

MATCHED = "ood_interp_matched"

MOST = 0.5
"""The share beyond which it is most."""

SAFE: Mapping[str, float] = {"mnist": 0.95, "cifar10": 0.75}
"""The share of adversarial images, by column, that the paper has more than rejected or classified correctly."""

DROP = 0.04
"""The share by which clean accuracy falls by less."""

SAME = frozenset({"mnist"})
"""The columns in which the paper has the same clean accuracy of all."""

ROUNDING = 1e-4
"""By how much, a share, a difference of two figures that are printed with two decimals may differ from the true one."""

SMALL = ("deepfool", "deepfool_min", "cw")
"""The attacks with small perturbations, for which the paper adds interpolated images, and DeepFool as it is usual."""

KAPPAS: Mapping[str, tuple[tuple[str, str, float], ...]] = {"mnist": (("0", "cw_0", 0.97), ("20", "cw", 0.2249))}
"""The κ, by column, of which the paper says what share the naive network classifies correctly, with its attack."""


def claims(records: Sequence[Record], others: OtherRuns = NONE) -> list[Claim]:
    """Return the paper's claims about a track with what its arranged records, and its other runs, say of each."""
    attacks, cells, column = attacks_in_average(records), per_seed(records), column_of(records[0].header.track)
    return [
        *_of_errors(records, cells, attacks),
        *_of_rejection(records, cells, attacks),
        *_of_clean_images(records, cells, column),
        *([_safe(records, attacks, SAFE[column])] if column in SAFE else []),
        *(_kappa(records, others.settings, *told) for told in KAPPAS.get(column, ())),
        *of_choices(records, others.again, attacks),
        *of_squeezing(records, cells, column),
    ]


def _of_errors(records: Sequence[Record], cells: pd.DataFrame, attacks: Sequence[str]) -> list[Claim]:
    """Return the claims about how often +OOD+interp errs."""
    names = _names(records)
    found = []
    for other in (NAIVE, OOD):
        said, measured = f"+OOD+interp errs less than {names[other]}", f"average Err minus {names[other]}'s"
        found.append(paired(said, measured, differences(cells, INTERP, other, attacks, "err"), below=0.0))
    return found


def _of_rejection(records: Sequence[Record], cells: pd.DataFrame, attacks: Sequence[str]) -> list[Claim]:
    """Return the claims about what the dustbins reject, and what interpolated images add to that."""
    names, less = _names(records), partial(differences, cells)
    found = []
    for said, defense in (
        ("most adversarial images are rejected", INTERP),
        ("out-distribution images alone have most adversarial images rejected", OOD),
    ):
        rejected, seeds = _average(records, defense, attacks, "rej")
        found.append(between(said, f"average Rej of {names[defense]}", rejected, seeds, above=MOST))
    for said, defense in (
        ("interpolation raises rejection over OOD alone", INTERP),
        ("the same with a dustbin no larger than +OOD's (a control of ours)", MATCHED),
    ):
        found.append(paired(said, "average Rej minus +OOD's", less(defense, OOD, attacks, "rej"), above=0.0))
    titles = {record.header.attack: record.header.attack_title for record in records}
    for attack in (attack for attack in SMALL if attack in titles):
        said, measured = (
            "interpolation raises rejection of small perturbations",
            f"Rej on {titles[attack]} minus +OOD's",
        )
        found.append(paired(said, measured, less(INTERP, OOD, [attack], "rej"), above=0.0))
    said = "it errs less than +OOD with a dustbin no larger (a control of ours)"
    at_equal = at_equal_rejection(records, MATCHED, OOD, attacks)
    return [*found, paired(said, f"average Err minus +OOD's, {AT_EQUAL}", at_equal, below=0.0)]


def _of_clean_images(records: Sequence[Record], cells: pd.DataFrame, column: str) -> list[Claim]:
    """Return the claims about the accuracy on clean images."""
    names = _names(records)
    found = []
    for defense in (OOD, INTERP):
        measured = f"naive's clean Acc minus {names[defense]}'s"
        drops = differences(cells, NAIVE, defense, ["clean"], "acc")
        found.append(paired("clean accuracy falls by less than 4 points", measured, drops, below=DROP))
        if column in SAME:
            of_naive, own = (float(paper.column(column)[name, "clean"].acc) / 100 for name in (NAIVE, defense))
            said = f"the same clean accuracy, to {100 * (of_naive - own):.2f} points"
            alike = partial(printed, one_more=of_one_more_difference, rounding=ROUNDING)
            found.append(alike(said, measured, drops, of_naive - own))
    return found


def _safe(records: Sequence[Record], attacks: Sequence[str], share: float) -> Claim:
    """Return the claim of how much of the attacks' images +OOD+interp rejects or classifies correctly."""
    said = f"more than {100 * share:.0f}% of adversarial images are rejected or classified correctly"
    err, seeds = _average(records, INTERP, attacks, "err")
    safe = None if err is None else Estimate(1 - err.value, 1 - err.high, 1 - err.low)
    return between(said, "1 − average Err of +OOD+interp", safe, seeds, above=share)


def _kappa(records: Sequence[Record], others: Sequence[Record], kappa: str, attack: str, share: float) -> Claim:
    """Return the figure that the paper has of the naive network under C&W.

    ``others`` have the κ that the table's own ``records`` have not, perhaps of other networks.
    """
    said = f"at κ = {kappa} the naive network classifies {100 * share:.0f}% of C&W's images correctly"
    attacked = [r for r in others if (r.header.defense, r.header.attack) == (NAIVE, attack)]
    at = f"κ = {kappa} {ELSEWHERE}" if elsewhere(records, attacked) else f"κ = {kappa}"
    of_seeds = averages(per_seed([*records, *attacked]), NAIVE, [attack], "acc")
    return printed(said, f"naive's Acc at {at}", [*map(float, of_seeds)], share)


def _average(records: Sequence[Record], defense: str, attacks: Sequence[str], rate: str) -> tuple[Estimate | None, int]:
    """Return a defense's average over attacks, with the number of its seeds."""
    own = [record for record in records if record.header.defense == defense]
    seeds = sorted({record.header.seed for record in own})
    return average(own, attacks, seeds, rate), len(seeds)


def _names(records: Sequence[Record]) -> dict[str, str]:
    return {**TITLES, **plain_titles(records)}
