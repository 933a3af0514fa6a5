"""What the tests of ``.npz`` files share: a small layout, arrays of it, and the fault of a file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.data import keras_npz
from bench.errors import DataInvalid, DataUnreadable

GREY = keras_npz.Layout("grey", image=(4, 4), classes=3, counts={"train": 6, "test": 2})
Arrays = dict[str, NDArray[Any]]


def make(layout: keras_npz.Layout) -> Arrays:
    random = np.random.default_rng(0)
    arrays: Arrays = {}
    for split, count in layout.counts.items():
        arrays[f"x_{split}"] = random.integers(0, 256, (count, *layout.image), dtype=np.uint8)
        arrays[f"y_{split}"] = np.arange(count, dtype=np.uint8) % layout.classes
    return arrays


def fault(path: Path) -> str:
    with pytest.raises(DataInvalid) as caught:
        keras_npz.read(path, GREY)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    mend = "replace it by a whole grey.npz"
    if isinstance(caught.value, DataUnreadable):
        mend = "make it a file that can be, or choose another folder with --data-dir"
    assert message.endswith(f"; {mend}")
    return message


def header(*shape: int) -> bytes:
    """The start of a .npy file of bytes, whose end is missing."""
    start = io.BytesIO()
    np.lib.format.write_array_header_1_0(start, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return start.getvalue()
