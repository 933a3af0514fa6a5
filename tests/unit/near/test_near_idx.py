"""The near out-distribution test sets of idx and npz files: torchvision's, Debian's, known by their md5."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import data
from bench.data import idx, keras_npz
from tests.unit.near.conftest import COUNT, FAMILIES, MODULES, make, refused, write_idx


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
