"""Where data sets of the data folder are looked for, in which order, and what is said of the copy that was found."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench import data
from bench.data import in_folder, keras_npz
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.errors import DataInvalid, DataMissing, DataUnreadable

LAYOUT = keras_npz.Layout("toy", image=(2, 2), classes=3, counts={"test": 3})
REMOTE = Remote(("http://127.0.0.1:9/packed",), PurePosixPath("packed"), "0" * 32)


def toy(value: int) -> dict[str, NDArray[Any]]:
    return {"x_test": np.full((3, 2, 2), value, np.uint8), "y_test": np.arange(3)}


class Deliverer(Fetcher):
    """Puts a file into its place, as a download would."""

    def fetch(self, remote: Remote, data_dir: Path, mend: str) -> Path:
        path = data_dir / remote.path
        path.write_text("3")
        return path


class Idler(Fetcher):
    """Brings nothing."""

    def fetch(self, remote: Remote, data_dir: Path, mend: str) -> Path:
        return data_dir / remote.path


class Offline(Fetcher):
    """Reaches nobody."""

    def fetch(self, remote: Remote, data_dir: Path, mend: str) -> Path:
        raise DataMissing(f"no net; {mend}")


def place(name: str, *, official: bool = False) -> in_folder.Place:
    """A place whose file holds the value of all pixels."""

    def read(data_dir: Path) -> in_folder.Found:
        value = (data_dir / name).read_text()
        if not value:
            raise DataInvalid(f"{name}: empty")
        return in_folder.Found(toy(int(value)), official=official)

    return in_folder.Place(name, lambda data_dir: (data_dir / name).exists(), read)


def unpack(data_dir: Path) -> None:
    (data_dir / "second").write_text((data_dir / "packed").read_text())


KEPT = in_folder.Kept(
    LAYOUT, (place("first"), place("second", official=True)), lambda: (REMOTE,), in_folder.Packed("packed", unpack)
)


def found(data_dir: Path, fetcher: Fetcher | None = None) -> tuple[str, int]:
    source = KEPT.source(data_dir, fetcher)
    return source.place, int(source.arrays["x_test"].flat[0])


def test_places_are_looked_for_in_order(tmp_path: Path) -> None:
    (tmp_path / "packed").write_text("4")
    assert KEPT.locate(tmp_path).origin == "packed"
    assert found(tmp_path) == ("second", 4)
    (tmp_path / "packed").write_text("5")
    assert KEPT.locate(tmp_path).origin == "second"
    assert found(tmp_path) == ("second", 4)
    (tmp_path / "first").write_text("6")
    assert KEPT.locate(tmp_path).origin == "first"
    assert found(tmp_path, Deliverer()) == ("first", 6)
    keras_npz.write(tmp_path / "toy.npz", toy(7))
    assert KEPT.locate(tmp_path).origin == "toy.npz"
    assert found(tmp_path) == ("toy.npz", 7)


def test_an_invalid_place_is_no_reason_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "second").write_text("1")
    (tmp_path / "first").write_text("")
    with pytest.raises(DataInvalid, match="first: empty"):
        found(tmp_path, Deliverer())
    (tmp_path / "toy.npz").write_text("")
    with pytest.raises(DataInvalid, match=r"toy\.npz: not a whole \.npz file"):
        found(tmp_path, Deliverer())


def test_what_is_downloaded_makes_a_place(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"^toy: not at hand: put toy\.npz in the Keras layout into "):
        found(tmp_path)
    assert found(tmp_path, Deliverer()) == ("second", 3)
    assert found(tmp_path) == ("second", 3)


def test_what_is_not_on_the_net_is_not_said_to_be(tmp_path: Path) -> None:
    command = f"run: python -m bench data fetch toy --data-dir {tmp_path}"
    assert str(KEPT.locate(tmp_path).mend).endswith(f", or {command}")
    kept = replace(KEPT, remotes=tuple)
    assert kept.locate(tmp_path).mend == f"put toy.npz in the Keras layout into {tmp_path}"
    with pytest.raises(DataMissing, match=r"^toy: not at hand: put toy\.npz in the Keras layout into \S+$"):
        kept.source(tmp_path, Deliverer())
    (tmp_path / "toy.npz").write_text("")
    for of_net, mend in ((KEPT, f"toy.npz, or delete it and {command}"), (kept, "toy.npz")):
        with pytest.raises(DataInvalid) as caught:
            of_net.source(tmp_path, None)
        assert str(caught.value).endswith(f"; replace it by a whole {mend}")


def test_an_invalid_archive_is_fetched_anew(tmp_path: Path) -> None:
    def damaged(data_dir: Path) -> None:
        if (data_dir / "packed").read_text() == "half":
            raise DataInvalid("packed: half; delete it")
        unpack(data_dir)

    kept = replace(KEPT, packed=in_folder.Packed("packed", damaged))
    (tmp_path / "packed").write_text("half")
    with pytest.raises(DataInvalid, match=r"^packed: half; delete it$"):
        kept.source(tmp_path, None)
    with pytest.raises(DataInvalid, match=r"^no net; packed: half; delete it$"):
        kept.source(tmp_path, Offline())
    with pytest.raises(DataInvalid, match=r"^packed: half; delete it$"):
        kept.source(tmp_path, Idler())
    assert kept.source(tmp_path, Deliverer()).place == "second"


def test_an_archive_that_cannot_be_read_is_not_fetched_anew(tmp_path: Path) -> None:
    def failing(data_dir: Path) -> None:
        raise DataUnreadable("packed: cannot be read")

    kept = replace(KEPT, packed=in_folder.Packed("packed", failing))
    (tmp_path / "packed").write_text("8")
    for fetcher in (None, Deliverer(), Offline()):
        with pytest.raises(DataUnreadable, match=r"^packed: cannot be read$"):
            kept.source(tmp_path, fetcher)
    assert (tmp_path / "packed").read_text() == "8"


def test_a_valid_place_of_another_md5_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "packed").write_text("8")
    assert found(tmp_path, Offline()) == ("second", 8)


def test_a_download_that_brings_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"^toy: not at hand: "):
        found(tmp_path, Idler())


def dataset(source: in_folder.Source, known: dict[str, str]) -> Dataset:
    test = keras_npz.labelled(source.arrays["x_test"], source.arrays["y_test"])
    return source.dataset({"test": test}, known, notes=("a note",))


def test_a_copy_is_known_by_its_digest_or_by_the_md5_of_its_files() -> None:
    arrays = toy(1)
    known = {keras_npz.digest(arrays): "the one"}
    official = dataset(in_folder.Source("toy", "here", toy(2), official=True), known)
    assert (official.origin, official.notes) == ("here: the files that torchvision names", ("a note",))
    for files in (True, False):
        by_digest = dataset(in_folder.Source("toy", "here", arrays, official=files), known)
        assert (by_digest.origin, by_digest.notes) == ("here: the one", ("a note",))


def test_an_unknown_copy_is_used_with_a_note() -> None:
    arrays = toy(2)
    other = dataset(in_folder.Source("toy", "here", arrays, official=False), {keras_npz.digest(toy(1)): "the one"})
    assert other.origin == "here: unknown copy"
    digest = keras_npz.digest(arrays)[:12]
    assert other.notes[0] == "a note"
    assert other.notes[1].startswith(f"unknown copy: its digest {digest} is none of the known ones; figures made from ")
    assert len(other.splits["test"]) == 3


@pytest.mark.parametrize("name", data.IN_FOLDER)
def test_a_broken_npz_of_any_set_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.npz").write_text("")
    assert data.locate(name, tmp_path).origin == f"{name}.npz"
    with pytest.raises(DataInvalid) as caught:
        data.load(name, tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / name}.npz: not a whole .npz file")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not os.environ.get("REJECTBENCH_DATA"), reason="REJECTBENCH_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("name", "copy"),
    [
        ("mnist", "complete, official order"),
        ("notmnist", "notMNIST_small, complete"),
        ("fashion_mnist", "complete, official order"),
    ],
)
def test_real_copies_are_known(name: str, copy: str) -> None:
    if data.locate(name).origin is None:
        pytest.skip(f"no {name} in REJECTBENCH_DATA")
    assert data.load(name).origin.endswith(f": {copy}")


@pytest.mark.skipif(not os.environ.get("REJECTBENCH_DATA"), reason="REJECTBENCH_DATA names no folder of real data")
def test_the_real_fashion_mnist_is_mixed() -> None:
    if data.locate("fashion_mnist").origin is None:
        pytest.skip("no Fashion-MNIST in REJECTBENCH_DATA, nor Debian's package")
    labels = data.load("fashion_mnist").splits["test"].labels
    assert torch.bincount(labels).tolist() == [1000] * 10
    assert torch.bincount(labels[:100]).min() >= 5
