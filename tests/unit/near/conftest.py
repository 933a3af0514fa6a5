"""Small near out-distribution test sets, and the files that hold them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from torchvision.datasets import KMNIST, FashionMNIST

from bench import data
from bench.data import emnist_letters, fashion_mnist, kmnist, svhn
from bench.errors import DataInvalid

COUNT = 40
FAMILIES = {"fashion_mnist": FashionMNIST, "kmnist": KMNIST}
MODULES: dict[str, ModuleType] = {"fashion_mnist": fashion_mnist, "kmnist": kmnist, "emnist_letters": emnist_letters,
                                  "svhn": svhn}  # fmt: skip
Arrays = dict[str, NDArray[Any]]


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx_file(array: NDArray[Any]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Sets of 40 images, on a machine without Debian's package."""
    for module in MODULES.values():
        monkeypatch.setattr(module, "LAYOUT", replace(module.LAYOUT, counts={"test": COUNT}))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "usr")


def make(name: str) -> Arrays:
    layout, random = MODULES[name].LAYOUT, np.random.default_rng(0)
    images = random.integers(0, 256, (COUNT, *layout.image), dtype=np.uint8)
    return {"x_test": images, "y_test": np.sort(np.arange(COUNT) % layout.classes)}


def write_idx(folder: Path, arrays: Arrays, names: dict[str, str], *, zipped: bool) -> dict[str, str]:
    """Write the arrays' files into the folder, and return their md5s."""
    folder.mkdir(parents=True, exist_ok=True)
    md5s = {}
    for key, name in names.items():
        content = gzip.compress(idx_file(arrays[key])) if zipped else idx_file(arrays[key])
        path = folder / f"{name}{'.gz' if zipped else ''}"
        path.write_bytes(content)
        md5s[path.name] = md5(content)
    return md5s


def refused(name: str, data_dir: Path) -> str:
    with pytest.raises(DataInvalid) as caught:
        data.load(name, data_dir)
    message = str(caught.value)
    assert "\n" not in message
    return message
