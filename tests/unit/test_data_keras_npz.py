"""Files in the Keras layout: what is accepted, and the one line that every fault gets."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.data import keras_npz
from bench.errors import DataInvalid, DataMissing
from tests.unit.npz import GREY, fault, make

COLOUR = keras_npz.Layout("colour", image=(4, 4, 3), classes=3, counts={"test": 2})


@pytest.mark.parametrize("compress", [False, True])
def test_what_numpy_wrote_is_read(tmp_path: Path, compress: bool) -> None:  # noqa: FBT001  a parameter's value
    arrays, path = make(GREY), tmp_path / GREY.file
    if compress:
        np.savez_compressed(
            path,
            x_train=arrays["x_train"],
            y_train=arrays["y_train"].astype(np.int64),
            x_test=arrays["x_test"],
            y_test=arrays["y_test"],
            more=np.zeros(1),
        )
    else:
        np.savez(path, **arrays)  # type: ignore[arg-type]  # the stub takes every name for allow_pickle
    found = keras_npz.read(path, GREY)
    assert list(found) == ["x_train", "y_train", "x_test", "y_test"]
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array)


@pytest.mark.parametrize("layout", [GREY, COLOUR])
def test_what_is_written_numpy_and_the_reader_read(tmp_path: Path, layout: keras_npz.Layout) -> None:
    arrays, path = make(layout), tmp_path / layout.file
    keras_npz.write(path, arrays)
    assert [file.name for file in tmp_path.iterdir()] == [layout.file]
    with np.load(path) as plain:
        assert set(plain.files) == set(layout.keys)
    for key, array in keras_npz.read(path, layout).items():
        np.testing.assert_array_equal(array, arrays[key])


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / GREY.file
    with pytest.raises(DataMissing, match=rf"^{path}: cannot be written: .+; make the folder writable, or choose"):
        keras_npz.write(path, make(GREY))


@pytest.mark.parametrize(("suffix", "version"), [("", (1, 0)), (".npy", (2, 0)), (".npy", (3, 0))])
def test_members_may_be_named_and_headed_as_numpy_reads_them(
    tmp_path: Path, suffix: str, version: tuple[int, int]
) -> None:
    path, arrays = tmp_path / GREY.file, make(GREY)
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=version)
            archive.writestr(f"{key}{suffix}", member.getvalue())
    found = keras_npz.read(path, GREY)
    assert all(np.array_equal(found[key], arrays[key]) for key in arrays)


@pytest.mark.parametrize("key", GREY.keys)
def test_a_missing_array_is_named(tmp_path: Path, key: str) -> None:
    arrays = make(GREY)
    del arrays[key]
    keras_npz.write(tmp_path / GREY.file, arrays)
    assert f"has no array {key} (needs x_train, y_train, x_test, y_test)" in fault(tmp_path / GREY.file)


FLOATS = np.full((6, 4, 4), 0.5)
WITH_NAN = np.where(np.arange(96).reshape(6, 4, 4) < 2, np.nan, FLOATS)

FAULTS: list[tuple[str, NDArray[Any], str]] = [
    ("x_train", WITH_NAN, "x_train has 2 NaN pixels"),
    ("x_train", FLOATS.astype(np.float32), "x_train is of type float32, from 0.5 to 0.5: pixels are kept as uint8"),
    ("x_train", FLOATS * 600, "x_train has pixels outside 0 .. 255 (from 300 to 300)"),
    ("x_train", FLOATS - 1, "x_train has pixels outside 0 .. 255 (from -0.5 to -0.5)"),
    ("x_train", FLOATS * np.inf, "x_train has pixels outside 0 .. 255 (from inf to inf)"),
    ("x_train", np.zeros((0, 4, 4)), "x_train is empty"),
    ("x_train", np.zeros((6, 4, 4), np.int64), "x_train is of type int64: pixels are kept as uint8, 0 .. 255"),
    ("x_train", np.zeros((6, 4, 5), np.uint8), "x_train has shape (6, 4, 5), not (6, 4, 4)"),
    ("x_test", np.zeros((2, 4, 4, 3), np.uint8), "x_test has shape (2, 4, 4, 3), not (2, 4, 4)"),
    ("x_test", np.zeros((), np.uint8), "x_test has shape (), not (2, 4, 4)"),
    ("x_train", np.zeros((5, 4, 4), np.uint8), "x_train holds 5 images, not 6"),
    ("y_train", np.zeros(5, np.uint8), "y_train has shape (5,), not (6,)"),
    ("y_test", np.zeros((2, 2), np.uint8), "y_test has shape (2, 2), not (2,)"),
    ("y_test", np.zeros((3, 1), np.uint8), "y_test has shape (3,), not (2,)"),
    ("y_test", np.zeros(2), "y_test is of type float64: labels are whole numbers"),
    ("y_test", np.array([0, 3], np.uint8), "y_test has labels outside 0 .. 2 (from 0 to 3)"),
    ("y_test", np.array([-1, 2]), "y_test has labels outside 0 .. 2 (from -1 to 2)"),
]


@pytest.mark.parametrize(("key", "array", "message"), FAULTS)
def test_every_fault_of_an_array_is_told(tmp_path: Path, key: str, array: NDArray[Any], message: str) -> None:
    keras_npz.write(tmp_path / GREY.file, {**make(GREY), key: array})
    assert re.search(re.escape(message), fault(tmp_path / GREY.file))


def test_labels_in_a_column_are_taken_as_keras_gives_them(tmp_path: Path) -> None:
    arrays = make(GREY)
    keras_npz.write(tmp_path / GREY.file, {**arrays, "y_train": arrays["y_train"][:, None]})
    assert keras_npz.read(tmp_path / GREY.file, GREY)["y_train"].tolist() == arrays["y_train"].tolist()


def test_a_part_of_a_split_is_accepted_where_the_layout_allows_it(tmp_path: Path) -> None:
    layout, path = replace(GREY, counts={"train": 12, "test": 2}, parts={"train": 6}), tmp_path / GREY.file
    keras_npz.write(path, make(GREY))
    assert len(keras_npz.read(path, layout)["y_train"]) == 6
    keras_npz.write(path, {**make(GREY), "x_train": np.zeros((7, 4, 4), np.uint8)})
    with pytest.raises(DataInvalid, match="x_train holds 7 images, not 12 or 6"):
        keras_npz.read(path, layout)


def test_the_digest_sees_values_and_shapes_and_not_how_they_are_kept() -> None:
    arrays = make(GREY)
    digest = keras_npz.digest(arrays)
    kept = {**arrays, "y_train": arrays["y_train"].astype(np.int32), "x_test": np.asfortranarray(arrays["x_test"])}
    assert keras_npz.digest(kept) == digest
    for key, array in arrays.items():
        assert keras_npz.digest({**arrays, key: array[::-1]}) != digest
    assert keras_npz.digest({**arrays, "x_test": arrays["x_test"].reshape(4, 2, 4)}) != digest


def test_images_come_out_channels_first_in_the_unit_range() -> None:
    grey = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    held = keras_npz.labelled(grey * 8, np.array([2, 1], np.uint8))
    assert held.images.shape == (2, 1, 4, 4)
    torch.testing.assert_close(held.images.flatten(), torch.arange(32) * 8 / 255, atol=0, rtol=0)
    assert held.labels.dtype == torch.int64
    assert held.labels.tolist() == [2, 1]
    colour = make(COLOUR)
    held = keras_npz.labelled(colour["x_test"], colour["y_test"])
    assert held.images.shape == (2, 3, 4, 4)
    assert held.images.is_contiguous()
    assert held.images[1, 2, 3, 0] == np.float32(colour["x_test"][1, 3, 0, 2]) / np.float32(255)
