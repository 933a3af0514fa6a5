"""A track's data."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import Result

from bench import data, trackdata
from bench.data import keras_npz, kmnist
from bench.data.dataset import Dataset
from bench.data.download import Fetcher
from bench.errors import DataInvalid, DataUnreadable
from bench.tracks import TRACKS
from defenses.base import LabelledImages

DIGITS = TRACKS["digits"]
Cli = Callable[..., Result]
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


@pytest.fixture
def kuzushiji(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Path]:
    """A digits track with a near test set, of which a folder gets a file with five images."""
    monkeypatch.setitem(TRACKS, "digits", replace(DIGITS, near_tests=("kmnist", "emnist_letters"), limited_epochs=1))
    monkeypatch.setattr(kmnist, "LAYOUT", replace(kmnist.LAYOUT, counts={"test": 5}))

    def put(folder: Path) -> Path:
        path = folder / "kmnist.npz"
        keras_npz.write(path, {"x_test": np.zeros((5, 28, 28), np.uint8), "y_test": np.arange(5)})
        return path

    return put


def test_a_near_set_is_a_test_where_the_folder_has_it(kuzushiji: Callable[[Path], Path], tmp_path: Path) -> None:
    track = TRACKS["digits"]
    without = trackdata.assemble(track, tmp_path, 3)
    assert without.tested(track) == replace(track, near_tests=())
    kuzushiji(tmp_path)
    found = trackdata.assemble(track, tmp_path, 3)
    assert found.tested(track) == replace(track, out_tests=("letters", "photos", "kmnist"), near_tests=())
    assert (len(found.out_tests["kmnist"]), found.left_out) == (3, {})
    assert found.origins["kmnist"].origin == "kmnist.npz: unknown copy"


def test_an_invalid_near_set_is_left_out(kuzushiji: Callable[[Path], Path], tmp_path: Path) -> None:
    path = kuzushiji(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    found = trackdata.assemble(TRACKS["digits"], tmp_path, 3)
    assert set(found.out_tests) == {"letters", "photos"}
    assert "kmnist" not in found.origins
    assert set(found.left_out) == {"kmnist"}
    assert found.left_out["kmnist"].startswith(f"{path}: not a whole .npz file")


@pytest.mark.usefixtures("kuzushiji")
@pytest.mark.parametrize("fetcher", [None, Fetcher()], ids=["offline", "download"])
@pytest.mark.parametrize("name", ["kmnist.npz", "EMNIST/raw/gzip.zip"])
def test_a_near_set_that_cannot_be_read_is_not_left_out(name: str, fetcher: Fetcher | None, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir(parents=True)
    with pytest.raises(DataUnreadable, match=f"^{path}: cannot be read: "):
        trackdata.assemble(TRACKS["digits"], tmp_path, 3, fetcher=fetcher)


def test_a_near_set_of_another_shape_is_left_out(
    kuzushiji: Callable[[Path], Path], tmp_path: Path, sets: dict[str, Dataset]
) -> None:
    kuzushiji(tmp_path)
    wide = LabelledImages(torch.zeros(5, 3, 32, 32), torch.zeros(5, dtype=torch.int64))
    sets["kmnist"] = replace(sets["photos"], name="kmnist", splits={"test": wide})
    found = trackdata.assemble(TRACKS["digits"], tmp_path, 3)
    assert found.left_out["kmnist"].startswith("kmnist: test images are (3, 32, 32), ")


def test_an_invalid_set_that_the_track_names_is_an_error(kuzushiji: Callable[[Path], Path], tmp_path: Path) -> None:
    kuzushiji(tmp_path).write_bytes(b"")
    with pytest.raises(DataInvalid, match=r"kmnist\.npz: not a whole"):
        trackdata.assemble(replace(DIGITS, out_tests=("kmnist",)), tmp_path, 3)


def test_a_run_goes_on_without_an_invalid_near_set(kuzushiji: Callable[[Path], Path], cli: Cli, quick: Path) -> None:
    run = ("run", "--suite", str(quick), "--defenses", "naive", "--attacks", "fgs", "--limit", "100")
    path = kuzushiji(Path("data"))
    assert "out:kmnist" in cli(*run, "--dry-run").stdout
    path.write_bytes(path.read_bytes()[:-10])
    results = [cli(*run, "--dry-run", "--strict"), cli(*run, "--strict")]
    for result in results:
        assert (result.exit_code, "out:kmnist" in result.stdout) == (0, False)
        (warning,) = result.stderr.splitlines()
        assert warning.startswith(f"warning: digits: test set 'kmnist' is left out: {path}: not a whole .npz file")
        assert warning.endswith("or delete it and run: python -m bench data fetch kmnist")
    cells = Path("results/digits-quick.cells.csv").read_text()
    assert "out:photos" in cells
    assert "kmnist" not in cells


def test_images_of_another_shape_are_refused(sets: dict[str, Dataset]) -> None:
    wide = LabelledImages(torch.zeros(5, 3, 32, 32), torch.zeros(5, dtype=torch.int64))
    sets["letters"] = replace(sets["letters"], splits={"train": wide, "test": wide})
    with pytest.raises(DataInvalid, match=r"letters: train images are \(3, 32, 32\), track 'digits' takes"):
        trackdata.assemble(DIGITS, NOWHERE, None)


def test_labels_that_the_track_does_not_have_are_refused(sets: dict[str, Dataset]) -> None:
    with pytest.raises(DataInvalid, match="digits: train has label 9, 'digits' has 0 to 4"):
        trackdata.assemble(replace(DIGITS, classes=5), NOWHERE, None)
