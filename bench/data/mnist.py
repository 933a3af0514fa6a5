"""The data set ``mnist``: handwritten digits, from ``mnist.npz``, torchvision's folder, or torchvision's download."""

from __future__ import annotations

import tempfile
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from bench.data import keras_npz
from bench.data.assemble import assemble
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote, failed
from bench.data.location import Location, missing, not_at_hand
from bench.errors import DataInvalid
from defenses.base import LabelledImages

LAYOUT = keras_npz.Layout("mnist", image=(28, 28), classes=10, counts={"train": 60_000, "test": 10_000})

TRAIN_IMAGES = 50_000
"""The first 50,000 training images are the training split, the last 10,000 the validation split."""

RAW = Path("MNIST", "raw")
"""The folder, in the data folder, where torchvision keeps MNIST."""

_FILES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return MNIST: images ``(N, 1, 28, 28)``, labels 0 .. 9, in the official order.

    Splits ``train`` (50,000), ``validation`` (10,000) and ``test`` (10,000). Source: ``mnist.npz`` in ``data_dir``,
    else torchvision's folder there, else torchvision's download, kept as ``mnist.npz``. Raises ``DataMissing`` where
    there is none of them, ``DataInvalid`` where what is there is not MNIST's.
    """
    location = locate(data_dir)
    if location.mend is not None:
        if fetcher is None:
            raise not_at_hand(location)
        _download(data_dir, location.mend)
        location = locate(data_dir)
    if location.origin == LAYOUT.file:
        arrays = keras_npz.read(data_dir / LAYOUT.file, LAYOUT)
    else:
        arrays = _read_raw(data_dir / RAW)
    known = keras_npz.labelled(arrays["x_train"], arrays["y_train"])
    splits = {
        "train": LabelledImages(known.images[:TRAIN_IMAGES], known.labels[:TRAIN_IMAGES]),
        "validation": LabelledImages(known.images[TRAIN_IMAGES:], known.labels[TRAIN_IMAGES:]),
        "test": keras_npz.labelled(arrays["x_test"], arrays["y_test"]),
    }
    return assemble("mnist", splits, str(location.origin))


def remotes() -> tuple[Remote, ...]:
    """Return MNIST's files on the net, as torchvision knows them."""
    from torchvision.datasets import MNIST  # noqa: PLC0415  slow to import

    return tuple(
        Remote(tuple(f"{mirror}{name}" for mirror in MNIST.mirrors), PurePosixPath(RAW.as_posix(), name), md5)
        for name, md5 in MNIST.resources
    )


def locate(data_dir: Path) -> Location:
    """Return where MNIST is, without reading it."""
    if (data_dir / LAYOUT.file).exists():
        return Location("mnist", LAYOUT.file, None)
    if all((data_dir / RAW / file).exists() for file in _FILES.values()):
        return Location("mnist", RAW.as_posix(), None)
    return missing("mnist", data_dir)


def _read_raw(folder: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of torchvision's raw files, checked; raise ``DataInvalid`` naming the file at fault."""
    # The files' readers, not the data set's class: that one would take a pickle in a folder beside them instead.
    from torchvision.datasets.mnist import read_image_file, read_label_file  # noqa: PLC0415  slow to import

    mend = f"delete {folder} and pass --download"
    arrays = {}
    for key, name in _FILES.items():
        try:
            arrays[key] = (read_image_file if key.startswith("x") else read_label_file)(str(folder / name)).numpy()
        except (OSError, AssertionError, KeyError, TypeError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())
            raise DataInvalid(f"{folder / name}: not a whole file of MNIST: {why}; {mend}") from None
    keras_npz.check(arrays, LAYOUT, folder, mend)
    return arrays


def _download(data_dir: Path, mend: str) -> None:
    """Let torchvision download MNIST, and keep it as ``mnist.npz``; raise ``DataMissing`` where that fails."""
    from torchvision.datasets import MNIST  # noqa: PLC0415  slow to import

    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        # A folder of its own: nothing half done is ever taken for torchvision's.
        with tempfile.TemporaryDirectory(prefix=".mnist-", dir=data_dir) as folder:
            MNIST(folder, download=True)
            arrays = _read_raw(Path(folder) / RAW)
    except (OSError, HTTPException, RuntimeError) as error:
        raise failed("mnist", error, mend) from None
    keras_npz.write(data_dir / LAYOUT.file, arrays)
