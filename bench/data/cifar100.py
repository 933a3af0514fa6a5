"""The data set ``cifar100``: small colour photographs of those classes that are unlike CIFAR-10's."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.data import keras_npz
from bench.data.assemble import stream
from bench.data.cifar import Batches
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.keras_npz import Arrays
from bench.data.location import Location, fetch_command
from bench.errors import DataInvalid
from defenses.base import LabelledImages

POOL = 250
"""The training split is drawn from the first 250 training images of a class."""

DRAWN = 200
"""How many of them the training split takes: 15,000 in all, the paper's dustbin for CIFAR-10."""

TESTS = 100
"""How many test images a class has."""

LAYOUT = keras_npz.Layout(
    "cifar100",
    image=(32, 32, 3),
    classes=100,
    counts={"train": 50_000, "test": 10_000},
    parts={"train": 25_000},
)

BATCHES = Batches(
    family="CIFAR100",
    folder="cifar-100-python",
    archive="cifar-100-python.tar.gz",
    names={"train": ("train",), "test": ("test",)},
    labels="fine_labels",
)

LEFT_OUT = {
    "vehicles 1": {8: "bicycle", 13: "bus", 48: "motorcycle", 58: "pickup truck", 90: "train"},
    "vehicles 2": {41: "lawn mower", 69: "rocket", 81: "streetcar", 85: "tank", 89: "tractor"},
    "medium-sized mammals": {34: "fox", 63: "porcupine", 64: "possum", 66: "raccoon", 75: "skunk"},
    "small mammals": {36: "hamster", 50: "mouse", 65: "rabbit", 74: "shrew", 80: "squirrel"},
    "large carnivores": {3: "bear", 42: "leopard", 43: "lion", 88: "tiger", 97: "wolf"},
}
"""The superclasses that overlap with CIFAR-10's classes (the paper's section VI): their classes, by fine label."""

KNOWN = {
    "789fd4fc608cc39a1435801b8f47f8cb134c710fd6b0b6ef4f3a60b6214140d4": "official images",
}
"""Digest of the first 250 training images and the test images of every class kept -> which copy it is."""


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return CIFAR-100 less five superclasses: images ``(N, 3, 32, 32)``, fine labels, 75 of 0 .. 99, in random order.

    Splits ``train`` (15,000: 200 of a class, drawn from the first 250 of its training images; neither exact copies of
    test images nor second copies are drawn) and ``test`` (7,500). The seed is fixed; the complete set and its half (the
    first 250 training images of every class, all test images) give the same splits, in whatever order the classes and
    the test images are. Source: ``cifar100.npz`` in ``data_dir``, else torchvision's folder of batches there, else the
    archive there, or downloaded to there, which is unpacked to that folder. Raises ``DataMissing`` where there is none
    of them, ``DataInvalid`` where what is there is not CIFAR-100.
    """
    source = BATCHES.kept(LAYOUT).source(data_dir, fetcher)
    mend = f"replace it, or delete it and run: {fetch_command('cifar100', data_dir)}"
    try:
        pool, test = _of_classes(source.arrays, "train", POOL), _of_classes(source.arrays, "test", TESTS)
        drawn = pool.only(_draw(pool.marks, set(test.marks)))
    except ValueError as error:
        raise DataInvalid(f"{data_dir / source.place}: {error}; {mend}") from None
    order = stream("cifar100", "order")
    splits = {"train": drawn.shuffled(order), "test": test.shuffled(order)}
    whole = len(source.arrays["y_train"]) == LAYOUT.counts["train"]
    extent = "complete" if whole else f"half (the first {POOL} training images of every class)"
    known = {digest: f"{extent}, {name}" for digest, name in KNOWN.items()}
    both: Arrays = {"x_train": pool.images, "y_train": pool.labels, "x_test": test.images, "y_test": test.labels}
    return source.dataset(splits, known, both)


def locate(data_dir: Path) -> Location:
    """Return where CIFAR-100 is, without reading it."""
    return BATCHES.kept(LAYOUT).locate(data_dir)


def remotes() -> tuple[Remote, ...]:
    """Return CIFAR-100's archive on the net, as torchvision knows it."""
    return BATCHES.remotes()


@dataclass(frozen=True)
class _Chosen:
    """Images ``(N, 32, 32, 3)`` with their labels, and a mark of each image that only its exact copies share."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    marks: tuple[bytes, ...]

    def only(self, which: list[int]) -> _Chosen:
        """Return those at the places ``which``."""
        return _Chosen(self.images[which], self.labels[which], tuple(self.marks[place] for place in which))

    def shuffled(self, generator: torch.Generator) -> LabelledImages:
        """Return them as a split, in a random order."""
        order = torch.randperm(len(self.labels), generator=generator).numpy()
        return keras_npz.labelled(self.images[order], self.labels[order])


def _of_classes(arrays: Arrays, split: str, keep: int) -> _Chosen:
    """Return the first ``keep`` images of each class that is not left out, class after class.

    Within a class they are in an order that depends on their bytes alone. Raises ``ValueError`` where the classes do
    not come equally often.
    """
    images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
    counts = np.bincount(labels, minlength=LAYOUT.classes)
    if counts.min() != counts.max():
        raise ValueError(f"y_{split} has {counts.min()} to {counts.max()} images of a class, not as many of each")
    left_out = {label for group in LEFT_OUT.values() for label in group}
    first = np.argsort(labels, kind="stable").reshape(LAYOUT.classes, -1)[:, :keep]
    marks = {int(place): hashlib.sha256(images[place].tobytes()).digest()
             for label, places in enumerate(first) if label not in left_out for place in places}  # fmt: skip
    chosen = sorted(marks, key=lambda place: (labels[place], marks[place]))
    return _Chosen(images[chosen], labels[chosen].astype(np.int64), tuple(marks[place] for place in chosen))


def _draw(pool: tuple[bytes, ...], tests: set[bytes]) -> list[int]:
    """Return the places, in the pool, of the training split's images: class after class, in random order.

    Copies of ``tests`` and second copies are passed over. Raises ``ValueError`` where a class has too few.
    """
    generator = stream("cifar100", "split")
    seen = set(tests)
    drawn: list[int] = []
    for start in range(0, len(pool), POOL):
        usable = []
        for place in range(start, start + POOL):
            if pool[place] not in seen:
                seen.add(pool[place])
                usable.append(place)
        if len(usable) < DRAWN:
            raise ValueError(f"a class has {len(usable)} different training images, fewer than {DRAWN}")
        order = torch.randperm(len(usable), generator=generator)[:DRAWN]
        drawn += [usable[place] for place in order.tolist()]
    return drawn
