"""The data set ``emnist_letters``: handwritten Latin letters, upper and lower case together."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from bench.data import files, idx, keras_npz
from bench.data.assemble import shuffled, stream
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.in_folder import Found, Kept, Place
from bench.data.keras_npz import Arrays
from bench.data.location import Location, fetch_command
from bench.errors import DataInvalid

LAYOUT = keras_npz.Layout("emnist_letters", image=(28, 28), classes=26, counts={"test": 20_800})

RAW = Path("EMNIST", "raw")
"""The folder, in the data folder, where torchvision keeps EMNIST."""

ARCHIVE = RAW / "gzip.zip"
"""The archive of all of EMNIST, as torchvision leaves it there. It is read as it is."""

FILES = {"x_test": "emnist-letters-test-images-idx3-ubyte", "y_test": "emnist-letters-test-labels-idx1-ubyte"}


def load(data_dir: Path, fetcher: Fetcher | None) -> Dataset:
    """Return EMNIST's test letters ``(20800, 1, 28, 28)``, upright, labels 0 .. 25 for a .. z, in random order.

    A ``test`` split alone; the seed of its order is fixed, since the official order is by class. Source:
    ``emnist_letters.npz`` in ``data_dir``, else EMNIST's archive in torchvision's folder there, else the files
    unpacked from it there, else the archive downloaded to there. Raises ``DataMissing`` where there is none of them,
    ``DataInvalid`` where what is there is not EMNIST's.
    """
    source = _kept().source(data_dir, fetcher)
    test = keras_npz.labelled(source.arrays["x_test"], source.arrays["y_test"])
    return source.dataset({"test": shuffled(test.images, test.labels, stream("emnist_letters", "order"))}, {})


def locate(data_dir: Path) -> Location:
    """Return where EMNIST's letters are, without reading them."""
    return _kept().locate(data_dir)


def remotes() -> tuple[Remote, ...]:
    """Return EMNIST's archive on the net, as torchvision knows it."""
    known = _torchvision()
    return (Remote((known.url,), PurePosixPath(ARCHIVE.as_posix()), known.md5),)


def _kept() -> Kept:
    """Return how EMNIST is kept in the data folder."""
    archive = Place(ARCHIVE.as_posix(), lambda data_dir: (data_dir / ARCHIVE).exists(), _read_archive)
    folder = Place(RAW.as_posix(), lambda data_dir: idx.there(data_dir / RAW, FILES), _read_folder)
    return Kept(LAYOUT, (archive, folder), remotes)


def _read_archive(data_dir: Path) -> Found:
    """Return the letters in the archive; raise ``DataInvalid`` where it is not the one that torchvision names."""
    path, known = data_dir / ARCHIVE, _torchvision().md5
    mend = f"delete it and run: {fetch_command(LAYOUT.name, data_dir)}"
    try:
        files.check(path, files.md5_of(path), known, mend)
        with files.readable(path), zipfile.ZipFile(path) as archive:
            arrays = {key: idx.parse(archive.read(f"gzip/{name}.gz")) for key, name in FILES.items()}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataInvalid(f"{path}: cannot be read: {' '.join(str(error).split())}; {mend}") from None
    return Found(_upright(arrays, path, mend), official=True)


def _read_folder(data_dir: Path) -> Found:
    """Return the letters in the files that torchvision unpacked."""
    folder = data_dir / RAW
    mend = f"delete {folder} and run: {fetch_command(LAYOUT.name, data_dir)}"
    arrays, _ = idx.read_files(folder, FILES, LAYOUT.name, mend)
    return Found(_upright(arrays, folder, mend))


def _upright(arrays: Mapping[str, NDArray[Any]], source: Path, mend: str) -> Arrays:
    """Return what EMNIST's files hold, columns as rows and labels 1 .. 26, as images and labels 0 .. 25, checked."""
    counted = {"x_test": arrays["x_test"], "y_test": arrays["y_test"].astype(int) - 1}
    keras_npz.check(counted, LAYOUT, source, mend)
    return {**counted, "x_test": counted["x_test"].swapaxes(1, 2)}


def _torchvision() -> Any:
    """Return torchvision's class."""
    from torchvision.datasets import EMNIST  # noqa: PLC0415  slow to import

    return EMNIST
