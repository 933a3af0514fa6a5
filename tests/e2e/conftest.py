"""The program as another process, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

Completed = subprocess.CompletedProcess[str]

TABLES = (".md", ".csv", ".cells.csv", ".leaderboard.csv", ".equal.csv")
"""The ends of the files whose bytes are equal wherever the records are."""


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without a data folder and without a GPU, and with those changes.

    Only on a CPU do two trainings give the same bytes.
    """
    kept = {name: value for name, value in os.environ.items() if name not in {"REJECTBENCH_DATA", "COLUMNS"}}
    return kept | {"CUDA_VISIBLE_DEVICES": ""} | changes


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bench", *arguments]


def call(folder: Path, *arguments: str, **changes: str) -> Completed:
    """Run the program in a folder until it ends."""
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment(**changes), capture_output=True, text=True, check=False
    )


def start(folder: Path, *arguments: str, **changes: str) -> subprocess.Popen[str]:
    """Start the program in a folder."""
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(**changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def tables(folder: Path, name: str = "digits-quick") -> dict[str, bytes]:
    """Return the tables that a run wrote into ``results``."""
    return {end: (folder / "results" / f"{name}{end}").read_bytes() for end in TABLES}


@pytest.fixture(scope="session")
def small(quick: Path) -> tuple[str, ...]:
    """The arguments of a run that takes seconds: two fits, an attack, four cells."""
    return ("run", "--suite", str(quick), "--limit", "100", "--defenses", "naive", "--attacks", "fgs")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, small: tuple[str, ...]) -> Path:
    """A folder in which the small run went through."""
    folder = tmp_path_factory.mktemp("undisturbed")
    result = call(folder, *small)
    assert result.returncode == 0, result.stderr
    return folder
