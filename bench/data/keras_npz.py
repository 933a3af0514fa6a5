"""Data sets as ``.npz`` files in the Keras layout: reading, checking, writing and digesting them."""

from __future__ import annotations

import errno
import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench import canonical
from bench.data import files
from bench.errors import DataInvalid, InvalidConfig
from defenses.base import LabelledImages

Arrays = Mapping[str, NDArray[Any]]
"""The arrays ``x_<split>`` (images) and ``y_<split>`` (labels) of a data set."""


BROKEN = "not a whole .npz file (an unfinished or damaged copy?)"

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # another encoding, of names of fields, which none has
}
"""What reads the header of an array, by the version of its format."""


@dataclass(frozen=True)
class Layout:
    """What the ``.npz`` file of a data set holds: for every split, uint8 images and whole-number labels."""

    name: str
    image: tuple[int, ...]  # shape of one image: (H, W), or (H, W, 3) for colour
    classes: int  # labels are 0 .. classes - 1
    counts: Mapping[str, int]  # images in each split of the file
    parts: Mapping[str, int] = field(default_factory=dict)  # images in a split of a part that is accepted too

    @property
    def file(self) -> str:
        """The name of the file in the data folder."""
        return f"{self.name}.npz"

    @property
    def keys(self) -> tuple[str, ...]:
        """The arrays that the file holds."""
        return tuple(f"{part}_{split}" for split in self.counts for part in "xy")


def read(path: Path, layout: Layout) -> dict[str, NDArray[Any]]:
    """Return the arrays of the file ``path``, checked; nothing in it is unpickled.

    Raises ``DataInvalid`` where it is no whole ``.npz`` file, an array is missing, or ``check`` finds fault.
    """
    mend = f"replace it by a whole {layout.file}"
    try:
        arrays = _arrays(path, layout.keys)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise files.unreadable(path, error) from None
        raise DataInvalid(f"{path}: {BROKEN}: a place in it that it names is not there; {mend}") from None
    except MemoryError as error:
        raise InvalidConfig(f"{path}: does not fit into memory: {error}; free some, or use fewer --jobs") from None
    except (ValueError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataInvalid(f"{path}: {BROKEN}: {' '.join(str(error).split())}; {mend}") from None
    missing = [key for key in layout.keys if key not in arrays]
    if missing:
        raise DataInvalid(f"{path}: has no array {missing[0]} (needs {', '.join(layout.keys)}); {mend}")
    for split in layout.counts:
        labels = arrays[f"y_{split}"]
        if labels.ndim == 2 and labels.shape[1] == 1:  # noqa: PLR2004  Keras gives the CIFAR sets' labels as a column
            arrays[f"y_{split}"] = labels[:, 0]
    check(arrays, layout, path, mend)
    return arrays


def _arrays(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return those of the arrays ``keys`` that the file holds; raise ``ValueError`` for a member that is none."""
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise zipfile.BadZipFile("the end is missing")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {key: _array(archive, key) for key in keys if key in archive.files}


def _array(archive: Any, key: str) -> NDArray[Any]:
    """Return a member of the archive; raise ``ValueError`` that names it where it is no array that memory holds."""
    try:
        found = archive[key]
    except OSError:
        raise
    except MemoryError as error:
        promised, held = _sizes(archive, key)
        if promised <= held:
            raise
        raise ValueError(f"{key}: {error}") from error
    except Exception as error:
        # A damaged header raises whatever Python's own parser or the allocation of its shape does.
        raise ValueError(f"{key}: {str(error) or type(error).__name__}") from error
    # What does not begin as a .npy file does, NumPy hands over as bytes.
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{key}: not an array in .npy format")  # noqa: TRY004  a damaged file is no wrong type
    promised, held = _sizes(archive, key)
    if promised != held:  # nothing has read the rest, nor so compared the checksum
        raise ValueError(f"{key}: {held - promised} bytes stand behind its array")
    return found


def _sizes(archive: Any, key: str) -> tuple[int, int]:
    """Return how many bytes a member must have by its own header, and how many it has by the archive's."""
    info = archive.zip.getinfo(key if key in archive.zip.namelist() else f"{key}.npy")
    with archive.zip.open(info) as member:
        header = HEADERS[np.lib.format.read_magic(member)]
        shape, _, dtype = header(member)
        return member.tell() + math.prod(shape) * dtype.itemsize, info.file_size


def check(arrays: Arrays, layout: Layout, source: Path, mend: str) -> None:
    """Raise ``DataInvalid``, naming ``source`` and ``mend``, where the arrays are not what ``layout`` says."""
    for split, count in layout.counts.items():
        images, labels = arrays[f"x_{split}"], arrays[f"y_{split}"]
        counts = (count, layout.parts[split]) if split in layout.parts else (count,)
        problems = {
            f"x_{split}": _of_images(images, layout.image, counts),
            f"y_{split}": _of_labels(labels, layout.classes, len(images) if images.ndim else count),
        }
        for key, problem in problems.items():
            if problem is not None:
                raise DataInvalid(f"{source}: {key} {problem}; {mend}")


def _of_images(found: NDArray[Any], image: tuple[int, ...], counts: tuple[int, ...]) -> str | None:
    """Return what is wrong with an array of images, of which there may be as many as one of ``counts``."""
    if found.dtype != np.uint8:
        return _of_pixels(found)
    if found.shape[1:] != image:
        return f"has shape {found.shape}, not {(counts[0], *image)}"
    if len(found) not in counts:
        return f"holds {len(found)} images, not {' or '.join(map(str, counts))}"
    return None


def _of_pixels(found: NDArray[Any]) -> str:
    """Return what is wrong with images that are not uint8."""
    kept = "pixels are kept as uint8, 0 .. 255"
    if not np.issubdtype(found.dtype, np.floating):
        return f"is of type {found.dtype}: {kept}"
    nan = int(np.isnan(found).sum())
    if nan:
        return f"has {nan} NaN pixels"
    if not found.size:
        return "is empty"
    if found.min() < 0 or found.max() > np.iinfo(np.uint8).max:
        return f"has pixels outside 0 .. 255 (from {found.min():g} to {found.max():g})"
    return f"is of type {found.dtype}, from {found.min():g} to {found.max():g}: {kept}"


def _of_labels(found: NDArray[Any], classes: int, count: int) -> str | None:
    """Return what is wrong with an array of labels, ``None`` where nothing is."""
    if found.dtype.kind not in "iu":
        return f"is of type {found.dtype}: labels are whole numbers"
    if found.shape != (count,):
        return f"has shape {found.shape}, not {(count,)}"
    if not found.size:
        return "is empty"
    if found.min() < 0 or found.max() >= classes:
        return f"has labels outside 0 .. {classes - 1} (from {found.min()} to {found.max()})"
    return None


def labelled(images: NDArray[Any], labels: NDArray[Any]) -> LabelledImages:
    """Return uint8 images ``(N, H, W[, C])`` as float32 ``(N, C, H, W)`` in [0, 1], with int64 labels."""
    pixels = torch.from_numpy(images)
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.movedim(-1, 1)  # noqa: PLR2004  (N, H, W): grey
    scaled = pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    return LabelledImages(scaled, torch.from_numpy(labels.astype(np.int64)))


def write(path: Path, arrays: Arrays) -> None:
    """Write the arrays to the file ``path``, whole or not at all; raise ``DataMissing`` where that cannot be done."""
    whole = io.BytesIO()
    # One by one: savez would take the names for its own arguments.
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
    files.put(path, whole.getvalue())


def digest(arrays: Arrays) -> str:
    """Return the sha256 of arrays by name: of their shapes and values, labels as int64 whatever they are kept as."""
    return canonical.digest({key: canonical.tensor_digest(_plain(key, array)) for key, array in arrays.items()})


def _plain(key: str, array: NDArray[Any]) -> torch.Tensor:
    """Return an array as a tensor, labels as int64."""
    return torch.from_numpy(array.astype(np.int64) if key.startswith("y") else np.ascontiguousarray(array))
