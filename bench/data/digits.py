"""The data set ``digits``: scikit-learn's handwritten digits, brought to MNIST's format."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.assemble import assemble, shuffled, stream
from bench.data.dataset import Dataset
from bench.data.location import embedded

TRAIN_IMAGES = 1078
"""How many of the 1,797 images the training split takes: 60%."""

_SOURCE = 8  # pixels, the side of scikit-learn's images
_INK = 16  # their brightest value
_BOX = 20  # pixels, the side of the box that MNIST scales a digit into
_SIDE = 28  # pixels
_PATTERN = ("train", "test", "train", "validation", "train")
"""Which split the images of a class go to, in turn: 60/20/20, and 1078/360/359 of all 1,797."""


def load() -> Dataset:
    """Return the digits: images ``(N, 1, 28, 28)``, labels 0 .. 9.

    Splits ``train`` (1,078), ``validation`` (359) and ``test`` (360), stratified, each in random order; the seed is
    fixed. Source: ``sklearn.datasets.load_digits``, a copy of the test set of UCI's "Optical Recognition of
    Handwritten Digits".
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415  only who loads digits waits for scikit-learn

    found = load_digits()
    images, labels = enlarge(found.images), torch.from_numpy(found.target.astype(np.int64))
    order = torch.randperm(len(labels), generator=stream("digits", "split"))
    order = order[labels[order].argsort(stable=True)]
    place = torch.arange(len(labels)) % len(_PATTERN)
    shuffle = stream("digits", "order")
    splits = {}
    for split in ("train", "validation", "test"):
        turns = torch.tensor([turn for turn, name in enumerate(_PATTERN) if name == split])
        chosen = order[torch.isin(place, turns)]
        splits[split] = shuffled(images[chosen], labels[chosen], shuffle)
    return assemble("digits", splits, origin())


def origin() -> str:
    """Return where they come from."""
    return embedded("scikit-learn")


def enlarge(images: NDArray[np.float64]) -> Tensor:
    """Return 8x8 images ``(N, 8, 8)`` of whole numbers 0 .. 16 as float32 ``(N, 1, 28, 28)`` in [0, 1].

    Bilinear to 20x20 (pixel centres aligned, edges repeated), in the middle of a black frame of 28x28. The sums are
    of whole numbers, so that every machine gets the same bits.
    """
    weights = _tenths()
    grown = weights @ images.astype(np.int64) @ weights.T  # hundredths of the source's values
    framed = np.pad(grown, ((0, 0), *[((_SIDE - _BOX) // 2,) * 2] * 2))
    return torch.from_numpy(framed[:, None].astype(np.float32) / np.float32(100 * _INK))


def _tenths() -> NDArray[np.int64]:
    """Return the weights of linear interpolation from 8 to 20 samples, ``(20, 8)``, in tenths; each row sums to 10."""
    # Sample i lies at (i + 1/2) * 8/20 - 1/2 = (4 i - 3) / 10 among the source's, held within their ends.
    position = np.clip(4 * np.arange(_BOX) - 3, 0, 10 * (_SOURCE - 1))
    distance = np.abs(position[:, None] - 10 * np.arange(_SOURCE))
    weights: NDArray[np.int64] = np.maximum(10 - distance, 0)
    return weights
