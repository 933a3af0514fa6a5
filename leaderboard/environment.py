"""What records say about where they were computed, and whether they say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import pandas as pd

from bench.records import Record
from leaderboard.text import inline, table

UNKNOWN = "unknown"
SHOWN = ("device", "threads", "platform")
"""The entries of a record's provenance, beside its versions, that tables show."""


def environments(records: Sequence[Record]) -> dict[str, Counter[str]]:
    """Return, for device, threads, platform and each library, how many records name each value."""
    found: dict[str, Counter[str]] = {name: Counter() for name in SHOWN}
    versions = [_versions(record) for record in records]
    libraries = sorted({name for of_record in versions for name in of_record})
    found |= {name: Counter() for name in libraries}
    for record, of_record in zip(records, versions, strict=True):
        for name in SHOWN:
            found[name][str(record.provenance.get(name, UNKNOWN))] += 1
        for name in libraries:
            found[name][of_record.get(name, UNKNOWN)] += 1
    return found


def mixed(records: Sequence[Record]) -> list[str]:
    """Return what differs between the records' environments, one text an entry; a platform's name may differ."""
    return [
        f"{inline(name)} {_values(values)}"
        for name, values in environments(records).items()
        if len(values) > 1 and name != "platform"
    ]


def environment_table(records: Sequence[Record]) -> str:
    """Return the environments of the records as a Markdown table."""
    rows = [(inline(name), _values(values)) for name, values in environments(records).items()]
    rows.append(("precision of training", inline(records[0].header.precision)))
    return table(pd.DataFrame(rows, columns=["what", "value"]), ("what", "value"))


def _versions(record: Record) -> dict[str, str]:
    found = record.provenance.get("versions", {})
    return {str(name): str(version) for name, version in found.items()} if isinstance(found, Mapping) else {}


def _values(values: Counter[str]) -> str:
    if len(values) == 1:
        return inline(next(iter(values)))
    return ", ".join(f"{inline(value)} ({count} records)" for value, count in sorted(values.items()))
