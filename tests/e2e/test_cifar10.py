"""The track cifar10 on real images, few of them and on a small network: VGG-16 is for whoever has the minutes."""

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import call

REAL = os.environ.get("REJECTBENCH_DATA")


@pytest.mark.skipif(REAL is None, reason="REJECTBENCH_DATA names no folder of real data")
def test_a_limited_run_goes_the_whole_way_says_so_and_is_not_published(tmp_path: Path, quick: Path) -> None:
    few = ("--limit", "1000", "--defenses", "naive,ood", "--attacks", "fgs,deepfool", "--architecture", "cuda_convnet")
    result = call(tmp_path, "run", "cifar10", "--suite", str(quick), *few, "--data-dir", str(REAL))
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "results/cifar10-quick.md").read_text()
    assert "LIMITED to the first 1000 of every split" in page
    assert "architecture `cuda_convnet`" in page
    assert "cifar100.npz: half (the first 250 training images of every class)" in page
    rows = (tmp_path / "results/cifar10-quick.csv").read_text().splitlines()
    assert any(row.startswith("cifar10,quick,ood,out:cifar100,all,1,1000,") for row in rows)
    refused = call(tmp_path, "publish", "cifar10", "--suite", "quick", "--to", "public")
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: the last run of 'cifar10' is not published: it has limit 1000, the track")
    assert not (tmp_path / "public" / "cifar10-quick.md").exists()
