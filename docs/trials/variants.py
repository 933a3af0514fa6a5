"""Asks what the paper's choices for +OOD+interp come to, in a run of networks of its own that are trained briefly.

    python -m bench run mnist --seeds 3 --epochs 5 --precision float32 --defenses D --attacks A --store STORE
    python docs/trials/variants.py STORE mnist > docs/trials/variants.csv

D are naive, ood_interp, and the variants of ``leaderboard.table1.of_choices.CHANGED``; A the attacks that the average
counts: fgs, ifgs, tfgs, deepfool and cw. A row is a claim: a rate of a variant, over the attacks or the clean images,
beside that of +OOD+interp on the same seeds, in per cent, with the interval of the differences and whether they are as
the claim has them.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import reporting, suites
from bench.records import Record
from bench.store import Store
from leaderboard.arranging import arranged, plain_titles
from leaderboard.averages import attacks_in_average
from leaderboard.by_seed import averages
from leaderboard.cells import per_seed
from leaderboard.table1.of_choices import CHANGED, of_choices
from leaderboard.text import percent, with_interval

FIGURES = {"acc": "clean Acc", "rej": "clean Rej", "err": "average Err"}


def rows(records: list[Record]) -> Iterator[list[str]]:
    """Yield the claims about the choices, in the order of the table's page."""
    cells, names, attacks = per_seed(records), plain_titles(records), attacks_in_average(records)
    every = [asked for variants in CHANGED.values() for asked in variants]
    for claim, asked in zip(of_choices(records, [], attacks), every, strict=True):
        of = attacks if asked.rate == "err" else ["clean"]
        own, usual = (averages(cells, name, of, asked.rate) for name in (asked.variant, asked.other))
        both = own.index.intersection(usual.index)
        means = [percent(float(values[both].mean()), decimals=2) for values in (own, usual)]
        compared = [names[asked.variant], names[asked.other], FIGURES[asked.rate]]
        yield [claim.said, *compared, *means, with_interval(claim.estimate, 2), claim.verdict]


def main() -> None:
    """Print the claims as CSV."""
    store, track = Store(Path(sys.argv[1])), sys.argv[2]
    entry = reporting.read(store).run_of(track, suites.STANDARD)
    if entry is None:
        sys.exit(f"{store.root}: holds no run of '{track}'")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["claim", "variant", "beside", "figure", "with it", "without", "difference", "verdict"])
    out.writerows(rows(arranged(reporting.load(store, entry))))


if __name__ == "__main__":
    main()
