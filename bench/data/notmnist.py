"""The data set ``notmnist``: letters A to J in many fonts, from ``notmnist.npz`` or its own archive."""

from __future__ import annotations

import io
import tarfile
import warnings
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.data import files, keras_npz
from bench.data.assemble import stream
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.in_folder import Kept, Packed
from bench.data.location import Location, fetch_command
from bench.errors import DataInvalid

LETTERS = "ABCDEFGHIJ"

LAYOUT = keras_npz.Layout("notmnist", image=(28, 28), classes=len(LETTERS), counts={"train": 18_724})

TRAIN_IMAGES = 10_000
"""How many of the distinct images are the training split: the paper's dustbin for MNIST. The others are the test's."""

ARCHIVE = "notMNIST_small.tar.gz"
ADDRESSES = (
    f"http://yaroslavvb.com/upload/notMNIST/{ARCHIVE}",
    f"https://commondatastorage.googleapis.com/books1000/{ARCHIVE}",
)
"""Its author's site, and the copy that a course on TensorFlow used."""

MD5, SIZE = "c9890a473a9769fda4bdf314aaf500dd", 8_458_043
"""Of the archive, as those who use it publish them."""

KNOWN = {
    "49ddc9f690042621dfbb75e2391c77fde37cadacfee2c568cb4a99cfe0b1d80d": "notMNIST_small, complete",
}
"""Digest of the distinct images, in the order of their bytes, and their labels -> which copy it is."""


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return notMNIST (small): images ``(N, 1, 28, 28)``, labels 0 .. 9 for A .. J, distinct, in random order.

    Splits ``train`` (10,000) and ``test`` (the other distinct ones: 8,232), whatever order the source has them in;
    the seed is fixed. Source: ``notmnist.npz`` in ``data_dir``, else the archive ``notMNIST_small.tar.gz`` there, or
    downloaded to there, whose images are then kept as ``notmnist.npz``. Raises ``DataMissing`` where there is none of
    them, ``DataInvalid`` where what is there is not notMNIST.
    """
    source = _kept().source(data_dir, fetcher)
    arrays = source.arrays
    images, labels = distinct(arrays["x_train"], arrays["y_train"])
    if len(labels) <= TRAIN_IMAGES:
        raise DataInvalid(
            f"notmnist: {source.place}: has {len(labels)} distinct images, too few for {TRAIN_IMAGES} to train on and "
            "others to test on; put a whole copy in its place"
        )
    order = torch.randperm(len(labels), generator=stream("notmnist", "split")).numpy()
    train, test = order[:TRAIN_IMAGES], order[TRAIN_IMAGES:]
    splits = {
        "train": keras_npz.labelled(images[train], labels[train]),
        "test": keras_npz.labelled(images[test], labels[test]),
    }
    note = f"{len(arrays['y_train']) - len(labels)} exact duplicates among notMNIST's images are left out"
    return source.dataset(splits, KNOWN, {"x_train": images, "y_train": labels}, (note,))


def remotes() -> tuple[Remote, ...]:
    """Return the archive on the net."""
    return (Remote(ADDRESSES, PurePosixPath(ARCHIVE), MD5, SIZE),)


def locate(data_dir: Path) -> Location:
    """Return where notMNIST is, without reading it."""
    return _kept().locate(data_dir)


def _kept() -> Kept:
    """Return how notMNIST is kept in the data folder."""

    def unpack(data_dir: Path) -> None:
        keras_npz.write(data_dir / LAYOUT.file, read_archive(data_dir / ARCHIVE))

    return Kept(LAYOUT, (), remotes, Packed(ARCHIVE, unpack))


def distinct(images: NDArray[np.uint8], labels: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return each different image of ``(N, H, W)`` once, with its lowest label, sorted by the bytes of the image."""
    rows = np.column_stack([images.reshape(len(images), -1), labels.astype(np.uint8)])
    ordered = np.sort(rows.view(f"V{rows.shape[1]}").ravel()).view(np.uint8).reshape(rows.shape)
    first = np.ones(len(rows), dtype=bool)
    first[1:] = (ordered[1:, :-1] != ordered[:-1, :-1]).any(axis=1)
    kept = ordered[first]
    return kept[:, :-1].reshape(-1, *images.shape[1:]), kept[:, -1]


def read_archive(archive: Path) -> dict[str, NDArray[Any]]:
    """Return the images and labels of the archive, class after class, checked.

    PNG files that cannot be read are skipped: two are known to be so. Links are not followed. Raises ``DataInvalid``
    where the archive is not whole, or does not hold as many images as it should.
    """
    mend = f"delete it and run: {fetch_command('notmnist', archive.parent)}"
    found: list[tuple[int, str, NDArray[np.uint8]]] = []
    try:
        with files.readable(archive), tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                wanted = member.isreg() and path.suffix == ".png" and path.parent.name in tuple(LETTERS)
                file = tar.extractfile(member) if wanted else None
                pixels = None if file is None else _decode(file.read())
                if pixels is not None:
                    found.append((LETTERS.index(path.parent.name), path.name, pixels))
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        raise DataInvalid(f"{archive}: not a whole archive: {' '.join(str(error).split())}; {mend}") from None
    found.sort(key=lambda entry: entry[:2])
    odd = [name for _, name, pixels in found if pixels.shape != LAYOUT.image]
    if odd or not found:
        what = f"{odd[0]!r} is not of 28x28 pixels" if odd else "holds no images of letters"
        raise DataInvalid(f"{archive}: {what}; {mend}")
    arrays: dict[str, NDArray[Any]] = {
        "x_train": np.stack([pixels for *_, pixels in found]),
        "y_train": np.array([label for label, *_ in found], dtype=np.uint8),
    }
    keras_npz.check(arrays, LAYOUT, archive, mend)
    return arrays


def _decode(png: bytes) -> NDArray[np.uint8] | None:
    """Return the grey image ``(H, W)`` of a PNG file's bytes, ``None`` where it cannot be read."""
    try:
        with warnings.catch_warnings():
            # Short of the size that it refuses, Pillow warns.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
                return np.asarray(image.convert("L"))
    except Exception:  # noqa: BLE001  which errors Pillow and its parsers raise for broken bytes is nowhere said
        return None
