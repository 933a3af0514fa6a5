"""Published pages and CSV files as a reader sees them."""

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

from tests.again import PUBLISHED

LAST_DIGIT = 1.01e-6  # of the CSV files

Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def matches(text: str, value: float) -> bool:
    """Whether a cell of a CSV file holds a value, or nothing where there is none."""
    return text == "" if math.isnan(value) else text != "" and abs(float(text) - value) < LAST_DIGIT


def shows(text: str, *values: float, unit: float = 100, decimals: int = 1) -> bool:
    """Whether the numbers that a cell shows people are these, per cent unless ``unit`` says otherwise."""
    if any(math.isnan(value) for value in values):
        return text == "–"
    numbers = [float(number) for number in re.findall(r"[\d.]+", text)]
    step = 0.501 * 10**-decimals
    return len(numbers) == len(values) and all(
        abs(number - unit * value) < step for number, value in zip(numbers, values, strict=True)
    )


def sections(text: str, marks: str) -> dict[str, str]:
    """Return what stands under every heading that begins with so many marks."""
    parts = re.split(rf"^{marks} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def page(track: str) -> str:
    return (PUBLISHED / f"{track}.md").read_text(encoding="utf-8")


def table(text: str) -> list[Row]:
    """Return the rows of the one table in a text, as a reader sees them."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    cells = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def weakly(track: str, attacks: Sequence[str]) -> set[str]:
    """Return the titles that cautions on top name of whom one of the attacks of these titles is weak against.

    What a caution says of a row's seeds stands behind its title, and is left out.
    """
    found = set[str]()
    for line in page(track).partition("\n## ")[0].splitlines():
        said = re.match(r"> \*\*Weak attack (.+?), (?:or strong defenses|made on the defense itself)\*\*: (.+)", line)
        if said and any(
            title.startswith(said[1]) for title in attacks
        ):  # a sweep is called what its attacks begin with
            said_of = re.sub(r" \(seeds? [\d, ]+\)", "", said[2])
            found |= {title for titles in re.findall(r"\((.+?)\)", said_of) for title in titles.split("; ")}
    return found


def board(track: str, heading: str) -> list[Row]:
    """Return the rows of a leaderboard, and those of its controls, which have no rank."""
    parts = sections(page(track), "##")
    controls = parts.get("Controls", "") if heading == "Leaderboard" else ""  # a lesser one has them within
    return [row for text in f"{parts[heading]}\n\n{controls}".split("\n\n") for row in table(text)]


def by(found: list[Row], *columns: str) -> dict[tuple[str, ...], Row]:
    """Return rows by those of their columns that name them, which no two rows share."""
    named = {tuple(row[column] for column in columns): row for row in found}
    assert len(named) == len(found)
    return named


def printed(name: str) -> dict[tuple[str, str], Row]:
    """Return the paper's figures for a page's track, by defense and attack."""
    found = rows(PUBLISHED.parent / "paper_table1.csv")
    return {(row["defense"], row["attack"]): row for row in found if row["track"] == name.partition("-")[0]}
