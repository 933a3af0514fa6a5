"""The command line where a named track lacks its data."""

from pathlib import Path

import pytest

from bench import data
from bench.data.download import Fetcher
from bench.errors import DataMissing
from tests.conftest import Cli


def test_missing_data_of_a_track_that_is_named_are_an_error(cli: Cli) -> None:
    result = cli("run", "mnist")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: track 'mnist' is left out: mnist: not at hand: put mnist.npz")
    assert "not at hand" in Path("results/README.md").read_text()
    dry = cli("run", "mnist", "--dry-run")
    assert dry.exit_code == 0
    assert dry.stderr.startswith("warning: track 'mnist' is left out")
    assert cli("run", "mnist", "--dry-run", "--strict").exit_code == 1


def test_a_dry_run_downloads_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def load(name: str, data_dir: Path, *, fetcher: Fetcher | None) -> None:
        asked.append(fetcher is not None)
        raise DataMissing("mnist: not at hand")

    monkeypatch.setattr(data, "load", load)
    assert cli("run", "mnist", "--download", "--dry-run").exit_code == 0
    assert cli("run", "mnist", "--download").exit_code == 1
    assert asked == [False, True]
