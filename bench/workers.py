"""The other processes of a run: each goes through the same plan on the same store, beside the first."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch

from bench import process, quota, trackdata
from bench.console import Terminal
from bench.executor import Executor
from bench.plan import Job, Selection, plan
from bench.store import Store

MOST = 4  # processes of a run on a CPU that is not told how many
MEMORY = 4 << 30  # bytes for each of them: a run of cifar10 takes three quarters of it
OFTEN = 0.5  # seconds between two times that a process tells how much of a job it has done
WORTHWHILE = 30.0  # seconds of work from which on others are started: that takes each of them several seconds


@dataclass(frozen=True)
class Work:
    """What a process is handed: a selection of which all data are at hand, and what it is run with."""

    selection: Selection
    store: Path
    device: torch.device
    data_dir: Path
    threads: int
    urgency: Mapping[str, float]


class Aside(Terminal):
    """Says only what the first process does not find out for itself, and tells it how far the jobs here are."""

    def __init__(self, first: Connection) -> None:
        super().__init__()
        self._first = first
        self._key = ""  # of the job in hand
        self._work = 0.0  # of it, in forward passes
        self._next = 0.0  # when it is told again

    def started(self, job: Job) -> None:
        """Tell of a job that begins."""
        self._key, self._work = job.key, 0.0
        self._tell(job.key, 0.0)

    def advanced(self, work: float) -> None:
        """Tell, now and then, how much of the job in hand is done."""
        self._work += work
        if time.monotonic() >= self._next:
            self._tell(self._key, self._work)

    def finished(self, job: Job) -> None:
        """Tell of a job that is done."""
        self._tell(job.key, None)

    def _tell(self, key: str, work: float | None) -> None:
        self._next = time.monotonic() + OFTEN
        with suppress(OSError):  # the first process has ended, and this one is about to
            self._first.send((key, work))

    def found_corrupt(self, reason: str) -> None:
        """Leave it to the first process, which looks at all files too."""

    def failed(self, job: Job, reason: str) -> None:
        """Leave it to the first process, which tries the job too."""


def count(device: torch.device, asked: int | None) -> int:
    """Return how many processes share a run, unless it is ``asked`` for a number: one where there is a GPU.

    On a CPU as many as there are threads and memory for, four at most; one where its memory is unknown.
    """
    if asked is not None:
        return asked
    if device.type != "cpu":
        return 1
    return max(1, min(MOST, threads(), (quota.memory() or 0) // MEMORY))


def threads() -> int:
    """Return how many threads a run has: torch's, or fewer where a container gets less time than the machine has."""
    limit = quota.processors()
    return torch.get_num_threads() if limit is None else max(1, min(torch.get_num_threads(), math.ceil(limit)))


def sharing_threads(device: torch.device, asked: int | None) -> int:
    """Return how many processes share a run, ``count``'s, and leave this one its share of the threads."""
    processes = count(device, asked)
    torch.set_num_threads(max(1, threads() // processes))
    return processes


@contextmanager
def beside(work: Work, others: int, terminal: Terminal) -> Iterator[None]:
    """Have so many other processes share the work while a block runs; they end with it, and with this process.

    None is needed: what one had in hand when it was lost is done by another, and one that cannot be started is missed.
    The terminal hears how far they are.
    """
    members: list[tuple[SpawnProcess, Connection]] = []
    try:
        for _ in range(others):
            try:
                member, pipe = begin(work)
                members.append((member, pipe))
                threading.Thread(target=listen, args=(pipe, terminal.elsewhere), daemon=True).start()
            except OSError as error:
                terminal.warn(
                    f"no other process could be started: {error.strerror or error}; the run goes on with what there is"
                )
                break
        yield
    finally:
        for member, pipe in members:
            if member.exitcode:
                terminal.warn(
                    f"a process of this run ended by itself, with code {member.exitcode}; the run went on without it "
                    "(-9 mostly tells of a lack of memory: use fewer --jobs)"
                )
            member.kill()  # a stopped process hears nothing else, and what it leaves in the store is whole
            member.join()
            pipe.close()


def begin(work: Work) -> tuple[SpawnProcess, Connection]:
    """Start a process, which leaves Ctrl-C to this one, and return it with its pipe."""
    context = get_context("spawn")
    own, others = context.Pipe()
    member = context.Process(target=take_part, args=(work, others), daemon=True)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        member.start()
    finally:
        signal.signal(signal.SIGINT, before)
    others.close()
    return member, own


def take_part(work: Work, first: Connection) -> None:
    """Go through the plan, in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # not every system hands on what was ignored when this was started
    threading.Thread(target=leave_with, args=(first,), daemon=True).start()
    process.keep_freed_memory()
    process.print_anything()
    torch.set_num_threads(work.threads)
    terminal, selection = Aside(first), work.selection
    try:
        data = trackdata.assemble(selection.track, work.data_dir, selection.limit)
        executor = Executor(Store(work.store), data, work.device, terminal)
        made = plan(selection)
        executor.run(made, executor.survey(made), work.urgency)
    except Exception as error:  # noqa: BLE001  the first process goes on alone, and meets what there is to meet
        terminal.warn(f"a process of this run is lost: {type(error).__name__}: {error}; the run goes on without it")


def listen(pipe: Connection, hear: Callable[[str, float | None], None]) -> None:
    """Hand on what a process tells of its jobs until it ends."""
    with suppress(EOFError, OSError):
        while True:
            hear(*pipe.recv())


def leave_with(first: Connection) -> None:
    """End this process when the first one does."""
    try:
        first.recv()
    except (EOFError, OSError):
        os._exit(1)
