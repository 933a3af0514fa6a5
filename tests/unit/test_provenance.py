"""Which code a result is said to come from."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench import provenance

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b.c")


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    provenance.commit.cache_clear()
    yield tmp_path
    provenance.commit.cache_clear()


def committed(folder: Path) -> str:
    """Commit a file in a repository of its own and return the commit."""
    (folder / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first"]):
        subprocess.run([*GIT, *command], cwd=folder, check=True)
    return subprocess.run(
        [*GIT, "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_it_is_the_commit_of_the_checkout(checkout: Path) -> None:
    commit = committed(checkout)
    (checkout / "results").write_text("what a run leaves behind is no change of the code")
    assert provenance.commit() == commit


def test_changed_files_are_marked(checkout: Path) -> None:
    commit = committed(checkout)
    (checkout / "file").write_text("other")
    assert provenance.commit() == f"{commit}+"


def test_a_wheel_has_none_even_within_another_repository(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed(checkout)
    (checkout / "installed").mkdir()
    monkeypatch.setattr(provenance, "CHECKOUT", checkout / "installed")
    assert provenance.commit() == "unknown"


@pytest.mark.parametrize("lost", ["commits", "git"])
def test_where_git_cannot_tell_it_is_unknown(checkout: Path, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / ".git").mkdir()
    if lost == "git":
        committed(checkout)
        monkeypatch.setenv("PATH", "")
    assert provenance.commit() == "unknown"


def test_the_instructions_are_those_that_are_left_by_what_caps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in provenance.CAPS:
        monkeypatch.delenv(name, raising=False)
    uncapped = provenance.environment(torch.device("cpu"))["instructions"]
    assert uncapped == torch.backends.cpu.get_cpu_capability()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert provenance.environment(torch.device("cpu"))["instructions"] == f"{uncapped} ONEDNN_MAX_CPU_ISA=AVX2"
