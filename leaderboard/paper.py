"""The numbers of the paper's Table I, to stand beside ours: M. Abbasi, A. Rajabi, C. Gagné, R. B. Bobba, 2018."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from bench.records import OUT_SET, Header, Record, seeds_by_defense
from bench.tracks import TRACKS

SOURCE = (
    "M. Abbasi, A. Rajabi, C. Gagné, R. B. Bobba, “Towards Dependable Deep Convolutional Neural Networks (CNNs) with "
    "Out-distribution Learning”, 2018, Table I"
)

TITLES: Mapping[str, str] = {"naive": "naive", "ood": "+OOD", "ood_interp": "+OOD+interp"}
"""What the paper calls its defenses, by our names, in its order."""

OOD, INTERP = "ood", "ood_interp"
"""The names of those that have a dustbin."""

AVERAGE = "average"
"""What stands for an attack in the row of the average Err."""


@dataclass(frozen=True)
class PaperCell:
    """Rates as printed, in per cent with the paper's own decimals; empty where the paper prints none."""

    acc: str
    rej: str
    err: str


def of_run(header: Header) -> Mapping[tuple[str, str], PaperCell]:
    """Return the paper's cells that may stand beside a run's, by (defense, attack), going by any of its records.

    None where the track repeats no column of the paper, or where the run is limited or of another architecture or other
    epochs than may be published of the track: what differs then is not the defense.
    """
    repeated = column_of(header.track)
    if not repeated or header.limit is not None:
        return {}
    known = TRACKS[header.track]
    as_published = header.architecture == known.architecture and header.epochs in {None, known.cpu_epochs}
    return column(repeated) if as_published else {}


def column_of(track: str) -> str:
    """Return which column of the paper a track of that name repeats; ``""`` for none."""
    known = TRACKS.get(track)
    return "" if known is None else known.paper or ""


def ran(records: Sequence[Record]) -> list[str]:
    """Return the paper's defenses that records of one track have, in its order."""
    return [name for name in _defenses(records) if name in seeds_by_defense(records)]


def lacking(records: Sequence[Record]) -> list[str]:
    """Return those that they have not."""
    return [name for name in _defenses(records) if name not in seeds_by_defense(records)]


def _defenses(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for name, _ in of_run(records[0].header)))


def attacks(cells: Mapping[tuple[str, str], PaperCell]) -> set[str]:
    """Return the names of the attacks that the paper's average Err is over."""
    return {attack for _, attack in cells if attack not in {"clean", AVERAGE} and not attack.startswith(OUT_SET)}


def column(name: str) -> Mapping[tuple[str, str], PaperCell]:
    """Return the cells of the paper's column ``name``, by (defense, attack), in our names."""
    text = resources.files("leaderboard").joinpath("paper_table1.csv").read_text(encoding="utf-8")
    return {
        (row["defense"], row["attack"]): PaperCell(row["acc"], row["rej"], row["err"])
        for row in csv.DictReader(text.splitlines())
        if row["track"] == name
    }
