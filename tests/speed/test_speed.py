"""How long the work takes that users wait for; run by ``nox -s speed``, never part of the tests."""

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.speed.workloads import REFERENCES, WORKLOADS, Workload


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_work(benchmark: BenchmarkFixture, workload: Workload, tmp_path: Path) -> None:
    benchmark.pedantic(workload.prepare(tmp_path), rounds=5, warmup_rounds=1)
    assert workload.reference in REFERENCES


@pytest.mark.parametrize("name", REFERENCES)
def test_reference(benchmark: BenchmarkFixture, name: str, tmp_path: Path) -> None:
    benchmark.pedantic(REFERENCES[name](tmp_path), rounds=5, warmup_rounds=1)
    assert name in {workload.reference for workload in WORKLOADS}
