"""docs/adding-a-track.md keeps its word: what it writes, put in its places, is a track that runs."""

import csv
import re
import sys
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from bench import data, trackdata
from bench.tracks import TRACKS, Recipe, Track
from tests.conftest import Cli

DOCUMENT = (Path(__file__).parents[2] / "docs" / "adding-a-track.md").read_text()
DRAW, MODULE, LINE, ENTRY = re.findall(r"^```python\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def track(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Track:
    """The document's track, its code where it says, its images drawn into the data folder of an empty folder."""
    exec(DRAW, {})  # noqa: S102  the document's own code
    found = re.fullmatch(r'\s*"(\w+)": "([\w.]+)",\s*', LINE)
    assert found is not None
    name, module = found.groups()
    (tmp_path / "shapes.py").write_text(MODULE)
    spec = spec_from_file_location(module, tmp_path / "shapes.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    monkeypatch.setitem(sys.modules, module, loaded)
    monkeypatch.setitem(data.IN_FOLDER, name, module)
    made: Track = eval(ENTRY, {"Track": Track, "Recipe": Recipe})  # noqa: S307  likewise
    monkeypatch.setitem(TRACKS, made.name, made)
    return made


def test_its_images_are_those_of_the_track(track: Track) -> None:
    found = trackdata.assemble(track, Path("data"), None)
    assert {name: len(getattr(found, name)) for name in ("train", "validation", "test")} == {
        "train": 360,
        "validation": 120,
        "test": 240,
    }
    for held in (found.train, found.validation, found.test):
        assert held.images[:30].amax() <= 1
        assert set(held.labels[:30].tolist()) == set(range(track.classes))  # a limit leaves all classes
    assert set(found.out_tests) == set(track.out_tests)


def test_it_runs_from_images_to_tables(track: Track, cli: Cli) -> None:
    assert re.search(r"^shapes +shapes\.npz +nothing to do$", cli("data").stdout, re.MULTILINE)
    assert cli("validate", "data/shapes.npz").exit_code == 0
    ran = cli("run", "shapes", "--limit", "80", "--defenses", "naive,ood", "--attacks", "fgs")
    assert ran.exit_code == 0, ran.stderr
    with Path("results/shapes.csv").open() as file:
        rows = {(row["defense"], row["attack"]): row for row in csv.DictReader(file) if row["denominator"] == "all"}
    assert float(rows["naive", "clean"]["acc"]) >= track.floor
    assert float(rows["ood", "out:letters"]["rej"]) >= 0.9
    assert rows["ood", "fgs"]["n"] == rows["naive", "fgs"]["n"] != "0"
    assert "unknown copy" in Path("results/shapes.md").read_text()


def test_its_images_missing_nothing_is_said_of_a_download(track: Track, cli: Cli) -> None:
    Path("data/shapes.npz").unlink()
    ran = cli("run", "shapes", "--limit", "100")
    assert "shapes: not at hand: put shapes.npz in the Keras layout into data" in ran.stderr
    assert "fetch" not in ran.stderr
    (row,) = [line for line in cli("data").stdout.splitlines() if line.startswith("shapes ")]
    assert row.endswith(" put shapes.npz in the Keras layout into data")


def test_its_images_damaged_nobody_is_told_to_delete_them(track: Track, cli: Cli) -> None:
    Path("data/shapes.npz").write_bytes(b"PK")
    for arguments in (("run", "shapes"), ("run", "shapes", "--download"), ("data", "fetch", "shapes")):
        assert cli(*arguments).stderr.endswith("; replace it by a whole shapes.npz\n")


def test_every_field_is_explained() -> None:
    cells = re.findall(r"^\| (`.*?) \|", DOCUMENT, re.MULTILINE)
    told = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted(field.name for kind in (Track, Recipe) for field in fields(kind))
