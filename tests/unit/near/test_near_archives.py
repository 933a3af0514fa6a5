"""The near out-distribution test sets of archives: EMNIST's letters, upright and mixed, and SVHN."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision.datasets import EMNIST, SVHN

from bench import data
from bench.data import emnist_letters, keras_npz, svhn
from bench.data.download import Fetcher, Remote
from tests.unit.near.conftest import COUNT, MODULES, Arrays, idx_file, make, md5, refused, write_idx


def emnist(tmp_path: Path) -> tuple[Arrays, Arrays]:
    """Letters, and how EMNIST's files keep them: columns as rows, labels from 1."""
    arrays = make("emnist_letters")
    return arrays, {"x_test": arrays["x_test"].swapaxes(1, 2), "y_test": arrays["y_test"] + 1}


def write_zip(path: Path, stored: Arrays) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for key, name in emnist_letters.FILES.items():
            archive.writestr(f"gzip/{name}.gz", gzip.compress(idx_file(stored[key])))
    path.write_bytes(whole.getvalue())
    return whole.getvalue()


class Deliverer(Fetcher):
    """Puts a file into its place, as a download would, out of a folder where all is whole."""

    def fetch(self, remote: Remote, data_dir: Path, mend: str) -> Path:
        return (data_dir / "net" / remote.path.name).rename(data_dir / remote.path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("name", ["emnist_letters", "svhn"])
def test_a_truncated_download_of_another_program_is_replaced(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    path = tmp_path / MODULES[name].remotes()[0].path
    path.parent.mkdir(parents=True, exist_ok=True)
    if name == "svhn":
        arrays = make("svhn")
        savemat(path, {"X": arrays["x_test"].transpose(1, 2, 3, 0), "y": arrays["y_test"][:, None] + 1})
        address, file, _ = SVHN.split_list["test"]
        monkeypatch.setitem(SVHN.split_list, "test", [address, file, md5(path.read_bytes())])
    else:
        monkeypatch.setattr(EMNIST, "md5", md5(write_zip(path, emnist(tmp_path)[1])))
    whole = tmp_path / "net" / path.name
    whole.parent.mkdir()
    whole.write_bytes(path.read_bytes())
    path.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    assert f"run: python -m bench data fetch {name}" in refused(name, tmp_path)
    assert data.load(name, tmp_path, fetcher=Deliverer()).origin.endswith(": the files that torchvision names")


def test_letters_are_turned_upright_and_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, stored = emnist(tmp_path)
    keras_npz.write(tmp_path / "emnist_letters.npz", arrays)
    npz = data.load("emnist_letters", tmp_path)
    labels = {image.tobytes(): int(label) for image, label in zip(arrays["x_test"], arrays["y_test"], strict=True)}
    test = npz.splits["test"]
    images = (test.images * 255).round().to(torch.uint8)
    assert [labels[image.numpy().tobytes()] for image in images] == test.labels.tolist()
    assert test.labels.tolist() != sorted(test.labels.tolist())

    write_idx(tmp_path / "plain" / "EMNIST" / "raw", stored, emnist_letters.FILES, zipped=False)
    plain = data.load("emnist_letters", tmp_path / "plain")
    assert (plain.origin, plain.digest) == ("EMNIST/raw: unknown copy", npz.digest)

    content = write_zip(tmp_path / "plain" / "EMNIST" / "raw" / "gzip.zip", stored)
    monkeypatch.setattr(EMNIST, "md5", md5(content))
    official = data.load("emnist_letters", tmp_path / "plain")
    assert official.origin == "EMNIST/raw/gzip.zip: the files that torchvision names"
    assert (official.digest, official.notes) == (npz.digest, ())


def test_another_archive_of_letters_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, stored = emnist(tmp_path)
    path = tmp_path / "EMNIST" / "raw" / "gzip.zip"
    content = write_zip(path, stored)
    mend = f"; delete it and run: python -m bench data fetch emnist_letters --data-dir {tmp_path}"
    why = f"not the file that torchvision names: its md5 is {md5(content)}, not {EMNIST.md5}"
    assert refused("emnist_letters", tmp_path) == f"{path}: {why}{mend}"
    path.write_bytes(content[:-100])
    monkeypatch.setattr(EMNIST, "md5", md5(content[:-100]))
    message = refused("emnist_letters", tmp_path)
    assert message.startswith(f"{path}: cannot be read: ")
    assert message.endswith(mend)
    stored["y_test"] -= 1
    monkeypatch.setattr(EMNIST, "md5", md5(write_zip(path, stored)))
    assert refused("emnist_letters", tmp_path).startswith(f"{path}: y_test has labels outside 0 .. 25 (from -1 ")


@pytest.mark.parametrize("key", ["x_test", "y_test"])
@pytest.mark.parametrize("dimensions", [0, 1, 2])
def test_letters_of_another_shape_are_refused(tmp_path: Path, key: str, dimensions: int) -> None:
    _, stored = emnist(tmp_path)
    stored[key] = np.ones((COUNT + 1,) * dimensions, np.uint8)
    folder = tmp_path / "EMNIST" / "raw"
    write_idx(folder, stored, emnist_letters.FILES, zipped=False)
    assert refused("emnist_letters", tmp_path).startswith(
        f"{folder}: {key} has shape {stored[key].shape}, not ({COUNT},"
    )


def test_no_letters_at_all_are_refused(tmp_path: Path) -> None:
    _, stored = emnist(tmp_path)
    folder = tmp_path / "EMNIST" / "raw"
    write_idx(folder, {key: array[:0] for key, array in stored.items()}, emnist_letters.FILES, zipped=False)
    assert refused("emnist_letters", tmp_path).startswith(f"{folder}: x_test holds 0 images, not {COUNT}; ")


def test_torchvision_says_where_letters_and_house_numbers_are() -> None:
    (letters,), (numbers,) = emnist_letters.remotes(), svhn.remotes()
    assert (letters.addresses, str(letters.path), letters.md5) == ((EMNIST.url,), "EMNIST/raw/gzip.zip", EMNIST.md5)
    assert [*numbers.addresses, str(numbers.path), numbers.md5] == SVHN.split_list["test"]


def test_house_numbers_are_read_from_torchvision_s_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = make("svhn")
    keras_npz.write(tmp_path / "svhn.npz", arrays)
    npz = data.load("svhn", tmp_path)
    folder = tmp_path / "mat"
    folder.mkdir()
    path = folder / "test_32x32.mat"
    labels = np.where(arrays["y_test"] == 0, 10, arrays["y_test"])[:, None].astype(np.uint8)
    savemat(path, {"X": arrays["x_test"].transpose(1, 2, 3, 0), "y": labels})
    known = SVHN.split_list["test"][2]
    assert f"{path}: not the file that torchvision names: its md5 is " in refused("svhn", folder)
    address, name, _ = SVHN.split_list["test"]
    monkeypatch.setitem(SVHN.split_list, "test", [address, name, md5(path.read_bytes())])
    found = data.load("svhn", folder)
    assert found.origin == "test_32x32.mat: the files that torchvision names"
    assert (found.digest, found.notes) == (npz.digest, ())
    assert known != SVHN.split_list["test"][2]
