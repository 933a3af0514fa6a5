"""Asks whether another processor comes to the published networks, adversarial images and predictions, bit for bit.

    python docs/trials/same_bits.py PUBLISHED TRACK=RERUN... > docs/trials/same_bits.csv

PUBLISHED and every RERUN are stores: of the published records, and of a run of a track with seeds that are published,
made elsewhere or with other instructions of a processor. Of the records that both have, it counts how many were made of
the same network and of the same adversarial images, and how many say the same of every image.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from bench import reporting, suites
from bench.records import Record
from bench.store import Store

Cells = dict[tuple[str, str, int], Record]


def records(store: Path, track: str) -> Cells:
    """Return the records of a track's last run under the standard suite, by cell."""
    found = reporting.of_last_run(Store(store), track, suites.STANDARD)
    if not found:
        sys.exit(f"{store}: holds no run of '{track}'")
    return {reporting.cell(record): record for record in found}


def rows(published: Cells, rerun: Cells) -> Iterator[list[str]]:
    """Yield, by defense, what a rerun was computed with and how much of it is the same."""
    shared = [(published[cell], record) for cell, record in rerun.items() if cell in published]
    for defense in dict.fromkeys(record.header.defense for _, record in shared):
        pairs = [pair for pair in shared if pair[1].header.defense == defense]
        attacked = [pair for pair in pairs if "craft" in pair[1].inputs]
        machine = [
            " or ".join(sorted({str(again.provenance.get(what, "unknown")) for _, again in pairs}))
            for what in ("processor", "instructions")
        ]
        network, images = same_inputs(pairs, "victim"), same_inputs(attacked, "craft")
        predictions = sum(is_same(one, again) for one, again in pairs)
        yield [defense, *machine, of(network, pairs), of(images, attacked), of(predictions, pairs)]


def same_inputs(pairs: list[tuple[Record, Record]], name: str) -> int:
    """Return how many records were made of the same input of that name."""
    return sum(one.inputs[name] == again.inputs[name] for one, again in pairs)


def is_same(one: Record, again: Record) -> bool:
    """Return whether two records say the same of every image, and show the same ones."""
    return one.tensors.keys() == again.tensors.keys() and all(
        torch.equal(tensor, again.tensors[name]) for name, tensor in one.tensors.items()
    )


def of(count: int, pairs: list[tuple[Record, Record]]) -> str:
    """Return a count and what it is out of."""
    return f"{count} of {len(pairs)}"


def main() -> None:
    """Print the counts as CSV."""
    published, *reruns = sys.argv[1:]
    out = csv.writer(sys.stdout, lineterminator="\n")
    counted = ["same network", "same adversarial images", "same of every image"]
    out.writerow(["track", "defense", "processor", "instructions", *counted])
    for track, store in (rerun.split("=", 1) for rerun in reruns):
        for row in rows(records(Path(published), track), records(Path(store), track)):
            out.writerow([track, *row])


if __name__ == "__main__":
    main()
