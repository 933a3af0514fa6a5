"""The data sets by name: what is known, where it is, and what a wrong name says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench import data
from bench.data import fashion_mnist
from bench.data.assemble import assemble
from bench.errors import DataMissing, UnknownName
from bench.tracks import TRACKS
from defenses.base import LabelledImages


def test_every_data_set_of_every_track_is_known() -> None:
    wanted = {name for track in TRACKS.values() for name in (track.dataset, track.out_train, *track.out_tests)}
    assert wanted <= set(data.names())


def test_an_unknown_name_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(UnknownName, match=r"^unknown data set 'mnits', did you mean 'mnist'\?$"):
        data.load("mnits")
    with pytest.raises(
        UnknownName, match=r"^unknown data set 'zzz', known: cifar10, cifar100, digits, emnist_letters, "
    ):
        data.locate("zzz")


def test_the_data_folder_is_the_variable_s_or_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REJECTBENCH_DATA", "/somewhere")
    assert data.default_dir() == Path("/somewhere")
    monkeypatch.setenv("REJECTBENCH_DATA", "")
    assert data.default_dir() == Path("data")
    monkeypatch.delenv("REJECTBENCH_DATA")
    assert data.default_dir() == Path("data")


@pytest.mark.parametrize("name", data.EMBEDDED)
def test_embedded_sets_are_at_hand_and_say_so_as_loaded(name: str, tmp_path: Path) -> None:
    located = data.locate(name, tmp_path)
    assert located.mend is None
    assert located.origin == data.load(name, tmp_path).origin


@pytest.mark.parametrize("name", data.IN_FOLDER)
def test_what_is_missing_says_how_to_get_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REJECTBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "usr")
    located = data.locate(name)
    assert located.origin is None
    assert (
        located.mend == f"put {name}.npz in the Keras layout into {tmp_path}, or run: python -m bench data fetch {name}"
    )
    with pytest.raises(DataMissing) as caught:
        data.load(name)
    assert str(caught.value) == f"{name}: not at hand: {located.mend}"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", data.EMBEDDED)
def test_embedded_sets_keep_the_contract_of_images(name: str) -> None:
    first, second = data.load(name), data.load(name)
    assert first.digest == second.digest
    for held in first.splits.values():
        assert held.images.dtype == torch.float32
        assert held.labels.dtype == torch.int64
        assert held.images.shape[1:] == (1, 28, 28)
        assert held.images.is_contiguous()
        assert held.images.min() >= 0
        assert held.images.max() <= 1
        assert len(held.labels) == len(held)
        assert held.images.flatten(1).std(dim=1).min() > 0


def test_listing_waits_for_no_library_of_images() -> None:
    heavy = "{'sklearn', 'PIL', 'torchvision', 'matplotlib'}"
    check = f"import sys; from bench import data; data.locate('digits'); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_digest_sees_images_and_labels_and_not_where_they_came_from() -> None:
    images, labels = torch.zeros(2, 1, 2, 2), torch.tensor([0, 1])
    digest = assemble("a", {"test": LabelledImages(images, labels)}, "here").digest
    assert assemble("a", {"test": LabelledImages(images.clone(), labels)}, "there", ("a note",)).digest == digest
    assert assemble("a", {"test": LabelledImages(images, labels.flip(0))}, "here").digest != digest
    assert assemble("a", {"test": LabelledImages(images + 1, labels)}, "here").digest != digest
    assert assemble("a", {"train": LabelledImages(images, labels)}, "here").digest != digest
