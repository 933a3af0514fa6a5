"""The published tables: made from the published records, and from nothing else."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import reporting, suites
from bench.cli import app
from bench.store import Store
from leaderboard import remake

PUBLISHED = Path(__file__).parents[2] / "leaderboard" / "published"
RECORDS = PUBLISHED / "records"
SPEED = ("peers", "speed", "gpu")
"""The folders of pages on speed, which have figures of their own."""


def test_every_published_file_is_what_the_records_give(tmp_path: Path) -> None:
    for folder in SPEED:
        shutil.copytree(PUBLISHED / folder, tmp_path / folder)
    for command in ("table1", "report"):  # the index links to what is there
        result = CliRunner().invoke(app, [command, "--store", str(RECORDS), "--out", str(tmp_path)])
        assert result.exit_code == 0, result.output
    files = {path.name for path in PUBLISHED.iterdir() if path.is_file()}
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == files
    for name in files - {"table1.png", "table1-order.png"}:  # pixels are matplotlib's
        assert (tmp_path / name).read_bytes() == (PUBLISHED / name).read_bytes(), name


@pytest.mark.parametrize("entry", reporting.read(Store(RECORDS)).runs, ids=lambda entry: entry.name)
def test_what_is_published_is_a_whole_run(entry: reporting.Entry) -> None:
    records = reporting.load(Store(RECORDS), entry)
    assert entry.status == "done"
    assert {record.header.limit for record in records} == {None}
    assert len({str(record.provenance["versions"]) for record in records}) == 1
    stored = {path.name for path in (RECORDS / "score").iterdir()}
    assert {record.key for record in records} <= stored


@pytest.mark.parametrize("entry", reporting.read(Store(RECORDS)).runs, ids=lambda entry: entry.name)
def test_what_is_published_is_of_a_suite_that_ships(entry: reporting.Entry) -> None:
    found = {(r.header.suite, r.header.suite_digest) for r in reporting.load(Store(RECORDS), entry)}
    ((name, digest),) = found
    assert name in suites.names()
    assert digest == suites.load(name).digest(entry.track)


def test_no_record_lies_there_unused() -> None:
    used = {key for entry in reporting.read(Store(RECORDS)).runs for key in entry.records}
    assert {path.name for path in (RECORDS / "score").iterdir()} == used


def test_the_pages_on_speed_are_what_their_figures_give(tmp_path: Path) -> None:
    for folder in SPEED:
        shutil.copytree(PUBLISHED / folder, tmp_path / folder)
        for made in [path for path in (tmp_path / folder).iterdir() if path.suffix != ".json"]:
            made.unlink()
    remake.main(tmp_path)
    for folder in SPEED:
        texts = [path for path in (PUBLISHED / folder).iterdir() if path.suffix in {".md", ".csv"}]
        assert len(texts) > 0
        for path in texts:
            assert (tmp_path / folder / path.name).read_bytes() == path.read_bytes(), path
