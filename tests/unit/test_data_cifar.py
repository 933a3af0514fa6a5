"""CIFAR-10, and how both CIFAR sets are read from torchvision's batches: pickles are opened only when known."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.datasets import CIFAR10, CIFAR100

from bench import data
from bench.data import cifar10, cifar100, keras_npz
from bench.data.download import Fetcher, Remote
from bench.errors import DataInvalid, DataUnreadable

Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def ten(monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """A CIFAR-10 of 15 and 4 images, of which 12 are the training split."""
    monkeypatch.setattr(cifar10, "LAYOUT", replace(cifar10.LAYOUT, counts={"train": 15, "test": 4}))
    monkeypatch.setattr(cifar10, "TRAIN_IMAGES", 12)
    random = np.random.default_rng(0)
    return {
        "x_train": random.integers(0, 256, (15, 32, 32, 3), dtype=np.uint8),
        "y_train": random.integers(0, 10, 15),
        "x_test": random.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8),
        "y_test": random.integers(0, 10, 4),
    }


def batch(images: NDArray[Any], labels: NDArray[Any], key: str) -> bytes:
    """A batch as the published ones are: rows of an image's reds, greens, blues."""
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return pickle.dumps({"data": rows, key: labels.tolist()}, protocol=2)


def ten_batches(arrays: Arrays) -> dict[str, bytes]:
    parts = np.split(np.arange(15), 5)
    found = {
        f"data_batch_{number}": batch(arrays["x_train"][part], arrays["y_train"][part], "labels")
        for number, part in enumerate(parts, start=1)
    }
    return {**found, "test_batch": batch(arrays["x_test"], arrays["y_test"], "labels")}


Publish = Callable[[dict[str, bytes]], None]


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Lets torchvision name these batches as the right ones."""

    def named(batches: dict[str, bytes]) -> None:
        md5s = [[name, hashlib.md5(content, usedforsecurity=False).hexdigest()] for name, content in batches.items()]
        monkeypatch.setattr(CIFAR10, "train_list", md5s[:-1])
        monkeypatch.setattr(CIFAR10, "test_list", md5s[-1:])

    return named


def write_folder(folder: Path, batches: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in batches.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def refused(data_dir: Path) -> str:
    with pytest.raises(DataInvalid) as caught:
        data.load("cifar10", data_dir)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(f"run: python -m bench data fetch cifar10 --data-dir {data_dir}")
    return message


def test_the_last_training_images_are_the_validation_split(tmp_path: Path, ten: Arrays) -> None:
    keras_npz.write(tmp_path / "cifar10.npz", {**ten, "y_train": ten["y_train"][:, None]})
    found = data.load("cifar10", tmp_path)
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 12, "validation": 3, "test": 4}
    both = [found.splits["train"], found.splits["validation"]]
    images = torch.cat([held.images for held in both])
    assert images.shape == (15, 3, 32, 32)
    expected = torch.from_numpy(ten["x_train"].transpose(0, 3, 1, 2).copy()) / 255
    torch.testing.assert_close(images, expected, atol=0, rtol=0)
    assert torch.cat([held.labels for held in both]).tolist() == ten["y_train"].tolist()
    assert found.splits["test"].labels.tolist() == ten["y_test"].tolist()


def test_batches_give_the_data_of_the_npz_and_are_known(tmp_path: Path, ten: Arrays, publish: Publish) -> None:
    publish(ten_batches(ten))
    write_folder(tmp_path / "raw" / CIFAR10.base_folder, ten_batches(ten))
    keras_npz.write(tmp_path / "cifar10.npz", ten)
    raw, npz = data.load("cifar10", tmp_path / "raw"), data.load("cifar10", tmp_path)
    assert data.locate("cifar10", tmp_path / "raw").origin == "cifar-10-batches-py"
    assert raw.origin == "cifar-10-batches-py: the files that torchvision names"
    assert raw.notes == ()
    assert npz.origin == "cifar10.npz: unknown copy"
    assert npz.digest == raw.digest
    assert npz.notes[0].startswith("unknown copy: its digest ")


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, opened: Path) -> None:
        self.opened = opened

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.opened,))


def test_a_pickle_that_torchvision_does_not_name_is_never_opened(tmp_path: Path, ten: Arrays, publish: Publish) -> None:
    publish(ten_batches(ten))
    trap = pickle.dumps(Trap(tmp_path / "opened"))
    pickle.loads(trap)  # noqa: S301  it does spring
    (tmp_path / "opened").unlink()
    folder = write_folder(tmp_path / CIFAR10.base_folder, {**ten_batches(ten), "data_batch_1": trap})
    message = refused(tmp_path)
    found, known = hashlib.md5(trap, usedforsecurity=False).hexdigest(), CIFAR10.train_list[0][1]
    why = f"not the file that torchvision names: its md5 is {found}, not {known}"
    assert message.startswith(f"{folder / 'data_batch_1'}: {why}; delete {folder} and ")
    assert not (tmp_path / "opened").exists()


def test_batches_are_checked_as_an_npz_is(tmp_path: Path, ten: Arrays, publish: Publish) -> None:
    ten["y_train"][0] = 10
    publish(ten_batches(ten))
    folder = write_folder(tmp_path / CIFAR10.base_folder, ten_batches(ten))
    assert refused(tmp_path).startswith(f"{folder}: y_train has labels outside 0 .. 9 ")


def test_a_batch_that_cannot_be_read_is_named(tmp_path: Path, ten: Arrays, publish: Publish) -> None:
    publish(ten_batches(ten))
    folder = write_folder(tmp_path / CIFAR10.base_folder, ten_batches(ten))
    (folder / "test_batch").unlink()
    assert data.locate("cifar10", tmp_path).origin is None
    (folder / "test_batch").mkdir()
    with pytest.raises(DataUnreadable) as caught:
        data.load("cifar10", tmp_path)
    assert str(caught.value).startswith(f"{folder / 'test_batch'}: cannot be read: Is a directory; make it a file ")


def test_the_archive_is_unpacked_to_torchvision_s_folder(tmp_path: Path, ten: Arrays, publish: Publish) -> None:
    publish(ten_batches(ten))
    members = {f"{CIFAR10.base_folder}/{name}": content for name, content in ten_batches(ten).items()}
    more = {f"{CIFAR10.base_folder}/readme.html": b"", "../outside": b"", f"{CIFAR10.base_folder}/../test_batch": b""}
    write_archive(tmp_path / CIFAR10.filename, {**more, **members})
    assert data.locate("cifar10", tmp_path).origin == CIFAR10.filename
    # An unpacking that was broken off leaves a part of the folder.
    write_folder(tmp_path / CIFAR10.base_folder, {"data_batch_1": b"half"})
    found = data.load("cifar10", tmp_path)
    assert found.origin == "cifar-10-batches-py: the files that torchvision names"
    assert {file.name for file in tmp_path.iterdir()} == {CIFAR10.base_folder, CIFAR10.filename}
    assert {file.name for file in (tmp_path / CIFAR10.base_folder).iterdir()} == set(ten_batches(ten))
    (tmp_path / CIFAR10.filename).unlink()
    assert data.load("cifar10", tmp_path).digest == found.digest


def test_a_link_in_the_archive_is_no_batch(tmp_path: Path, ten: Arrays) -> None:
    with tarfile.open(tmp_path / CIFAR10.filename, "w:gz") as tar:
        member = tarfile.TarInfo(f"{CIFAR10.base_folder}/data_batch_1")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(member)
    message = refused(tmp_path)
    assert f"{CIFAR10.filename}: has no file {CIFAR10.base_folder}/data_batch_1; delete it and " in message
    assert not (tmp_path / CIFAR10.base_folder).exists()


class Deliverer(Fetcher):
    """Puts the whole archive into its place, as a download would."""

    def fetch(self, remote: Remote, data_dir: Path, mend: str) -> Path:
        return (data_dir / "net").rename(data_dir / remote.path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
def test_another_archive_is_replaced(tmp_path: Path, ten: Arrays, publish: Publish, share: float) -> None:
    batches = ten_batches(ten)
    publish(batches)
    members = {f"{CIFAR10.base_folder}/{name}": content for name, content in batches.items()}
    write_archive(tmp_path / "net", members)
    path = write_archive(tmp_path / CIFAR10.filename, {**members, f"{CIFAR10.base_folder}/data_batch_5": b"other"})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(tmp_path)
    found = data.load("cifar10", tmp_path, fetcher=Deliverer())
    assert found.origin == "cifar-10-batches-py: the files that torchvision names"
    assert path.exists()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, ten: Arrays, publish: Publish, share: float) -> None:
    publish(ten_batches(ten))
    members = {f"{CIFAR10.base_folder}/{name}": content for name, content in ten_batches(ten).items()}
    path = write_archive(tmp_path / CIFAR10.filename, members)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert refused(tmp_path).startswith(f"{path}: not a whole archive: ")


@pytest.mark.parametrize(("name", "family"), [("cifar10", CIFAR10), ("cifar100", CIFAR100)])
def test_torchvision_says_where_the_archives_are_and_what_is_in_them(name: str, family: type[CIFAR10]) -> None:
    module = {"cifar10": cifar10, "cifar100": cifar100}[name]
    (remote,) = module.remotes()
    assert remote.addresses == (family.url,)
    assert (str(remote.path), remote.md5) == (family.filename, family.tgz_md5)
    batches = module.BATCHES
    assert batches.folder == family.base_folder
    assert batches.names["train"] == tuple(file for file, _ in family.train_list)
    assert batches.names["test"] == tuple(file for file, _ in family.test_list)


@pytest.mark.skipif(not os.environ.get("REJECTBENCH_DATA"), reason="REJECTBENCH_DATA names no folder of real data")
def test_the_real_cifar10() -> None:
    if data.locate("cifar10").origin is None:
        pytest.skip("no CIFAR-10 in REJECTBENCH_DATA")
    found = data.load("cifar10")
    assert {name: len(held) for name, held in found.splits.items()} == {
        "train": 49_000, "validation": 1000, "test": 10_000
    }  # fmt: skip
    assert not found.notes
    assert found.splits["train"].labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert torch.bincount(found.splits["test"].labels).tolist() == [1000] * 10
    sets = {name: {hash(image.tobytes()) for image in held.images.numpy()} for name, held in found.splits.items()}
    assert [len(images) for images in sets.values()] == [49_000, 1000, 10_000]
    assert len(sets["train"] | sets["validation"] | sets["test"]) == 60_000
