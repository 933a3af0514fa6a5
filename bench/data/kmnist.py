"""The data set ``kmnist``: handwritten Japanese characters of ten classes."""

from __future__ import annotations

from pathlib import Path

from bench.data import idx, keras_npz
from bench.data.assemble import shuffled, stream
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.in_folder import Kept
from bench.data.location import Location

LAYOUT = keras_npz.Layout("kmnist", image=(28, 28), classes=10, counts={"test": 10_000})

FAMILY = "KMNIST"
"""torchvision's class, which keeps the files in ``KMNIST/raw``."""


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return Kuzushiji-MNIST's test images ``(10000, 1, 28, 28)``, labels 0 .. 9, in random order.

    A ``test`` split alone; the seed of its order is fixed. Source: ``kmnist.npz`` in ``data_dir``, else torchvision's
    folder there, to which the files are downloaded. Raises ``DataMissing`` where there is none of them, ``DataInvalid``
    where what is there is not KMNIST's.
    """
    source = _kept().source(data_dir, fetcher)
    test = keras_npz.labelled(source.arrays["x_test"], source.arrays["y_test"])
    return source.dataset({"test": shuffled(test.images, test.labels, stream("kmnist", "order"))}, {})


def locate(data_dir: Path) -> Location:
    """Return where KMNIST is, without reading it."""
    return _kept().locate(data_dir)


def remotes() -> tuple[Remote, ...]:
    """Return the files of KMNIST's test images on the net, as torchvision knows them."""
    return idx.remotes(FAMILY, idx.TEST)


def _kept() -> Kept:
    """Return how KMNIST is kept in the data folder."""
    return Kept(LAYOUT, (idx.torchvision_place(LAYOUT, FAMILY, idx.TEST),), remotes)
