"""The data set ``fashion_mnist``: articles of clothing of ten classes."""

from __future__ import annotations

from pathlib import Path

from bench.data import idx, keras_npz
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.in_folder import Found, Kept, Place
from bench.data.location import Location

LAYOUT = keras_npz.Layout("fashion_mnist", image=(28, 28), classes=10, counts={"test": 10_000})

FAMILY = "FashionMNIST"
"""torchvision's class, which keeps the files in ``FashionMNIST/raw``."""

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""The folder where Debian's package ``dataset-fashion-mnist`` puts the files, gzipped anew."""

KNOWN = {
    "ee340689650753f3699d0652b1dd50c45ea64afddee57d94542ae0cedcf71aae": "complete, official order",
}
"""Digest of the source's test images and labels -> which copy it is."""


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return Fashion-MNIST's test images ``(10000, 1, 28, 28)``, labels 0 .. 9, in the official, mixed order.

    A ``test`` split alone. Source: ``fashion_mnist.npz`` in ``data_dir``, else torchvision's folder there, else the
    folder of Debian's package, else a download to torchvision's folder. Raises ``DataMissing`` where there is none of
    them, ``DataInvalid`` where what is there is not Fashion-MNIST's.
    """
    source = _kept().source(data_dir, fetcher)
    test = keras_npz.labelled(source.arrays["x_test"], source.arrays["y_test"])
    return source.dataset({"test": test}, KNOWN)


def locate(data_dir: Path) -> Location:
    """Return where Fashion-MNIST is, without reading it."""
    return _kept().locate(data_dir)


def remotes() -> tuple[Remote, ...]:
    """Return the files of Fashion-MNIST's test images on the net, as torchvision knows them."""
    return idx.remotes(FAMILY, idx.TEST)


def _kept() -> Kept:
    """Return how Fashion-MNIST is kept in the data folder, and beside it."""

    def read(_: Path) -> Found:
        mend = f"reinstall the package dataset-fashion-mnist, or put {LAYOUT.file} into the data folder"
        arrays, _md5s = idx.read_files(DEBIAN, idx.TEST, LAYOUT.name, mend)
        keras_npz.check(arrays, LAYOUT, DEBIAN, mend)
        return Found(arrays)

    debian = Place(DEBIAN.as_posix(), lambda _: idx.there(DEBIAN, idx.TEST), read)
    return Kept(LAYOUT, (idx.torchvision_place(LAYOUT, FAMILY, idx.TEST), debian), remotes)
