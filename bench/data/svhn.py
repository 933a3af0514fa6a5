"""The data set ``svhn``: digits of house numbers, photographed."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np

from bench.data import files, keras_npz
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.in_folder import Found, Kept, Place
from bench.data.location import Location, fetch_command

LAYOUT = keras_npz.Layout("svhn", image=(32, 32, 3), classes=10, counts={"test": 26_032})

FILE = "test_32x32.mat"
"""The file, in the data folder, that torchvision leaves there."""


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return SVHN's cropped test digits ``(26032, 3, 32, 32)``, labels 0 .. 9, in the official, mixed order.

    A ``test`` split alone. Source: ``svhn.npz`` in ``data_dir``, else torchvision's file there, or downloaded to there.
    Raises ``DataMissing`` where there is none of them, ``DataInvalid`` where what is there is not SVHN's.
    """
    source = _kept().source(data_dir, fetcher)
    test = keras_npz.labelled(source.arrays["x_test"], source.arrays["y_test"])
    return source.dataset({"test": test}, {})


def locate(data_dir: Path) -> Location:
    """Return where SVHN is, without reading it."""
    return _kept().locate(data_dir)


def remotes() -> tuple[Remote, ...]:
    """Return the file of SVHN's test digits on the net, as torchvision knows it."""
    address, _, md5 = _torchvision()
    return (Remote((address,), PurePosixPath(FILE), md5),)


def _kept() -> Kept:
    """Return how SVHN is kept in the data folder."""
    return Kept(LAYOUT, (Place(FILE, lambda data_dir: (data_dir / FILE).exists(), _read),), remotes)


def _read(data_dir: Path) -> Found:
    """Return the digits in torchvision's file; raise ``DataInvalid``, and leave any other file unopened."""
    from scipy.io import loadmat  # noqa: PLC0415  slow to import

    path, mend = data_dir / FILE, f"delete it and run: {fetch_command(LAYOUT.name, data_dir)}"
    content = files.official(path, _torchvision()[2], mend)
    held = loadmat(io.BytesIO(content), variable_names=["X", "y"])
    # There the images come last, and the digit 0 is labelled 10.
    arrays = {"x_test": np.ascontiguousarray(held["X"].transpose(3, 0, 1, 2)), "y_test": held["y"].ravel() % 10}
    keras_npz.check(arrays, LAYOUT, path, mend)
    return Found(arrays, official=True)


def _torchvision() -> tuple[str, str, str]:
    """Return the address, the name and the md5 of the file, as torchvision knows them."""
    from torchvision.datasets import SVHN  # noqa: PLC0415  slow to import

    address, name, md5 = SVHN.split_list["test"]
    return address, name, md5
