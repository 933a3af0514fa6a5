"""Draws the first images of every cell, with what the paper's defenses make of each: ``<name>.images.png``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench import metrics
from bench.records import OUT, Record
from leaderboard import drawing
from leaderboard.arranging import titles
from leaderboard.looks import PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURE = ".images.png"
"""How the name of the figure ends."""

GREY, REJECTED = "0.45", "⊥"
PIXEL = 0.026  # inches, of a pixel of an image
GAP, CAPTION = 6, 14  # pixels, beside an image and beneath it
HEADING, TOP = 62, 12  # pixels, for what a row is called, and for whose answers are written in which colour
APART = 8  # pixels, from answer to answer

MEANT = (
    "The first images of seed {seed}: of the clean and of the other test images, and as each attack leaves those that "
    "it was handed. Beneath each its class, in grey, if it has one, and what the paper's defenses say of it: a class, "
    f"or {REJECTED} where they reject it."
)


@dataclass(frozen=True)
class Row:
    """Some images ``(n, C, H, W)``, 0 .. 255, what they are called, and the records that say what is made of each."""

    title: str
    images: NDArray[np.uint8]
    records: Sequence[Record]


def rows(records: Sequence[Record]) -> list[Row]:
    """Return a row for every cell of the first seed; for each of the paper's defenses where each has its own images."""
    seed, found, names = records[0].header.seed, list[Row](), titles(records)
    of_paper = [
        record for record in records if record.header.defense in PAPER and record.header.seed == seed and _shows(record)
    ]
    for attack in dict.fromkeys(record.header.attack for record in of_paper):
        cell = [record for record in of_paper if record.header.attack == attack]
        title = cell[0].header.attack_title
        if cell[0].header.source == "victim":
            found += [Row(f"{title},\non {names[one.header.defense]}", _images(one), [one]) for one in cell]
        else:
            found.append(Row(title, _images(cell[0]), cell))
    return found


def image_section(records: Sequence[Record], name: str) -> str:
    """Return what a page says of the figure beside it, with the figure; ``""`` where there is nothing to draw."""
    if not rows(records):
        return ""
    said = MEANT.format(seed=records[0].header.seed)
    return f"## What the images look like\n\n{said}\n\n![The first images]({name}{FIGURE})"


def images_png(found: Sequence[Row]) -> bytes:
    """Return the rows as a PNG."""
    return drawing.png(images_figure(found))


def images_figure(found: Sequence[Row]) -> Figure:
    """Return the figure that ``images_png`` is a PNG of."""
    most = max(len(row.images) for row in found)
    _, _, height, width = found[0].images.shape
    across, down = width + GAP, height + CAPTION
    whole = np.full((TOP + len(found) * down, HEADING + most * across, 3), 255, dtype=np.uint8)
    drawn = drawing.empty(whole.shape[1] * PIXEL, whole.shape[0] * PIXEL)
    drawn.set_layout_engine("none")
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    names = {record.header.defense: record.header.defense_title for row in found for record in row.records}
    _write(axes, (HEADING, TOP / 2), 5 * APART, [("class", GREY), *((names[one], _colour(one)) for one in names)])
    for number, row in enumerate(found):
        top = TOP + number * down
        _write(axes, (2, top + height / 2), 0, [(row.title, "black")])
        for place, image in enumerate(row.images):
            left = HEADING + place * across
            whole[top : top + height, left : left + width] = image.transpose(1, 2, 0)
            _write(axes, (left + 1, top + height + CAPTION / 3), APART, _answers(row.records, place))
    axes.imshow(whole, interpolation="nearest", aspect="auto")
    return drawn


def _answers(records: Sequence[Record], place: int) -> list[tuple[str, str]]:
    """Return an image's class, if it has one, and what the records' defenses say of it, each with its colour."""
    label = int(records[0].tensors["label"][place])
    said = [("" if label == OUT else str(label), GREY)]
    for record in records:
        prediction = record.tensors["prediction"][place]
        answer = REJECTED if bool(metrics.rejected(prediction)) else str(int(prediction))
        said.append((answer, _colour(record.header.defense)))
    return said


def _write(axes: Axes, start: tuple[float, float], step: float, said: Sequence[tuple[str, str]]) -> None:
    """Write texts in their colours, a step apart from left to right."""
    for number, (text, colour) in enumerate(said):
        axes.text(start[0] + step * number, start[1], text, color=colour, va="center", fontsize=7)


def _colour(defense: str) -> str:
    return PAPER[defense].colour


def _shows(record: Record) -> bool:
    return len(record.tensors["exhibits"]) > 0


def _images(record: Record) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = record.tensors["exhibits"].numpy()
    return found
