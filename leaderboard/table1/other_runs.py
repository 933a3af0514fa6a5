"""What a track's runs under other suites hold that the table of Table I asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.records import Header, Record

SETTINGS_OF = ("steps", "overshoot", "kappa")
"""The suites that have attacks of the table's under other settings, by names of their own."""


@dataclass(frozen=True)
class OtherRuns:
    """What runs of the same track and epochs as the table's hold, perhaps of other networks than its own."""

    settings: Sequence[Record]
    """The attacked records under ``SETTINGS_OF``. Attacks are told apart by their names, which suites that are not
    among these give to others: to those on the defense itself, say."""
    again: Sequence[Record]
    """The arranged records of the first that averages over the very attacks of the table; empty if none does."""


NONE = OtherRuns(settings=(), again=())


def other_runs(records: Sequence[Record], runs: Sequence[Sequence[Record]]) -> OtherRuns:
    """Return what the arranged ``runs`` hold for the table of ``records``."""
    header = records[0].header
    others = [run for run in runs if _alike(run[0].header, header) and run[0].header.suite != header.suite]
    found = [record for run in others for record in run if record.header.kind == "attack"]
    return OtherRuns(
        settings=[record for record in found if record.header.suite in SETTINGS_OF],
        again=next((run for run in others if _averaged(run) == _averaged(records)), ()),
    )


def _alike(one: Header, other: Header) -> bool:
    return (one.track, one.epochs) == (other.track, other.epochs)


def _averaged(records: Sequence[Record]) -> Mapping[str, object]:
    counted = [record.header for record in records if record.header.in_average]
    return {header.attack: (header.source, header.parameters) for header in counted}
