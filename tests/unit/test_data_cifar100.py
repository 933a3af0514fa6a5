"""CIFAR-100: the classes left out, the images drawn, and the same bits from the complete set and from its half."""

from __future__ import annotations

import hashlib
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.datasets import CIFAR100

from bench import data
from bench.data import cifar100, keras_npz
from bench.errors import DataInvalid

Arrays = dict[str, NDArray[Any]]
OUT = [label for group in cifar100.LEFT_OUT.values() for label in group]

wants_real_data = pytest.mark.skipif(
    not os.environ.get("REJECTBENCH_DATA"), reason="REJECTBENCH_DATA names no folder of real data"
)


def bytes_of(images: Tensor) -> list[bytes]:
    return [image.numpy().tobytes() for image in images]


@pytest.fixture
def hundred(monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """The half of a CIFAR-100 of 6 training and 2 test images a class, in mixed order; 2 of the first 3 are drawn."""
    layout = replace(cifar100.LAYOUT, counts={"train": 600, "test": 200}, parts={"train": 300})
    monkeypatch.setattr(cifar100, "LAYOUT", layout)
    for name, count in {"POOL": 3, "DRAWN": 2, "TESTS": 2}.items():
        monkeypatch.setattr(cifar100, name, count)
    random = np.random.default_rng(0)
    return {
        "x_train": random.integers(0, 256, (300, 32, 32, 3), dtype=np.uint8),
        "y_train": random.permutation(np.arange(300) % 100),
        "x_test": random.integers(0, 256, (200, 32, 32, 3), dtype=np.uint8),
        "y_test": random.permutation(np.arange(200) % 100),
    }


def completed(half: Arrays) -> Arrays:
    """The complete set whose first images of every class are those of the half."""
    random = np.random.default_rng(1)
    count = len(half["y_train"])
    more = random.integers(0, 256, half["x_train"].shape, dtype=np.uint8)
    # Anywhere among each other, as long as no image of the half comes after one of its class that is new.
    turns = np.concatenate([half["y_train"], half["y_train"]])
    images = np.concatenate([half["x_train"], more])
    place = np.arange(2 * count, dtype=float)
    place[count:] -= count * 0.5 * (np.arange(count) >= count // 2)
    last = {label: place[:count][half["y_train"] == label].max() for label in np.unique(turns)}
    place[count:] = [max(at, last[label] + 0.5) for at, label in zip(place[count:], turns[count:], strict=True)]
    order = np.argsort(place, kind="stable")
    return {**half, "x_train": images[order], "y_train": turns[order]}


def write_batches(data_dir: Path, arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the arrays as torchvision keeps them, and let it name the files as the right ones."""
    folder = data_dir / CIFAR100.base_folder
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        rows = arrays[f"x_{split}"].transpose(0, 3, 1, 2).reshape(-1, 3072)
        content = pickle.dumps({"data": rows, "fine_labels": arrays[f"y_{split}"].tolist()}, protocol=2)
        (folder / split).write_bytes(content)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        monkeypatch.setattr(CIFAR100, f"{split}_list", [[split, md5]])


def refused(data_dir: Path) -> str:
    with pytest.raises(DataInvalid) as caught:
        data.load("cifar100", data_dir)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(f"run: python -m bench data fetch cifar100 --data-dir {data_dir}")
    return message


def test_the_classes_that_overlap_are_left_out_and_the_others_come_equally_often(
    tmp_path: Path, hundred: Arrays
) -> None:
    keras_npz.write(tmp_path / "cifar100.npz", hundred)
    splits = data.load("cifar100", tmp_path).splits
    for name, count in {"train": 2, "test": 2}.items():
        expected = torch.full((100,), count)
        expected[OUT] = 0
        assert torch.equal(torch.bincount(splits[name].labels, minlength=100), expected)
        assert splits[name].labels.tolist() != sorted(splits[name].labels.tolist())
    assert len(OUT) == len(set(OUT)) == 25
    labels = {
        image.tobytes(): int(label)
        for split in ("train", "test")
        for image, label in zip(hundred[f"x_{split}"], hundred[f"y_{split}"], strict=True)
    }
    for held in splits.values():
        stored = (held.images * 255).round().to(torch.uint8).movedim(1, -1).contiguous()
        assert [labels[image] for image in bytes_of(stored)] == held.labels.tolist()


def test_half_and_complete_give_the_same_bits_and_say_which_they_are(
    tmp_path: Path, hundred: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = completed(hundred)
    assert len(whole["y_train"]) == 600
    write_batches(tmp_path / "raw", whole, monkeypatch)
    for name, arrays in {"half": hundred, "whole": whole}.items():
        (tmp_path / name).mkdir()
        keras_npz.write(tmp_path / name / "cifar100.npz", arrays)
    raw, half, complete = (data.load("cifar100", tmp_path / name) for name in ("raw", "half", "whole"))
    assert raw.digest == half.digest == complete.digest
    for name, held in half.splits.items():
        assert torch.equal(held.images, complete.splits[name].images)
        assert torch.equal(held.labels, complete.splits[name].labels)
    assert raw.origin == "cifar-100-python: the files that torchvision names"
    assert half.notes == complete.notes
    # What both share, whatever its digest is.
    monkeypatch.setattr(keras_npz, "digest", lambda arrays: str(sorted(len(array) for array in arrays.values())))
    monkeypatch.setattr(cifar100, "KNOWN", {"[150, 150, 225, 225]": "official images"})
    assert data.load("cifar100", tmp_path / "whole").origin == "cifar100.npz: complete, official images"
    known = data.load("cifar100", tmp_path / "half")
    assert known.origin == "cifar100.npz: half (the first 3 training images of every class), official images"
    assert known.notes == ()


def test_the_order_of_test_images_and_of_classes_does_not_matter(tmp_path: Path, hundred: Arrays) -> None:
    keras_npz.write(tmp_path / "cifar100.npz", hundred)
    first = data.load("cifar100", tmp_path).digest
    order = np.random.default_rng(2).permutation(200)
    by_class = np.argsort(hundred["y_train"], kind="stable")
    moved = {f"{part}_test": hundred[f"{part}_test"][order] for part in "xy"}
    moved |= {f"{part}_train": hundred[f"{part}_train"][by_class] for part in "xy"}
    keras_npz.write(tmp_path / "cifar100.npz", moved)
    assert data.load("cifar100", tmp_path).digest == first


def test_copies_of_test_images_and_second_copies_are_never_drawn(tmp_path: Path, hundred: Arrays) -> None:
    kept = next(label for label in range(100) if label not in OUT)
    places = np.flatnonzero(hundred["y_train"] == kept)
    hundred["x_train"][places[0]] = hundred["x_test"][np.flatnonzero(hundred["y_test"] == kept)[0]]
    keras_npz.write(tmp_path / "cifar100.npz", hundred)
    splits = data.load("cifar100", tmp_path).splits
    assert not set(bytes_of(splits["train"].images)) & set(bytes_of(splits["test"].images))
    hundred["x_train"][places[1]] = hundred["x_train"][places[2]]
    keras_npz.write(tmp_path / "cifar100.npz", hundred)
    assert "a class has 1 different training images, fewer than 2; replace it, or " in refused(tmp_path)


def test_classes_that_come_unequally_often_are_refused(tmp_path: Path, hundred: Arrays) -> None:
    hundred["y_train"] = np.where(hundred["y_train"] == 7, 8, hundred["y_train"])
    keras_npz.write(tmp_path / "cifar100.npz", hundred)
    message = refused(tmp_path)
    assert "cifar100.npz: y_train has 0 to 6 images of a class, not as many of each; " in message


@wants_real_data
def test_the_real_cifar100(tmp_path: Path) -> None:
    if data.locate("cifar100").origin != "cifar100.npz":
        pytest.skip("no cifar100.npz in REJECTBENCH_DATA")
    found = data.load("cifar100")
    assert not found.notes
    assert found.origin.startswith("cifar100.npz: ")
    train, test = found.splits["train"], found.splits["test"]
    assert (len(train), len(test)) == (15_000, 7500)
    for held, count in ((train, 200), (test, 100)):
        assert sorted(torch.bincount(held.labels, minlength=100).tolist()) == [0] * 25 + [count] * 75
        assert torch.bincount(held.labels[:750], minlength=100).max() < 30
    assert not set(bytes_of(train.images)) & set(bytes_of(test.images))
    path = data.default_dir() / "cifar100.npz"
    half = keras_npz.read(path, cifar100.LAYOUT)
    keras_npz.write(tmp_path / "cifar100.npz", completed(half) if len(half["y_train"]) == 25_000 else half)
    complete = data.load("cifar100", tmp_path)
    assert complete.origin == "cifar100.npz: complete, official images"
    assert complete.digest == found.digest


@wants_real_data
def test_the_classes_left_out_are_those_of_the_five_superclasses() -> None:
    path = data.default_dir() / "cifar100.npz"
    if not path.exists():
        pytest.skip("no cifar100.npz in REJECTBENCH_DATA")
    with np.load(path, allow_pickle=False) as found:
        if "y_test_coarse" not in found.files:
            pytest.skip("a cifar100.npz without coarse labels")
        fine, coarse, names = found["y_test"].ravel(), found["y_test_coarse"].ravel(), found["fine_names"]
        groups = {str(name): set(fine[coarse == label].tolist()) for label, name in enumerate(found["coarse_names"])}
    for group, classes in cifar100.LEFT_OUT.items():
        assert groups[group.replace("medium-sized", "medium").replace(" ", "_")] == set(classes)
        for label, name in classes.items():
            assert str(names[label]) == name.replace(" ", "_")
