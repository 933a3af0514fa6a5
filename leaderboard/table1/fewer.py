"""Who lacks seeds of the paper's rows, as a costly defense may, and on which seeds it is compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.records import Record, seeds_by_defense
from leaderboard import paper
from leaderboard.arranging import lacking_text, seeds_text


def shared(seeds: Iterable[Iterable[int]]) -> tuple[int, ...]:
    """Return the seeds, from the least up, that all have of those who have any."""
    having = [own for own in map(set, seeds) if own]
    return tuple(sorted(set.intersection(*having))) if having else ()


def of_paper(records: Sequence[Record]) -> tuple[int, ...]:
    """Return the seeds that all of the paper's rows have, of those that were run."""
    ran = seeds_by_defense(records)
    return shared(ran[name] for name in paper.ran(records))


def with_fewer(records: Sequence[Record]) -> dict[str, tuple[int, ...]]:
    """Return, by ranked defense that lacks a seed of the paper's rows, those that it shares with them."""
    ran, wanted = seeds_by_defense(records), of_paper(records)
    ranked = {record.header.defense for record in records if not record.header.control}
    own = {name: tuple(seed for seed in seeds if seed in wanted) for name, seeds in ran.items() if name in ranked}
    return {name: seeds for name, seeds in own.items() if len(seeds) < len(wanted)}


def lacking(records: Sequence[Record]) -> str:
    """Return in words which seeds those of ``with_fewer`` were run with: ``fewer``, or ``other or fewer``."""
    ran = seeds_by_defense(records)
    return lacking_text([ran[name] for name in with_fewer(records)], of_paper(records))


def alone(seeds: Sequence[int]) -> str:
    """Return in words that something has these seeds only, such as ``seed 0 alone``."""
    return f"{seeds_text(seeds)} alone" if seeds else "no such seed"
