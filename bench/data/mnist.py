"""The data set ``mnist``: handwritten digits."""

from __future__ import annotations

from pathlib import Path

from bench.data import idx, keras_npz
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.in_folder import Kept
from bench.data.location import Location
from defenses.base import LabelledImages

LAYOUT = keras_npz.Layout("mnist", image=(28, 28), classes=10, counts={"train": 60_000, "test": 10_000})

FAMILY = "MNIST"
"""torchvision's class, which keeps the files in ``MNIST/raw``."""

FILES = {**idx.TRAIN, **idx.TEST}

TRAIN_IMAGES = 50_000
"""The first 50,000 training images are the training split, the last 10,000 the validation split."""

KNOWN = {
    "4f568d8f0d7ba35f9c1eaf7438e040882a92d0fa483b5db29c2a8ef384695085": "complete, official order",
}
"""Digest of the source's arrays -> which copy it is."""


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return MNIST: images ``(N, 1, 28, 28)``, labels 0 .. 9, in the official order.

    Splits ``train`` (50,000), ``validation`` (10,000) and ``test`` (10,000). Source: ``mnist.npz`` in ``data_dir``,
    else torchvision's folder there, to which the files are downloaded. Raises ``DataMissing`` where there is none of
    them, ``DataInvalid`` where what is there is not MNIST's.
    """
    source = _kept().source(data_dir, fetcher)
    arrays = source.arrays
    known = keras_npz.labelled(arrays["x_train"], arrays["y_train"])
    splits = {
        "train": LabelledImages(known.images[:TRAIN_IMAGES], known.labels[:TRAIN_IMAGES]),
        "validation": LabelledImages(known.images[TRAIN_IMAGES:], known.labels[TRAIN_IMAGES:]),
        "test": keras_npz.labelled(arrays["x_test"], arrays["y_test"]),
    }
    return source.dataset(splits, KNOWN)


def locate(data_dir: Path) -> Location:
    """Return where MNIST is, without reading it."""
    return _kept().locate(data_dir)


def remotes() -> tuple[Remote, ...]:
    """Return MNIST's files on the net, as torchvision knows them."""
    return idx.remotes(FAMILY, FILES)


def _kept() -> Kept:
    """Return how MNIST is kept in the data folder."""
    return Kept(LAYOUT, (idx.torchvision_place(LAYOUT, FAMILY, FILES),), remotes)
