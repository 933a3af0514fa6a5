"""What the command line sets up before torch is loaded."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from bench import process

TOUCHES = """
import resource, torch
from bench import process
kept = process.keep_freed_memory()
def faults():
    pieces = [torch.ones(1_000_000) for _ in range(5)]
    del pieces
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
counted = [faults() for _ in range(9)]
print(kept, min(after - before for before, after in zip(counted, counted[1:])))
"""
PAGES = 5 * 4_000_000 // 4096  # of the five tensors above


def touched(**environment: str) -> tuple[bool, int]:
    """Return whether a fresh process keeps its memory, and how many new pages the same work again takes at least.

    At least: a small piece that comes to lie among the freed ones makes a round ask for one tensor's pages anew.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", TOUCHES], env=clean | environment, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's memory can be told to stay")
def test_what_is_freed_is_there_again_without_new_pages() -> None:
    kept, faults = touched()
    assert kept
    assert faults < PAGES / 20


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's memory can be told to go")
def test_what_the_environment_says_of_memory_is_left_as_it_is() -> None:
    # Each tensor in a mapping of its own, which goes as it is freed: all pages come anew, where those of a process that
    # nothing is said of come anew or not by where its heap happens to lie.
    kept, faults = touched(MALLOC_MMAP_THRESHOLD_="131072")
    assert not kept
    assert faults > PAGES / 2


def test_another_system_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert process.keep_freed_memory() is False


def test_a_c_library_without_the_option_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRIM", "MMAP"):
        monkeypatch.delenv(f"MALLOC_{name}_THRESHOLD_", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert process.keep_freed_memory() is False


def test_threads_sleep_soon_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "keep_freed_memory", lambda: True)
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    process.prepare()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    process.prepare()
    assert os.environ.pop("GOMP_SPINCOUNT") == process.SPINS


def test_what_an_encoding_lacks_is_replaced() -> None:
    says = "from bench import process; process.prepare(); print('α 0.3')"
    done = subprocess.run(
        [sys.executable, "-c", says],
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "? 0.3\n"
