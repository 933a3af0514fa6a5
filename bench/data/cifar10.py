"""The data set ``cifar10``: small colour photographs of ten classes."""

from __future__ import annotations

from pathlib import Path

from bench.data import keras_npz
from bench.data.cifar import Batches
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.location import Location
from defenses.base import LabelledImages

LAYOUT = keras_npz.Layout("cifar10", image=(32, 32, 3), classes=10, counts={"train": 50_000, "test": 10_000})

BATCHES = Batches(
    family="CIFAR10",
    folder="cifar-10-batches-py",
    archive="cifar-10-python.tar.gz",
    names={"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)},
    labels="labels",
)

TRAIN_IMAGES = 49_000
"""The last 1,000 of the 50,000 training images are the validation split: the paper trains on all of them."""

KNOWN = {
    "9a7bde3e722298fc09f398b83e9caa80f0b14427635888a3531060ebcb290ac0": "complete, 23 test images from JPEG",
}
"""Digest of the source's arrays -> which copy it is."""


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return CIFAR-10: images ``(N, 3, 32, 32)``, labels 0 .. 9, in the official order.

    Splits ``train`` (49,000), ``validation`` (1,000) and ``test`` (10,000). Source: ``cifar10.npz`` in ``data_dir``,
    else torchvision's folder of batches there, else the archive there, or downloaded to there, which is unpacked to
    that folder. Raises ``DataMissing`` where there is none of them, ``DataInvalid`` where what is there is not
    CIFAR-10.
    """
    source = BATCHES.kept(LAYOUT).source(data_dir, fetcher)
    arrays = source.arrays
    known = keras_npz.labelled(arrays["x_train"], arrays["y_train"])
    splits = {
        "train": LabelledImages(known.images[:TRAIN_IMAGES], known.labels[:TRAIN_IMAGES]),
        "validation": LabelledImages(known.images[TRAIN_IMAGES:], known.labels[TRAIN_IMAGES:]),
        "test": keras_npz.labelled(arrays["x_test"], arrays["y_test"]),
    }
    return source.dataset(splits, KNOWN)


def locate(data_dir: Path) -> Location:
    """Return where CIFAR-10 is, without reading it."""
    return BATCHES.kept(LAYOUT).locate(data_dir)


def remotes() -> tuple[Remote, ...]:
    """Return CIFAR-10's archive on the net, as torchvision knows it."""
    return BATCHES.remotes()
