"""The published tables: made from the published records, and from nothing else."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import reporting, suites
from bench.cli import app
from bench.store import Store

PUBLISHED = Path(__file__).parents[2] / "leaderboard" / "published"
RECORDS = PUBLISHED / "records"


def test_every_published_file_is_what_the_records_give(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", "--store", str(RECORDS), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in PUBLISHED.iterdir() if path.is_file()}


@pytest.mark.parametrize("entry", reporting.read(Store(RECORDS)).tracks, ids=lambda entry: entry.track)
def test_what_is_published_is_a_whole_run(entry: reporting.Entry) -> None:
    records = reporting.load(Store(RECORDS), entry)
    assert entry.status == "done"
    assert {record.header.limit for record in records} == {None}
    assert len({str(record.provenance["versions"]) for record in records}) == 1
    stored = {path.name for path in (RECORDS / "score").iterdir()}
    assert {record.key for record in records} <= stored


@pytest.mark.parametrize("entry", reporting.read(Store(RECORDS)).tracks, ids=lambda entry: entry.track)
def test_what_is_published_is_of_a_suite_that_ships(entry: reporting.Entry) -> None:
    found = {(r.header.suite, r.header.suite_digest) for r in reporting.load(Store(RECORDS), entry)}
    ((name, digest),) = found
    assert name in suites.names()
    assert digest == suites.load(name).digest


def test_no_record_lies_there_unused() -> None:
    used = {key for entry in reporting.read(Store(RECORDS)).tracks for key in entry.records}
    assert {path.name for path in (RECORDS / "score").iterdir()} == used
