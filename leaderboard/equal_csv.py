"""Writes the defenses at equal clean rejection, and what their scores tell apart, as CSV: one row a defense."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.records import Record, seeds_by_defense
from leaderboard.arranging import plain_titles
from leaderboard.averages import Estimate
from leaderboard.board_csv import UNKNOWN
from leaderboard.cells import to_csv
from leaderboard.equal_rejection import REFERENCE, Matched, matched, movable, told_apart

NONE = Matched(None, None, None)


def equal_csv(records: Sequence[Record]) -> bytes:
    """Return the figures of arranged records as CSV, shares as fractions, in the order of the page's table.

    A figure that does not exist is empty: with thresholds that are not to be moved, all that are at equal rejection.
    """
    names, seeds = plain_titles(records), seeds_by_defense(records)
    scores, moved, rows = told_apart(records), movable(records), []
    for defense, of_rates in matched(records).items():
        found: dict[str, Estimate | None] = {}
        for rate, figures in of_rates.items():
            shown, share = figures if moved else NONE, f"{100 * float(rate):.0f}"
            found |= {f"err_at_{share}": shown.err, f"clean_rej_at_{share}": shown.clean_rej}
            found[f"err_at_{share}_minus_{REFERENCE}"] = shown.more
        found["aurc"] = scores[defense].aurc
        found |= {f"auroc_{name}": auroc for name, auroc in scores[defense].auroc.items()}
        found |= {f"fpr95_{name}": share for name, share in scores[defense].fpr95.items()}
        row: dict[str, object] = {"defense": defense, "title": names[defense]}
        for name, figure in found.items():
            value = figure or UNKNOWN
            row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        rows.append(row | {"seeds": len(seeds[defense])})
    return to_csv(pd.DataFrame(rows))
