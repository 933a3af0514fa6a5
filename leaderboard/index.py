"""Writes the index of a results folder: every track with its first rows, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leaderboard.board import LEADERBOARD, OVER
from leaderboard.markdown import CAUTION
from leaderboard.output import read, write
from leaderboard.ranking import FLOOR
from leaderboard.rows import ATTACKED, BELOW, SEEN, WEAKLY
from leaderboard.text import inline, section

WHY = {
    "missing": "Not run: its data is not at hand",
    "invalid": "Not run: its data is not what it should be",
    "failed": "Not finished: a job failed",
}
"""How the index begins to say why a track has no table."""

PAGES = {
    "The paper": {"table1.md": "Table I, reproduced"},
    "Speed": {
        "peers/README.md": "Beside other libraries",
        "speed/README.md": "How it has gone",
        "gpu/device-mnist-cuda.md": "Training on a GPU, MNIST's network",
        "gpu/device-cifar10-cuda.md": "CIFAR-10's",
    },
}
"""Other pages, by the heading that they stand under and their place in a results folder that has them."""


ROWS = 5
"""How many rows of a leaderboard the index shows."""

INTRODUCTION = (
    "Leaderboards of image classifiers that may decline to answer, on images of no class and on adversarial images, "
    "which are the same for every row unless they were made on the defense itself. **Acc**, **Rej** and **Err** are "
    "the shares of images classified correctly, rejected, and neither; they sum to 100%. The **average Err**, by which "
    "rows rank, is the mean of Err over the attacks named under a table: the lower, the better. Every figure is made "
    "from the records of what each image was given, and from nothing else."
)
MARKS = {
    BELOW: f"{BELOW}: clean Acc more than {100 * FLOOR:.0f} points below naive's, ranked after the others.",
    ATTACKED: f"{ATTACKED}: trained on adversarial images.",
    WEAKLY: f"{WEAKLY}: an attack of the average is weak against it: its Err may be too low.",
    SEEN: f"{SEEN}: trained on other images of that set: to reject all of it is no generalisation.",
}
"""What the introduction adds of the marks that the tables below it have."""


@dataclass(frozen=True)
class IndexEntry:
    """A run of the index: ``name`` is that of its tables, ``reason`` one line for people, empty where there is none."""

    name: str
    title: str
    status: Literal["done", "missing", "invalid", "failed"]
    reason: str


def write_index(out: Path, entries: Sequence[IndexEntry]) -> None:
    """Write ``README.md`` into ``out``: what tables are, a section for every entry, links to the other pages.

    A done run must have its tables in ``out`` already. Raises ``BenchError`` where one has not, or the index cannot
    be written.
    """
    sections = [_entry(out, entry) for entry in entries]
    tables = [line for section in sections for line in section.splitlines() if line.startswith("|")]
    marks = [told for mark, told in MARKS.items() if any(mark in line for line in tables)]
    parts = ["# Results", " ".join([INTRODUCTION, *marks]), *sections, *_pages(out)]
    write(out / "README.md", ("\n\n".join(parts) + "\n").encode())


def _entry(out: Path, entry: IndexEntry) -> str:
    heading = f"## {inline(entry.title)} (`{entry.name}`)"
    if entry.status != "done":
        return f"{heading}\n\n{WHY[entry.status]}: {inline(entry.reason)}"
    name = entry.name
    document = read(out / f"{name}.md")
    links = (
        f"[Leaderboard]({name}.md) · [as CSV]({name}.leaderboard.csv) · [rates]({name}.csv) · "
        f"[at equal rejection]({name}.equal.csv) · [rates of each seed]({name}.cells.csv) · "
        f"[costs]({name}.costs.md) · [provenance]({name}.provenance.json)"
    )
    cautions = [line for line in document.splitlines() if line.startswith(CAUTION)]
    reason = [inline(entry.reason)] if entry.reason else []
    return "\n\n".join([heading, *cautions, _first(document), links, *reason])


def _pages(out: Path) -> list[str]:
    """Return the sections of links to the pages that the folder has."""
    parts = []
    for heading, pages in PAGES.items():
        links = [f"[{title}]({place})" for place, title in pages.items() if (out / place).exists()]
        parts += [f"## {heading}", " · ".join(links)] if links else []
    return parts


def _first(document: str) -> str:
    """Return the head and the first rows of a document's leaderboard, how many follow, and what its average is over."""
    lines = [line for line in section(document, LEADERBOARD).splitlines() if line.startswith("|")]
    head, rows = lines[:2], lines[2:]
    if not rows or not rows[0].split("|")[1].strip()[:1].isdigit():
        return "No row is ranked."
    more = [f"The first {ROWS} of {len(rows)} rows."] if len(rows) > ROWS else []
    over = [line for line in section(document, LEADERBOARD).splitlines() if line.startswith(OVER)]
    return "\n\n".join(["\n".join([*head, *rows[:ROWS]]), *more, *over])
