"""A run of Table I made by hand, whose every rate can be counted, and what is claimed of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bench.records import Record
from leaderboard.arranging import arranged
from leaderboard.paper import INTERP, OOD
from leaderboard.ranking import NAIVE
from leaderboard.table1.claims import claims
from leaderboard.table1.deciding import Claim
from leaderboard.table1.other_runs import other_runs

Make = Callable[..., Record]
ATTACKS = ("fgs", "ifgs", "tfgs", "deepfool", "cw")

WRONG = {NAIVE: (80, 82, 84), OOD: (40, 43, 46), INTERP: (2, 4, 6)}
"""Of 100 attacked images, by seed; the others are rejected, those of the naive network classified correctly."""


def run(make: Make, wrong: Mapping[str, tuple[int, ...]] = WRONG, **header: object) -> list[Record]:
    """Return a run of the whole table on 100 images each, 990 of 1000 clean ones right, all out images rejected."""
    found = []
    for defense, of_seeds in wrong.items():
        for seed, errors in enumerate(of_seeds):
            rest = 100 - errors
            decided = (rest, 0, errors) if defense == NAIVE else (0, rest, errors)
            found.append(make(defense, "clean", (990, 0, 10), seed=seed, **header))
            if defense != NAIVE:
                found.append(make(defense, "out:notmnist", (0, 50, 0), seed=seed, **header))
            found += [make(defense, attack, decided, seed=seed, **header) for attack in ATTACKS]
            found.append(make(defense, "deepfool_min", decided[::-1], seed=seed, in_average=False, **header))
    return arranged(found)


def retrained(records: list[Record]) -> list[Record]:
    """Return the records as of other networks."""
    return [replace(record, inputs=dict(record.inputs) | {"victim": "another"}) for record in records]


def told(records: list[Record], *others: Record) -> list[Claim]:
    """Return the claims, of records of the table and of those of other suites."""
    return claims(records, other_runs(records, [arranged(others)] if others else []))
