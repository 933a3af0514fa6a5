"""notMNIST from a file and from its archive: distinct images, fair splits, faults that name their file."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from bench import data
from bench.data import files, keras_npz, notmnist
from bench.errors import DataInvalid, DataMissing

COUNT = 30


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> dict[str, NDArray[Any]]:
    """A notMNIST of 30 images, three a letter, the last two of which repeat one before; 18 are for training."""
    monkeypatch.setattr(notmnist, "LAYOUT", replace(notmnist.LAYOUT, counts={"train": COUNT}))
    monkeypatch.setattr(notmnist, "TRAIN_IMAGES", 18)
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)
    images[28], images[29] = images[27], images[0]
    return {"x_train": images, "y_train": np.arange(COUNT, dtype=np.uint8) // 3}


def write_archive(path: Path, arrays: dict[str, NDArray[Any]], more: dict[str, bytes] | None = None) -> None:
    members = dict(more or {})
    for index, (image, label) in enumerate(zip(arrays["x_train"], arrays["y_train"], strict=True)):
        png = io.BytesIO()
        Image.fromarray(image).save(png, "png")
        members[f"notMNIST_small/{'ABCDEFGHIJ'[label]}/{index:02}.png"] = png.getvalue()
    with tarfile.open(path, "w:gz") as tar:
        for name, content in reversed(members.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def png_of(width: int, height: int) -> bytes:
    """A PNG file that says it has so many pixels, and has none of them."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_each_image_is_kept_once_with_its_lowest_label(small: dict[str, NDArray[Any]]) -> None:
    images, labels = notmnist.distinct(small["x_train"], small["y_train"])
    assert len(images) == COUNT - 2
    kept = {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}
    assert kept == {
        image.tobytes(): int(label) for image, label in zip(small["x_train"][:28], small["y_train"][:28], strict=True)
    }


def test_splits_are_disjoint_shuffled_and_free_of_duplicates(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    keras_npz.write(tmp_path / "notmnist.npz", small)
    found = data.load("notmnist", tmp_path)
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 18, "test": 10}
    images = torch.cat([held.images for held in found.splits.values()])
    assert len({image.numpy().tobytes() for image in images}) == COUNT - 2
    labels = torch.cat([held.labels for held in found.splits.values()])
    assert labels.tolist() != sorted(labels.tolist())
    assert found.notes[0] == "2 exact duplicates among notMNIST's images are left out"


def test_too_few_distinct_images_to_test_on_are_refused(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    keras_npz.write(tmp_path / "notmnist.npz", small | {"x_train": np.zeros_like(small["x_train"])})
    with pytest.raises(
        DataInvalid, match=r"^notmnist: notmnist\.npz: has 1 distinct images, too few for 18 to train on"
    ):
        data.load("notmnist", tmp_path)


def test_the_order_of_the_file_does_not_matter(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    order = np.random.default_rng(1).permutation(COUNT)
    keras_npz.write(tmp_path / "notmnist.npz", small)
    first = data.load("notmnist", tmp_path)
    keras_npz.write(tmp_path / "notmnist.npz", {key: array[order] for key, array in small.items()})
    assert data.load("notmnist", tmp_path).digest == first.digest


def test_the_archive_gives_the_same_data_and_is_kept_as_an_npz(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    keras_npz.write(tmp_path / "notmnist.npz", small)
    expected = data.load("notmnist", tmp_path).digest
    folder = tmp_path / "other"
    folder.mkdir()
    more = {
        "notMNIST_small/A/bomb.png": png_of(20_000, 20_000),
        "notMNIST_small/A/half_a_bomb.png": png_of(10_000, 10_000),
        "notMNIST_small/A/no_width.png": png_of(0, 28),
        "notMNIST_small/A/empty.png": b"",
        "notMNIST_small/F/broken.png": b"\x89PNG\r\n\x1a\n",
        "notMNIST_small/A/notes.txt": b"no image",
        "notMNIST_small/K/other.png": b"no letter of ours",
    }
    write_archive(folder / notmnist.ARCHIVE, small, more)
    assert data.locate("notmnist", folder).origin == notmnist.ARCHIVE
    assert data.load("notmnist", folder).digest == expected
    assert data.locate("notmnist", folder).origin == "notmnist.npz"
    np.testing.assert_array_equal(np.load(folder / "notmnist.npz")["x_train"], small["x_train"])


def refused(folder: Path) -> str:
    with pytest.raises(DataInvalid) as caught:
        data.load("notmnist", folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / notmnist.ARCHIVE}: ")
    assert message.endswith(f"; delete it and run: python -m bench data fetch notmnist --data-dir {folder}")
    assert "\n" not in message
    assert not (folder / "notmnist.npz").exists()
    return message


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, small: dict[str, NDArray[Any]], share: float) -> None:
    path = tmp_path / notmnist.ARCHIVE
    write_archive(path, small)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "not a whole archive" in refused(tmp_path)


def test_an_archive_of_something_else_is_refused(tmp_path: Path, small: dict[str, NDArray[Any]]) -> None:
    path = tmp_path / notmnist.ARCHIVE
    write_archive(path, {key: array[:0] for key, array in small.items()})
    assert "holds no images of letters" in refused(tmp_path)
    write_archive(path, {key: array[:29] for key, array in small.items()})
    assert "x_train holds 29 images, not 30" in refused(tmp_path)
    write_archive(path, {**small, "x_train": small["x_train"][:, :20]})
    assert "00.png' is not of 28x28 pixels" in refused(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_in_the_archive_is_no_image(tmp_path: Path, small: dict[str, NDArray[Any]], kind: bytes) -> None:
    write_archive(tmp_path / "images.tar.gz", small)
    with tarfile.open(tmp_path / "images.tar.gz") as images, tarfile.open(tmp_path / notmnist.ARCHIVE, "w:gz") as tar:
        for target in ("00.png", "nowhere"):
            member = tarfile.TarInfo(f"notMNIST_small/A/to_{target}.png")
            member.type, member.linkname = kind, target
            tar.addfile(member)
        for image in images:
            tar.addfile(image, images.extractfile(image))
    np.testing.assert_array_equal(notmnist.read_archive(tmp_path / notmnist.ARCHIVE)["x_train"], small["x_train"])


def test_an_archive_in_a_folder_that_cannot_be_written_says_so(
    tmp_path: Path, small: dict[str, NDArray[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    write_archive(tmp_path / notmnist.ARCHIVE, small)
    monkeypatch.setattr(files, "write_file", full)
    with pytest.raises(DataMissing, match=r"notmnist\.npz: cannot be written: No space left on device; free"):
        data.load("notmnist", tmp_path)


@pytest.mark.skipif(not os.environ.get("REJECTBENCH_DATA"), reason="REJECTBENCH_DATA names no folder of real data")
def test_the_real_notmnist() -> None:
    if data.locate("notmnist").origin is None:
        pytest.skip("no notMNIST in REJECTBENCH_DATA")
    found = data.load("notmnist")
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 10000, "test": 18724 - 492 - 10000}
    assert found.notes[0].startswith("492 exact duplicates")
    for held in found.splits.values():
        assert torch.bincount(held.labels[:500], minlength=10).min() > 20
