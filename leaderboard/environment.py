"""What records say about where they were computed, and whether they say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from bench.records import Record
from leaderboard.text import inline, table

UNKNOWN = "unknown"
SHOWN = ("commit", "device", "processor", "instructions", "threads", "platform")
"""The entries of a record's provenance, beside its versions, that tables show."""

MAY_DIFFER = ("commit", "platform")
"""Those that make no mixture: a key tells code that matters, and a platform has several names."""


def environments(records: Sequence[Record]) -> dict[str, Counter[str]]:
    """Return, for each of ``SHOWN`` and each library, how many records were made with each value.

    A record whose network was fitted, or whose images were crafted, with another value than it was scored with counts
    for both.
    """
    found: dict[str, Counter[str]] = {name: Counter() for name in SHOWN}
    libraries = sorted({name for record in records for place in _places(record) for name in _versions(place)})
    found |= {name: Counter() for name in libraries}
    for record in records:
        places = _places(record)
        for name in SHOWN:
            found[name].update({str(place.get(name, UNKNOWN)) for place in places})
        for name in libraries:
            found[name].update({_versions(place).get(name, UNKNOWN) for place in places})
    return found


def mixed(records: Sequence[Record]) -> list[str]:
    """Return what differs between the records' environments, one text an entry."""
    return [
        f"{inline(name)} {_values(values)}"
        for name, values in environments(records).items()
        if len(values) > 1 and name not in MAY_DIFFER
    ]


def environment_table(records: Sequence[Record]) -> str:
    """Return the environments of the records as a Markdown table."""
    rows = [(inline(name), _values(values)) for name, values in environments(records).items()]
    rows.append(("precision of training", inline(records[0].header.precision)))
    return table(pd.DataFrame(rows, columns=["what", "value"]), ("what", "value"))


def _places(record: Record) -> list[Mapping[str, object]]:
    """Return the environment of a record's scoring, and those of its fits and attacks where they were others."""
    inputs = record.provenance.get("inputs", [])
    return [record.provenance, *(inputs if isinstance(inputs, list) else [])]


def _versions(place: Mapping[str, object]) -> dict[str, str]:
    found = place.get("versions", {})
    return {str(name): str(version) for name, version in found.items()} if isinstance(found, Mapping) else {}


def _values(values: Counter[str]) -> str:
    if len(values) == 1:
        return inline(next(iter(values)))
    return ", ".join(f"{inline(value)} ({count} records)" for value, count in sorted(values.items()))
