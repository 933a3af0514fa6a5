"""The first images of every cell, drawn with what the paper's defenses say of each."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from bench.records import Record
from leaderboard.arranging import arranged
from leaderboard.exhibits import GREY, Row, image_section, images_figure, rows
from leaderboard.looks import PAPER
from leaderboard.tables import write_track

Make = Callable[..., Record]


def texts(found: list[Row]) -> list[tuple[str, str]]:
    """Return the texts of the figure with their colours, without those of the first line."""
    (axes,) = images_figure(found).axes
    first = min(text.get_position()[1] for text in axes.texts)
    drawn = [text for text in axes.texts if text.get_position()[1] > first]
    return [(text.get_text(), str(text.get_color())) for text in drawn]


def test_every_cell_has_a_row_with_what_each_of_the_papers_defenses_says(small: list[Record]) -> None:
    found = rows(arranged(small))
    assert [row.title for row in found] == ["clean", "notMNIST", "FGS", "C&W"]
    assert [len(row.images) for row in found] == [8, 8, 8, 8]
    black, blue = (PAPER[name].colour for name in ("naive", "ood"))
    said = texts(found)
    assert said[:4] == [("clean", "black"), ("3", GREY), ("3", black), ("3", blue)]
    of_letters = said.index(("notMNIST", "black"))
    assert said[of_letters + 1 : of_letters + 4] == [("", GREY), ("4", black), ("⊥", blue)]
    assert len(said) == 4 * (1 + 8 * 3)


def test_the_figure_holds_the_images_as_they_are(small: list[Record]) -> None:
    found = rows(arranged(small))
    (axes,) = images_figure(found).axes
    (whole,) = (np.asarray(image.get_array()) for image in axes.images)
    for row in found:
        for image in row.images:
            window = np.broadcast_to(image.transpose(1, 2, 0), (4, 4, 3))
            places = np.lib.stride_tricks.sliding_window_view(whole, (4, 4, 3))[:, :, 0]
            assert (places == window).all(axis=(2, 3, 4)).any()


def test_where_each_defense_has_images_of_its_own_each_has_a_row(make: Make) -> None:
    records = [
        make(name, "fgs", (5, 0, 5), source="victim", seed=seed) for name in ("naive", "ood", "msp") for seed in (0, 1)
    ]
    found = rows(arranged(records))
    assert [row.title for row in found] == ["FGS,\non naive", "FGS,\non +OOD"]
    assert [[record.header.seed for record in row.records] for row in found] == [[0], [0]]


def test_colours_are_drawn_and_a_cell_of_few_images_has_few(make: Make) -> None:
    record = make("naive", "fgs", (1, 0, 1))
    record = replace(record, tensors={**record.tensors, "exhibits": torch.full((2, 3, 4, 4), 9, dtype=torch.uint8)})
    (row,) = rows([record])
    assert row.images.shape == (2, 3, 4, 4)
    assert len(texts([row])) == 1 + 2 * 2


def test_without_the_papers_defenses_or_an_image_there_is_none(make: Make, tmp_path: Path) -> None:
    for records in ([make("msp", "clean", (9, 0, 1))], [make("naive", "fgs", (0, 0, 0))]):
        assert rows(records) == []
        assert image_section(records, "mnist") == ""
        write_track(records, tmp_path, "mnist")
    assert not (tmp_path / "mnist.images.png").exists()
