"""A track whose data come from files, on the real ones."""

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import call

REAL = os.environ.get("REJECTBENCH_DATA")


@pytest.mark.skipif(REAL is None, reason="REJECTBENCH_DATA names no folder of real data")
def test_mnist_goes_the_whole_way_and_is_marked_as_limited(tmp_path: Path, quick: Path) -> None:
    few = ("--limit", "600", "--defenses", "naive,ood", "--attacks", "fgs,deepfool")
    result = call(tmp_path, "run", "mnist", "--suite", str(quick), *few, "--data-dir", str(REAL))
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "results/mnist-quick.md").read_text()
    assert "LIMITED to the first 600 of every split" in page
    assert "Table I" not in page  # the paper's figures are of whole runs
    assert "492 exact duplicates" in page
    rows = (tmp_path / "results/mnist-quick.csv").read_text().splitlines()
    rejected = next(row for row in rows if row.startswith("mnist,quick,ood,out:notmnist,all,1,600,")).split(",")
    assert float(rejected[10]) > 0.9
