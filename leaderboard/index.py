"""Writes the index of a results folder: every track with its best row, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leaderboard.board import LEADERBOARD, OVER
from leaderboard.markdown import CAUTION
from leaderboard.output import read, write
from leaderboard.text import inline, section

WHY = {
    "missing": "Not run: its data is not at hand",
    "invalid": "Not run: its data is not what it should be",
    "failed": "Not finished: a job failed",
}
"""How the index begins to say why a track has no table."""

PAGES = {
    "The paper": {"table1.md": "Table I, reproduced"},
    "Speed": {"peers/README.md": "Beside other libraries", "speed/README.md": "How it has gone"},
}
"""Other pages, by the heading that they stand under and their place in a results folder that has them."""


@dataclass(frozen=True)
class IndexEntry:
    """A run of the index: ``name`` is that of its tables, ``reason`` one line for people, empty where there is none."""

    name: str
    title: str
    status: Literal["done", "missing", "invalid", "failed"]
    reason: str


def write_index(out: Path, entries: Sequence[IndexEntry]) -> None:
    """Write ``README.md`` into ``out``: a section for every entry, in their order, and links to the other pages.

    A done run must have its tables in ``out`` already. Raises ``BenchError`` where one has not, or the index cannot
    be written.
    """
    parts = ["# Results", *(_entry(out, entry) for entry in entries), *_pages(out)]
    write(out / "README.md", ("\n\n".join(parts) + "\n").encode())


def _entry(out: Path, entry: IndexEntry) -> str:
    heading = f"## {inline(entry.title)} (`{entry.name}`)"
    if entry.status != "done":
        return f"{heading}\n\n{WHY[entry.status]}: {inline(entry.reason)}"
    name = entry.name
    document = read(out / f"{name}.md")
    links = (
        f"[Leaderboard]({name}.md) · [as CSV]({name}.leaderboard.csv) · [rates]({name}.csv) · "
        f"[rates of each seed]({name}.cells.csv) · [costs]({name}.costs.md) · [provenance]({name}.provenance.json)"
    )
    cautions = [line for line in document.splitlines() if line.startswith(CAUTION)]
    reason = [inline(entry.reason)] if entry.reason else []
    return "\n\n".join([heading, *cautions, _best(document), links, *reason])


def _pages(out: Path) -> list[str]:
    """Return the sections of links to the pages that the folder has."""
    parts = []
    for heading, pages in PAGES.items():
        links = [f"[{title}]({place})" for place, title in pages.items() if (out / place).exists()]
        parts += [f"## {heading}", " · ".join(links)] if links else []
    return parts


def _best(document: str) -> str:
    """Return the head and the first row of a document's leaderboard, and what its average is over."""
    lines = [line for line in section(document, LEADERBOARD).splitlines() if line.startswith("|")]
    head, first = lines[:2], lines[2:3]
    if not first or not first[0].split("|")[1].strip()[:1].isdigit():
        return "No row is ranked."
    over = [line for line in section(document, LEADERBOARD).splitlines() if line.startswith(OVER)]
    return "\n\n".join(["\n".join([*head, *first]), *over])
