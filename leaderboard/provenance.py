"""Writes where a table's records come from: their keys, digests and environments, with the dates and durations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bench.records import Record
from leaderboard.arranging import data_origins
from leaderboard.environment import SHOWN

ENVIRONMENT = {*SHOWN, "versions"}
"""The entries of a record's provenance that say where it was computed; records of one run share them."""


def provenance_json(records: Sequence[Record]) -> bytes:
    """Return the provenance of arranged records as JSON: what the table is of, then every record in table order.

    Each environment is written once, in ``environments``; a record names its own by the place there, from 0, and in
    ``inputs`` those of its fits and attacks where they were others.
    """
    header = records[0].header
    environments: list[dict[str, Any]] = []
    entries = [_entry(record, environments) for record in records]
    content = {
        "track": header.track,
        "suite": header.suite,
        "suite_digest": header.suite_digest,
        "seeds": sorted({record.header.seed for record in records}),
        "data": {name: origin.model_dump(mode="json") for name, origin in data_origins(records).items()},
        "environments": environments,
        "records": entries,
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _entry(record: Record, environments: list[dict[str, Any]]) -> dict[str, object]:
    """Return a record's entry, adding environments that are not among those seen."""
    told: dict[str, Any] = dict(record.provenance)
    inputs = told.pop("inputs", [])
    own = {name: told.pop(name) for name in sorted(ENVIRONMENT & told.keys())}
    return {
        "key": record.key,
        "digest": record.digest,
        "defense": record.header.defense,
        "attack": record.header.attack,
        "seed": record.header.seed,
        **{name: told[name] for name in sorted(told)},
        "environment": _place(own, environments),
        "inputs": [_place(other, environments) for other in inputs],
    }


def _place(environment: dict[str, Any], environments: list[dict[str, Any]]) -> int:
    if environment not in environments:
        environments.append(environment)
    return environments.index(environment)
