"""Writes the index of a results folder: every track with its best row, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leaderboard.cautions import LIMITED
from leaderboard.markdown import LEADERBOARD
from leaderboard.output import read, write
from leaderboard.text import inline, section

WHY = {
    "missing": "Not run: its data is not at hand",
    "invalid": "Not run: its data is not what it should be",
    "failed": "Not finished: a job failed",
}
"""How the index begins to say why a track has no table."""

SPEED = {"peers/README.md": "Beside other libraries", "speed/README.md": "How it has gone"}
"""The pages on speed, by their place in a results folder that has them."""


@dataclass(frozen=True)
class IndexEntry:
    """A track of the index. ``reason`` is for people, one line; it may be empty where ``status`` is ``done``."""

    track: str
    title: str
    status: Literal["done", "missing", "invalid", "failed"]
    reason: str


def write_index(out: Path, entries: Sequence[IndexEntry]) -> None:
    """Write ``README.md`` into ``out``: a section for every entry, in their order, and the pages on speed.

    A done track must have its tables in ``out`` already. Raises ``BenchError`` where one has not, or the index cannot
    be written.
    """
    parts = ["# Results", *(_entry(out, entry) for entry in entries), *_speed(out)]
    write(out / "README.md", ("\n\n".join(parts) + "\n").encode())


def _entry(out: Path, entry: IndexEntry) -> str:
    heading = f"## {inline(entry.title)} (`{entry.track}`)"
    if entry.status != "done":
        return f"{heading}\n\n{WHY[entry.status]}: {inline(entry.reason)}"
    track = entry.track
    document = read(out / f"{track}.md")
    links = (
        f"[Leaderboard]({track}.md) · [rates]({track}.csv) · [rates of each seed]({track}.cells.csv) · "
        f"[provenance]({track}.provenance.json)"
    )
    limited = [line for line in document.splitlines() if line.startswith(f"> {LIMITED}")]
    reason = [inline(entry.reason)] if entry.reason else []
    return "\n\n".join([heading, *limited, _best(document), links, *reason])


def _speed(out: Path) -> list[str]:
    """Return the section on speed, nothing where the folder has no page on it."""
    links = [f"[{title}]({place})" for place, title in SPEED.items() if (out / place).exists()]
    return ["## Speed", " · ".join(links)] if links else []


def _best(document: str) -> str:
    """Return the head and the first row of a document's leaderboard."""
    lines = [line for line in section(document, LEADERBOARD).splitlines() if line.startswith("|")]
    head, first = lines[:2], lines[2:3]
    if not first or not first[0].split("|")[1].strip()[:1].isdigit():
        return "No row is ranked."
    return "\n".join([*head, *first])
