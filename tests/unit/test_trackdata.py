"""A track's data."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench import data, trackdata
from bench.data.dataset import Dataset
from bench.errors import DataInvalid
from bench.tracks import TRACKS
from defenses.base import LabelledImages

DIGITS = TRACKS["digits"]
NOWHERE = Path("nowhere")


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> dict[str, Dataset]:
    """The data sets by name, small and blank, in place of the real ones."""

    def split(count: int) -> LabelledImages:
        return LabelledImages(torch.zeros(count, 1, 28, 28), torch.arange(count) % 10)

    made = {
        name: Dataset(name, {part: split(20) for part in ("train", "validation", "test")}, "made up", name * 3)
        for name in ("digits", "letters", "photos")
    }
    monkeypatch.setattr(data, "load", lambda name, data_dir, *, fetcher: made[name])
    return made


def test_the_digits_track_is_made_of_its_sets() -> None:
    found = trackdata.assemble(DIGITS, NOWHERE, None)
    assert [len(split) for split in (found.train, found.validation, found.test)] == [1078, 359, 360]
    assert len(found.out_train) == round(0.2 * len(found.train))
    assert list(found.out_tests) == ["letters", "photos"]
    assert set(found.origins) == {"digits", "letters", "photos"}
    for images in (found.train.images, found.out_train, *found.out_tests.values()):
        assert images.dtype == torch.float32
        assert 0 <= images.min() < images.max() <= 1


def test_a_limit_takes_the_first_of_every_split(sets: dict[str, Dataset]) -> None:
    found = trackdata.assemble(DIGITS, NOWHERE, 7)
    assert [len(split) for split in (found.train, found.validation, found.test)] == [7, 7, 7]
    assert len(found.out_train) == len(found.out_tests["photos"]) == 7
    assert found.train.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_limited_run_takes_the_same_share_of_an_attacks_images(sets: dict[str, Dataset]) -> None:
    whole = trackdata.assemble(DIGITS, NOWHERE, None)
    fifth = trackdata.assemble(DIGITS, NOWHERE, 4)
    assert [whole.of_share(images) for images in (None, 1, 100)] == [None, 1, 100]
    assert [fifth.of_share(images) for images in (None, 1, 100)] == [None, 1, 20]


def test_every_set_has_its_digest(sets: dict[str, Dataset]) -> None:
    origins = trackdata.assemble(DIGITS, NOWHERE, None).origins
    assert {name: origin.digest for name, origin in origins.items()} == {name: name * 3 for name in sets}


def test_a_near_set_is_a_test_where_the_folder_has_it(tmp_path: Path) -> None:
    mnist = TRACKS["mnist"]
    assert trackdata.at_hand(mnist, tmp_path) == replace(mnist, near_tests=())
    (tmp_path / "kmnist.npz").touch()
    assert trackdata.at_hand(mnist, tmp_path).out_tests == ("notmnist", "kmnist")


def test_images_of_another_shape_are_refused(sets: dict[str, Dataset]) -> None:
    wide = LabelledImages(torch.zeros(5, 3, 32, 32), torch.zeros(5, dtype=torch.int64))
    sets["letters"] = replace(sets["letters"], splits={"train": wide, "test": wide})
    with pytest.raises(DataInvalid, match=r"letters: train images are \(3, 32, 32\), track 'digits' takes"):
        trackdata.assemble(DIGITS, NOWHERE, None)


def test_labels_that_the_track_does_not_have_are_refused(sets: dict[str, Dataset]) -> None:
    with pytest.raises(DataInvalid, match="digits: train has label 9, 'digits' has 0 to 4"):
        trackdata.assemble(replace(DIGITS, classes=5), NOWHERE, None)
