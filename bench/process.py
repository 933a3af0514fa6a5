"""Prepares a process: how its threads wait, where its freed memory goes, and what it prints in any encoding."""

from __future__ import annotations

import ctypes
import io
import os
import sys

INTERRUPTED = 130
"""The exit code of a program ended by Ctrl-C."""

SPINS = "3000"  # rounds of a wait before the thread sleeps

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's numbers of what ``mallopt`` sets (malloc.h)."""

KEPT = 1 << 30  # bytes that may lie free before the system gets them back
OWN_MAPPING = (
    1 << 25
)  # bytes from which on a piece of memory is the system's again when freed; the most that glibc takes


def prepare() -> None:
    """Make threads sleep sooner, the process keep its memory and print anything; must come before torch is loaded.

    Threads that wait for one another spin for microseconds, not for GNU OpenMP's milliseconds, unless the environment
    says otherwise: on two cores of which others take a share, that trains small networks up to ten times faster, and on
    idle ones as fast.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    keep_freed_memory()
    print_anything()


def keep_freed_memory() -> bool:
    """Keep what a batch frees for the next one; return whether the C library can be told to.

    glibc gives large pieces back to the system as they are freed, and the system clears every page anew that a batch's
    activations ask for: where that is slow, in virtual machines say, it takes as long as the training itself. What the
    environment variables ``MALLOC_TRIM_THRESHOLD_`` or ``MALLOC_MMAP_THRESHOLD_`` set is left as it is.
    """
    if any(f"MALLOC_{name}_THRESHOLD_" in os.environ for name in ("TRIM", "MMAP")) or sys.platform != "linux":
        return False
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return False
    return bool(set_option(TRIM_THRESHOLD, KEPT)) and bool(set_option(MMAP_THRESHOLD, OWN_MAPPING))


def print_anything() -> None:
    """Have characters that an output's encoding lacks replaced, as α where Windows writes into a file, not raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
