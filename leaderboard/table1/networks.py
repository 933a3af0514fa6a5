"""Which records of other suites are of the very networks that a table is of, and so may stand in for its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.records import Record

ELSEWHERE = "‡"
"""Marks an attack, or a claim, of which a record is of another network than the table's."""


def of_the_same(records: Sequence[Record], others: Iterable[Record]) -> list[Record]:
    """Return those of ``others`` whose network the table's ``records`` have under that defense and seed."""
    networks = {_network(record) for record in records}
    return [record for record in others if _network(record) in networks]


def elsewhere(records: Sequence[Record], others: Iterable[Record]) -> set[str]:
    """Return the attacks of ``others`` of which a record is of a network that the table's ``records`` have not."""
    networks = {_network(record) for record in records}
    return {record.header.attack for record in others if _network(record) not in networks}


def _network(record: Record) -> tuple[str, int, str | None]:
    return record.header.defense, record.header.seed, record.inputs.get("victim")
