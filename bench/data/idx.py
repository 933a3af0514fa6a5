"""MNIST's file format, idx, as torchvision keeps its kin: plain files, or gzipped as they are on the net."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data import files, keras_npz
from bench.data.download import Remote
from bench.data.in_folder import Found, Place
from bench.data.keras_npz import Layout
from bench.data.location import fetch_command
from bench.errors import DataInvalid

TRAIN = {"x_train": "train-images-idx3-ubyte", "y_train": "train-labels-idx1-ubyte"}
TEST = {"x_test": "t10k-images-idx3-ubyte", "y_test": "t10k-labels-idx1-ubyte"}
"""What the files of MNIST and of those made in its likeness are called."""

_BYTES = b"\x00\x00\x08"  # how an idx file of bytes begins; the number of dimensions follows


def torchvision_place(layout: Layout, family: str, names: Mapping[str, str]) -> Place:
    """Return the folder, in the data folder, where torchvision's class ``family`` keeps the files ``names``."""
    folder = Path(family, "raw")

    def read(data_dir: Path) -> Found:
        mend = f"delete {data_dir / folder} and run: {fetch_command(layout.name, data_dir)}"
        arrays, md5s = read_files(data_dir / folder, names, layout.name, mend)
        keras_npz.check(arrays, layout, data_dir / folder, mend)
        return Found(arrays, official=md5s is not None and md5s.items() <= _resources(family).items())

    return Place(folder.as_posix(), lambda data_dir: there(data_dir / folder, names), read)


def remotes(family: str, names: Mapping[str, str]) -> tuple[Remote, ...]:
    """Return the files ``names`` on the net, gzipped, as torchvision's class ``family`` knows them."""
    md5s = _resources(family)
    mirrors = _torchvision(family).mirrors
    return tuple(
        Remote(tuple(f"{mirror}{name}.gz" for mirror in mirrors), PurePosixPath(family, "raw", f"{name}.gz"),
               md5s[f"{name}.gz"])
        for name in names.values()
    )  # fmt: skip


def there(folder: Path, names: Mapping[str, str]) -> bool:
    """Return whether the folder has every one of the files, plain or gzipped."""
    return all((folder / name).exists() or (folder / f"{name}.gz").exists() for name in names.values())


def read_files(
    folder: Path, names: Mapping[str, str], dataset: str, mend: str
) -> tuple[dict[str, NDArray[Any]], dict[str, str] | None]:
    """Return the arrays of the files ``names`` in the folder, unchecked, and the md5s of the files.

    A gzipped file comes before the plain one, because its md5 is the one that is published: the md5s are ``None``
    where one is plain. Raises ``DataInvalid`` that names the file at fault.
    """
    arrays, md5s, zipped = {}, {}, True
    for key, name in names.items():
        path = folder / f"{name}.gz"
        if not path.exists():
            path, zipped = folder / name, False
        with files.readable(path):
            content = path.read_bytes()
        try:
            md5s[path.name] = files.md5(content)
            arrays[key] = parse(content)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            what = " ".join(str(error).split())
            raise DataInvalid(f"{path}: not a whole file of {dataset}: {what}; {mend}") from None
    return arrays, md5s if zipped else None


def parse(content: bytes) -> NDArray[np.uint8]:
    """Return the array of an idx file of bytes, gzipped or plain; raise ``ValueError`` where it is not whole.

    A broken gzip raises ``OSError``, ``EOFError`` or ``zlib.error``.
    """
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    if content[:3] != _BYTES or len(content) < 4:  # noqa: PLR2004  the byte after is the number of dimensions
        raise ValueError("it does not begin as an idx file of bytes does")
    start = 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content[4:start], ">u4").tolist())
    promised = start + math.prod(shape)
    if len(content) != promised:
        raise ValueError(f"it holds {len(content)} bytes, not {promised}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _resources(family: str) -> dict[str, str]:
    """Return the md5 of each gzipped file that torchvision's class ``family`` names."""
    return dict(_torchvision(family).resources)


def _torchvision(family: str) -> Any:
    """Return torchvision's class of that name."""
    import torchvision.datasets  # noqa: PLC0415  slow to import

    return getattr(torchvision.datasets, family)
