"""The near out-distribution test sets: from torchvision's files and others', upright, mixed, and known by their md5."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.io import savemat  # type: ignore[import-untyped]
from torchvision.datasets import EMNIST, KMNIST, SVHN, FashionMNIST

from bench import data
from bench.data import emnist_letters, fashion_mnist, idx, keras_npz, kmnist, svhn
from bench.data.download import Fetcher, Remote
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


@pytest.mark.parametrize("name", MODULES)
def test_an_npz_needs_test_images_alone(name: str, tmp_path: Path) -> None:
    arrays = make(name)
    keras_npz.write(tmp_path / f"{name}.npz", arrays)
    found = data.load(name, tmp_path)
    assert list(found.splits) == ["test"]
    test = found.splits["test"]
    channels = 3 if name == "svhn" else 1
    assert test.images.shape == (COUNT, channels, *arrays["x_test"].shape[1:3])
    assert torch.bincount(test.labels).tolist() == np.bincount(arrays["y_test"]).tolist()
    assert found.origin == f"{name}.npz: unknown copy"
    assert len(found.notes) == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_s_files_are_known_where_their_md5_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays, family = make(name), FAMILIES[name]
    raw = tmp_path / family.__name__ / "raw"
    place = f"{family.__name__}/raw"
    write_idx(raw, arrays, idx.TEST, zipped=False)
    plain = data.load(name, tmp_path)
    assert data.locate(name, tmp_path).origin == place
    assert plain.origin == f"{place}: unknown copy"
    assert torch.bincount(plain.splits["test"].labels).tolist() == np.bincount(arrays["y_test"]).tolist()
    md5s = write_idx(raw, arrays, idx.TEST, zipped=True)
    assert data.load(name, tmp_path).origin == f"{place}: unknown copy"
    monkeypatch.setattr(family, "resources", list(md5s.items()))
    official = data.load(name, tmp_path)
    assert official.origin == f"{place}: the files that torchvision names"
    assert official.notes == ()
    assert official.digest == plain.digest


@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_says_where_idx_files_are(name: str) -> None:
    family, md5s = FAMILIES[name], dict(FAMILIES[name].resources)
    remotes = import_module(data.IN_FOLDER[name]).remotes()
    assert [str(remote.path) for remote in remotes] == [
        f"{family.__name__}/raw/t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")
    ]
    for remote in remotes:
        assert remote.addresses == tuple(mirror + remote.path.name for mirror in family.mirrors)
        assert remote.md5 == md5s[remote.path.name]


def test_debian_s_package_comes_last(tmp_path: Path) -> None:
    arrays = make("fashion_mnist")
    folder = tmp_path / "usr"
    write_idx(folder, arrays, idx.TEST, zipped=True)
    assert data.locate("fashion_mnist", tmp_path / "data").origin == folder.as_posix()
    found = data.load("fashion_mnist", tmp_path / "data")
    assert found.origin == f"{folder}: unknown copy"
    assert found.splits["test"].labels.tolist() == arrays["y_test"].tolist()
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    write_idx(raw, arrays, idx.TEST, zipped=True)
    assert data.load("fashion_mnist", tmp_path / "data").origin == "FashionMNIST/raw: unknown copy"
    write_idx(folder, {**arrays, "y_test": arrays["y_test"] + 1}, idx.TEST, zipped=True)
    message = refused("fashion_mnist", tmp_path)
    assert message.startswith(f"{folder}: y_test has labels outside 0 .. 9 ")
    assert message.endswith(
        "; reinstall the package dataset-fashion-mnist, or put fashion_mnist.npz into the data folder"
    )


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_gzip_is_named(tmp_path: Path, share: float) -> None:
    raw = tmp_path / "KMNIST" / "raw"
    write_idx(raw, make("kmnist"), idx.TEST, zipped=True)
    path = raw / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    message = refused("kmnist", tmp_path)
    assert message.startswith(f"{path}: not a whole file of kmnist: ")
    assert message.endswith(f"; delete {raw} and run: python -m bench data fetch kmnist --data-dir {tmp_path}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x00\x08",
        b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00",
        b"\x00\x00\x08\x01\x00\x00",
        b"\x00\x00\x08\x01\x00\x00\x00\x02\x00",
        b"\x00\x00\x08\x01\x00\x00\x00\x01\x00\x00",
        b"\x00\x00\x08\xff" + b"\xff" * 1020,
    ],
)
def test_what_is_no_idx_file_of_bytes_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        idx.parse(content)


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
