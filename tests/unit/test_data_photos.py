"""The patches of photographs: how many, from where, none flat, none twice."""

from __future__ import annotations

import numpy as np
import torch

from bench import seeding
from bench.data import photos


def test_there_are_as_many_patches_of_each_photograph() -> None:
    splits = photos.load().splits
    assert list(splits) == ["test"]
    assert torch.bincount(splits["test"].labels).tolist() == [200, 200]
    assert 0 < splits["test"].labels[:20].sum() < 20


def test_no_patch_is_flat_and_none_comes_twice() -> None:
    images = photos.load().splits["test"].images
    assert images.flatten(1).std(dim=1, correction=0).min() >= photos.FLOOR - 1e-6
    assert len({image.numpy().tobytes() for image in images}) == len(images)


def test_patches_are_cut_where_the_photograph_is_lively() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    grey = np.concatenate([np.full((40, 60), 200, np.uint8), noise], axis=1)
    found = photos.cut(grey, seeding.generator(1))
    assert found.shape == (photos.PATCHES, 28, 28)
    windows = np.lib.stride_tricks.sliding_window_view(grey, (28, 28)).reshape(-1, 784)
    places = {window.tobytes() for window in windows[windows.std(axis=1) >= 255 * photos.FLOOR]}
    assert {patch.numpy().tobytes() for patch in found} <= places


def test_a_flat_photograph_gives_no_patch() -> None:
    assert len(photos.cut(np.full((40, 60), 200, np.uint8), seeding.generator(1))) == 0
