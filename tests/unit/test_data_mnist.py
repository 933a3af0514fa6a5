"""MNIST from a file and from torchvision's folder: the same digits, and faults that name their file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench import data
from bench.data import keras_npz, mnist
from bench.errors import DataInvalid

NAMES = {"x_train": "train-images-idx3", "y_train": "train-labels-idx1", "x_test": "t10k-images-idx3",
         "y_test": "t10k-labels-idx1"}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray[Any]]:
    """An MNIST of 12 and 5 images, of which 9 are the training split."""
    monkeypatch.setattr(mnist, "LAYOUT", replace(mnist.LAYOUT, counts={"train": 12, "test": 5}))
    monkeypatch.setattr(mnist, "TRAIN_IMAGES", 9)
    random = np.random.default_rng(0)
    return {
        "x_train": random.integers(0, 256, (12, 28, 28), dtype=np.uint8),
        "y_train": random.integers(0, 10, 12, dtype=np.uint8),
        "x_test": random.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "y_test": random.integers(0, 10, 5, dtype=np.uint8),
    }


def write_raw(data_dir: Path, arrays: dict[str, NDArray[Any]]) -> Path:
    """Write the arrays as torchvision keeps them: type 8 (bytes), the dimensions big-endian, the bytes."""
    folder = data_dir / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for key, array in arrays.items():
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
        (folder / f"{NAMES[key]}-ubyte").write_bytes(header + array.tobytes())
    return folder


def test_the_last_training_images_are_the_validation_split(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    keras_npz.write(tmp_path / "mnist.npz", small)
    found = data.load("mnist", tmp_path)
    assert found.origin == "mnist.npz: unknown copy"
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 9, "validation": 3, "test": 5}
    both = [found.splits["train"], found.splits["validation"]]
    images = torch.cat([held.images for held in both])[:, 0]
    torch.testing.assert_close(images, torch.from_numpy(small["x_train"]) / 255, atol=0, rtol=0)
    assert torch.cat([held.labels for held in both]).tolist() == small["y_train"].tolist()
    assert found.splits["test"].labels.tolist() == small["y_test"].tolist()


def test_torchvision_s_folder_gives_the_same_data(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    write_raw(tmp_path / "raw", small)
    keras_npz.write(tmp_path / "mnist.npz", small)
    raw = data.load("mnist", tmp_path / "raw")
    assert raw.origin == "MNIST/raw: unknown copy"
    assert data.locate("mnist", tmp_path / "raw").origin == "MNIST/raw"
    assert raw.digest == data.load("mnist", tmp_path).digest


def test_the_npz_comes_first_even_when_it_is_invalid(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    write_raw(tmp_path, small)
    (tmp_path / "mnist.npz").write_bytes(b"")
    with pytest.raises(DataInvalid, match=r"mnist\.npz: not a whole"):
        data.load("mnist", tmp_path)


def test_a_pickle_beside_torchvision_s_folder_is_left_alone(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    write_raw(tmp_path, small)
    (tmp_path / "MNIST" / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        (tmp_path / "MNIST" / "processed" / name).write_bytes(b"no tensor")
    assert data.load("mnist", tmp_path).origin == "MNIST/raw: unknown copy"


def test_a_torchvision_folder_without_one_of_its_files_is_none(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    del small["y_test"]
    write_raw(tmp_path, small)
    assert data.locate("mnist", tmp_path).origin is None


@pytest.mark.parametrize("size", [0, 3, 17, 1000])
def test_a_truncated_raw_file_is_named_with_the_mend(tmp_path: Path, small: dict[str, NDArray[Any]], size: int) -> None:
    folder = write_raw(tmp_path, small)
    file = folder / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(DataInvalid) as caught:
        data.load("mnist", tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{file}: not a whole file of mnist: ")
    assert message.endswith(f"; delete {folder} and run: python -m bench data fetch mnist --data-dir {tmp_path}")
    assert "\n" not in message


def test_raw_files_are_checked_as_an_npz_is(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    small["y_test"][0] = 10
    folder = write_raw(tmp_path, small)
    with pytest.raises(DataInvalid, match=rf"^{folder}: y_test has labels outside 0 \.\. 9 \(from \d to 10\); delete"):
        data.load("mnist", tmp_path)


@pytest.mark.skipif(not os.environ.get("REJECTBENCH_DATA"), reason="REJECTBENCH_DATA names no folder of real data")
def test_the_real_mnist() -> None:
    if data.locate("mnist").origin is None:
        pytest.skip("no MNIST in REJECTBENCH_DATA")
    splits = data.load("mnist").splits
    assert {name: len(held) for name, held in splits.items()} == {"train": 50000, "validation": 10000, "test": 10000}
    # The published class counts of the official files.
    known = torch.bincount(splits["train"].labels) + torch.bincount(splits["validation"].labels)
    assert known.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(splits["test"].labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert splits["train"].labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert splits["train"].images.mean().item() == pytest.approx(0.1307, abs=5e-4)
