"""Copies published tables into documents, so that no figure in them is typed: ``python -m leaderboard.embed``."""

from __future__ import annotations

import argparse
import csv
import re
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bench.errors import BenchError
from leaderboard.board import LEADERBOARD
from leaderboard.cautions import LIMITED
from leaderboard.output import read, write
from leaderboard.text import section, table

PUBLISHED = Path(__file__).parent / "published"
"""Where the reference tables are kept; not part of an installed package."""

TRIALS = Path(__file__).parents[1] / "docs" / "trials"
"""Where the tables of trials are kept, CSV files that the scripts beside them print."""

START = re.compile(r"<!-- table: (?P<name>\S+) -->")
FIGURE = re.compile(r"^!\[.*\]\(.*\)\n*", re.MULTILINE)
END = "<!-- end of table -->"

SECOND = "## "
"""How a second-level heading begins."""


def embedded(document: str, published: Path = PUBLISHED) -> str:
    """Return a Markdown document with every block ``<!-- table: NAME --> … <!-- end of table -->`` filled anew.

    A block is filled with the leaderboard of ``NAME.md`` in ``published``, with another section of it where the name
    is ``NAME#section``, as in a link, without its figures, whose place is beside the page; or with the whole table of a
    trial where the name ends in ``.csv``. Raises
    ``BenchError`` where the file is missing, has no such section or is of a limited run, or where a block has no end.
    """
    parts = []
    place = 0
    while (start := START.search(document, place)) is not None:
        end = document.find(END, start.end())
        following = START.search(document, start.end())
        if end < 0 or (following is not None and following.start() < end):
            raise BenchError(f"the table {start['name']} has no end: close it with {END}")
        name = start["name"]
        filling = _trial(TRIALS / name) if name.endswith(".csv") else _section(name, published)
        parts += [document[place : start.end()], f"\n\n{filling}\n\n{END}"]
        place = end + len(END)
    return "".join([*parts, document[place:]])


def _trial(path: Path) -> str:
    rows = list(csv.DictReader(read(path).splitlines()))
    if not rows:
        raise BenchError(f"{path}: has no rows: run the script that prints it")
    return table(pd.DataFrame(rows), tuple(rows[0])[:2])


def _section(name: str, published: Path) -> str:
    page, _, anchor = name.partition("#")
    path = published / f"{page}.md"
    document = read(path)
    if any(line.startswith(f"> {LIMITED}") for line in document.splitlines()):
        raise BenchError(f"{path}: is of a limited run: publish one on all of the data")
    headings = {_anchor(line): line.removeprefix(SECOND) for line in document.splitlines() if line.startswith(SECOND)}
    wanted = anchor or _anchor(LEADERBOARD)
    if wanted not in headings:
        raise BenchError(f"{path}: has no section {wanted}: write it with the report command")
    return FIGURE.sub("", section(document, headings[wanted])).rstrip()


def _anchor(heading: str) -> str:
    """Return what a link to a heading ends in, as GitHub makes it: no mark but hyphens, underscores and accents."""
    kept = [letter for letter in heading.removeprefix(SECOND).lower() if letter in " -" or _in_word(letter)]
    return "".join(kept).replace(" ", "-")


def _in_word(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category[0] in "LM" or category in {"Nd", "Pc"}


def main(arguments: Sequence[str] | None = None, published: Path = PUBLISHED) -> int:
    """Fill the tables of the files named on the command line, or check them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m leaderboard.embed", description=main.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a file is out of date")
    chosen = parser.parse_args(arguments)
    code = 0
    for file in chosen.files:
        try:
            before = read(file)
            after = embedded(before, published)
            if after == before:
                continue
            if not chosen.check:
                write(file, after.encode())
                continue
            message = f"{file}: a table is out of date; run python -m leaderboard.embed {file}"
        except BenchError as error:
            message = str(error) if str(file) in str(error) else f"{file}: {error}"
        sys.stderr.write(f"{message}\n")
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
