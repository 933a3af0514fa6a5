"""An ``.npz`` file that is damaged, or that cannot be read: what is told of it."""

import errno
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data import keras_npz
from bench.errors import InvalidConfig
from tests.unit.npz import GREY, fault, header, make


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_no_whole_one(tmp_path: Path, share: float) -> None:
    path = tmp_path / GREY.file
    keras_npz.write(path, make(GREY))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert "not a whole .npz file" in fault(path)


def test_a_damaged_member_is_found(tmp_path: Path) -> None:
    path = tmp_path / GREY.file
    arrays = make(GREY)
    keras_npz.write(path, arrays)
    content = path.read_bytes()
    place = content.index(arrays["x_train"].tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert "Bad CRC-32" in fault(path)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path, opened = tmp_path / GREY.file, tmp_path / "opened"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (opened,))

    np.savez(path, x_train=np.array([Trap()], dtype=object))
    assert "not a whole .npz file" in fault(path)
    assert not opened.exists()


def test_other_files_and_folders_are_no_npz(tmp_path: Path) -> None:
    text, plain, junk, folder = (tmp_path / name for name in ("a", "b.npy", "c", "d"))
    text.write_text("x_train")
    np.save(plain, np.zeros(3))
    with zipfile.ZipFile(junk, "w") as archive:
        archive.writestr("x_train.npy", "no array")
    folder.mkdir()
    for path in (text, plain):
        assert "not a whole .npz file" in fault(path)
    assert "x_train" in fault(junk)
    assert "cannot be read: Is a directory" in fault(folder)


@pytest.mark.parametrize("key", GREY.keys)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no array", "not an array in .npy format"),
        (b"", "not an array in .npy format"),
        (header(10**15, 4, 4), "Unable to allocate "),
        (header(-1), "negative dimensions are not allowed"),
        (header(6, 4, 4).replace(b")", b"("), "('EOF in multi-line statement'"),
        (header(2**64), "Python int too large"),
    ],
)
def test_a_member_that_is_no_array_or_too_large_is_named(
    tmp_path: Path, key: str, content: bytes, problem: str
) -> None:
    path, arrays = tmp_path / GREY.file, make(GREY)
    del arrays[key]
    keras_npz.write(path, arrays)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{key}.npy", content)
    assert f": {key}: {problem}" in fault(path)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EIO, "Input/output error"), "cannot be read: Input/output error"),
        (OSError(errno.EINVAL, "Invalid argument"), "not a whole .npz file"),  # a seek to where nothing is
    ],
)
def test_a_disk_that_fails_under_a_member_is_no_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, told: str
) -> None:
    def failing(*_: object) -> bytes:
        raise error

    keras_npz.write(tmp_path / GREY.file, make(GREY))
    monkeypatch.setattr(zipfile.ZipExtFile, "read", failing)
    assert told in fault(tmp_path / GREY.file)


def test_a_whole_file_that_does_not_fit_into_memory_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise MemoryError("Unable to allocate 146. MiB")

    path = tmp_path / GREY.file
    keras_npz.write(path, make(GREY))
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", failing)
    with pytest.raises(InvalidConfig) as caught:
        keras_npz.read(path, GREY)
    assert str(caught.value).startswith(f"{path}: does not fit into memory: Unable to allocate 146. MiB; ")


def test_what_stands_behind_an_array_is_a_fault(tmp_path: Path) -> None:
    path, arrays = tmp_path / GREY.file, make(GREY)
    images = arrays.pop("x_train")
    keras_npz.write(path, arrays)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train.npy", header(*images.shape) + images.tobytes() + b"more")
    assert ": x_train: 4 bytes stand behind its array" in fault(path)
