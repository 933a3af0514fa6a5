"""Writes where a table's records come from: their keys, digests and environments, with the dates and durations."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench.records import Record
from leaderboard.arranging import data_origins


def provenance_json(records: Sequence[Record]) -> bytes:
    """Return the provenance of arranged records as JSON: what the table is of, then every record in table order."""
    header = records[0].header
    content = {
        "track": header.track,
        "suite": header.suite,
        "suite_digest": header.suite_digest,
        "seeds": sorted({record.header.seed for record in records}),
        "data": {name: origin.model_dump(mode="json") for name, origin in data_origins(records).items()},
        "records": [
            {
                "key": record.key,
                "digest": record.digest,
                "defense": record.header.defense,
                "attack": record.header.attack,
                "seed": record.header.seed,
                "provenance": {name: record.provenance[name] for name in sorted(record.provenance)},
            }
            for record in records
        ],
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
