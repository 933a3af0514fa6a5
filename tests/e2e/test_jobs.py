"""A run that several processes share: it ends as one process's does, whatever becomes of the others."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Completed, call, environment, tables

JOBS = 7
PATIENCE = 60  # seconds in which another process must have begun, or ended

SHARED = """
import multiprocessing, sys, time
from pathlib import Path
from bench import workers
from bench.__main__ import main
from bench.executor import Executor

workers.WORTHWHILE = 0.0  # seconds: a small run is none that others are started for
then = sys.argv.pop(1)
run = Executor.run


def late(self, *given):
    while not list(Path("store").glob("fit/*/manifest.json")):
        time.sleep(0.01)
    Path("begun").touch()
    if then == "lose":
        for member in multiprocessing.active_children():
            member.kill()
    while then == "wait":
        time.sleep(1)
    return run(self, *given)


Executor.run = late
main()
"""
"""The program, whose first process waits until another has done a job, and then goes on, loses it or waits for good."""


def command(then: str, small: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-c", SHARED, then, *small, "--jobs", "2"]


def shared(folder: Path, then: str, small: tuple[str, ...]) -> Completed:
    return subprocess.run(
        command(then, small),
        cwd=folder,
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * PATIENCE,
    )


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, small: tuple[str, ...]) -> Path:
    """A folder in which one process did the small run on one thread."""
    folder = tmp_path_factory.mktemp("alone")
    result = call(folder, *small, OMP_NUM_THREADS="1")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("then", ["go on", "lose"])
def test_a_shared_run_makes_the_same_tables_even_where_a_process_is_lost(
    tmp_path: Path, small: tuple[str, ...], alone: Path, then: str
) -> None:
    result = shared(tmp_path, then, small)
    assert result.returncode == 0, result.stderr
    lost = (
        "warning: a process of this run ended by itself, with code -9; the run went on without it (-9 mostly tells of"
    )
    assert result.stderr.startswith(lost) if then == "lose" else result.stderr == ""
    assert result.stderr.count("\n") == (then == "lose")
    assert f"{JOBS} jobs done, 0 kept" in result.stdout
    assert tables(tmp_path) == tables(alone)


def test_no_process_outlives_the_first(tmp_path: Path, small: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        command("wait", small), cwd=tmp_path, env=environment(OMP_NUM_THREADS="1"), start_new_session=True
    )
    end = time.monotonic() + PATIENCE
    while not (tmp_path / "begun").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert (tmp_path / "begun").exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while has_members(process.pid):
        assert time.monotonic() < end + PATIENCE
        time.sleep(0.05)


def has_members(group: int) -> bool:
    """Return whether a group of processes has any that is alive."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
