"""The letters: families held apart, real glyphs, balance. No pixel is pinned: glyphs change with FreeType."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch

from bench.data import letters
from bench.errors import DataMissing

FONTS = {split: [font for names in families.values() for font in names] for split, families in letters.FAMILIES.items()}


def test_no_family_and_no_font_is_in_both_splits() -> None:
    assert not set(letters.FAMILIES["train"]) & set(letters.FAMILIES["test"])
    everything = FONTS["train"] + FONTS["test"]
    assert len(everything) == len(set(everything))


def test_fonts_that_draw_no_letters_are_left_out() -> None:
    unfit = ("LastResort", "cmsy", "cmex", "STIXSiz", "STIXNonUni")
    assert not [font for font in FONTS["train"] + FONTS["test"] if font.startswith(unfit)]


@pytest.mark.parametrize("name", FONTS["train"] + FONTS["test"])
def test_every_font_draws_ten_different_letters_and_no_placeholder(name: str) -> None:
    font = letters.open_font(name)
    drawn = [np.asarray(letters.draw(font, letter)) for letter in letters.LETTERS]
    placeholder = np.asarray(letters.draw(font, "\U0010fffd"))
    for glyph in drawn:
        ink = glyph > 0
        assert ink.sum() > 100
        assert ink[1:-1, 1:-1].sum() == ink.sum()  # nothing runs over the edge
        assert not np.array_equal(glyph, placeholder)
    assert len({glyph.tobytes() for glyph in drawn}) == len(letters.LETTERS)


def test_the_rule_would_catch_the_font_of_placeholders() -> None:
    font = letters.open_font("LastResortHE-Regular")
    assert letters.draw(font, "A").tobytes() == letters.draw(font, "B").tobytes()


@pytest.mark.parametrize(("fonts", "count"), [(15, 216), (6, 400), (1, 25), (10, 200), (7, 3)])
def test_pairs_use_fonts_letters_and_both_together_equally(fonts: int, count: int) -> None:
    found = letters.pairs(fonts, count)
    assert len(found) == count
    everything = [(font, letter) for font in range(fonts) for letter in range(10)]
    for counts in (
        [Counter(font for font, _ in found)[font] for font in range(fonts)],
        [Counter(letter for _, letter in found)[letter] for letter in range(10)],
        [Counter(found)[pair] for pair in everything],
    ):
        assert max(counts) - min(counts) <= 1


def test_sizes_and_balance() -> None:
    splits = letters.load().splits
    assert {name: len(held) for name, held in splits.items()} == {"train": 216, "test": 400}
    for held in splits.values():
        counts = torch.bincount(held.labels, minlength=10)
        assert counts.max() - counts.min() <= 1


def test_images_are_distinct_and_fill_the_frame() -> None:
    splits = letters.load().splits
    images = torch.cat([held.images for held in splits.values()])[:, 0]
    assert len({image.numpy().tobytes() for image in images}) == len(images)
    ink = images > 0.25
    heights, widths = ink.any(2).sum(1), ink.any(1).sum(1)
    assert torch.maximum(heights, widths).min() >= 20
    assert images.flatten(1).max(1).values.min() > 0.6
    assert ink.flatten(1).float().mean(1).max() < 0.6


def test_labels_stay_with_their_images() -> None:
    # Oracle: the mean image of a letter is nearer to images of that letter than to most others.
    for held in letters.load().splits.values():
        flat = held.images.flatten(1)
        means = torch.stack([flat[held.labels == label].mean(0) for label in range(10)])
        found = torch.cdist(flat, means).argmin(1)
        assert (found == held.labels).float().mean() > 0.6


def test_without_its_fonts_matplotlib_is_named_with_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpl, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(DataMissing, match=r"DejaVuSans\.ttf cannot be read: install matplotlib from its own wheel"):
        letters.load()
