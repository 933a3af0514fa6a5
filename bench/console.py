"""How a run looks: a progress line on a terminal; elsewhere results, troubles, and now and then how far it is."""

from __future__ import annotations

import errno
import os
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bench.data.download import Remote
from bench.estimate import Load, spoken
from bench.plan import Job

NOTHING = Load(0.0, 0.0)

EVERY = 120.0  # seconds between lines of progress where there is no terminal

WAITING = "waiting for what other processes make"


class Lines(Console):
    """A console on which the first line that nobody reads any more is an error, wherever it is printed."""

    def on_broken_pipe(self) -> None:
        """Let whoever prints know, in place of ending the thread and saying no more."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


class Terminal:
    """Prints lines, and is told how a run goes (``bench.executor.Observer``)."""

    def __init__(self) -> None:
        self.out: Console = Lines(highlight=False, soft_wrap=True)
        self.err: Console = Lines(stderr=True, highlight=False, soft_wrap=True)
        self._progress: RunProgress | None = None

    def say(self, line: str) -> None:
        """Print a line of results."""
        self.out.print(line, markup=False)

    def warn(self, line: str) -> None:
        """Print a line about something that the user should know."""
        self.err.print(f"warning: {line}", markup=False)

    def error(self, line: str) -> None:
        """Print a line about something that went wrong."""
        self.err.print(f"error: {line}", markup=False)

    def watch(self, jobs: dict[str, Load]) -> RunProgress:
        """Return a context in which the jobs with those keys and loads are shown as they go."""
        self._progress = RunProgress(self.out, jobs)
        return self._progress

    def fetching(self, remote: Remote) -> FetchProgress:
        """Return a context in which a file is shown as it arrives."""
        return FetchProgress(self.err, remote.path.name)

    def found_corrupt(self, reason: str) -> None:
        """Name a damaged file."""
        self.warn(f"{reason}; it is made again, with what depends on it")

    def failed(self, job: Job, reason: str) -> None:
        """Name a job that failed."""
        self.error(f"{job.label}: {reason}")

    def started(self, job: Job) -> None:
        """Show a job as begun."""
        if self._progress is not None:
            self._progress.started(job)

    def advanced(self, work: float) -> None:
        """Show that much more work as done."""
        if self._progress is not None:
            self._progress.advanced(work)

    def resumed(self, job: Job, where: str) -> None:
        """Say where a fit goes on that was stopped before."""
        self.say(f"{job.label}: {where}")

    def warned(self, job: Job, reason: str) -> None:
        """Say what a job goes on without."""
        self.warn(f"{job.label}: {reason}")

    def finished(self, job: Job) -> None:
        """Show a job as done."""
        if self._progress is not None:
            self._progress.finished(job)

    def elsewhere(self, key: str, work: float | None) -> None:
        """Show how much of a job another process has done, ``None`` for all of it."""
        if self._progress is not None:
            self._progress.heard(key, work)


def shows_bars(console: Console) -> bool:
    """Return whether a console can move a bar; elsewhere lines tell."""
    return console.is_terminal and not console.is_dumb_terminal


class RunProgress:
    """A progress bar over a run, with an estimate of what remains.

    It goes by the seconds that the jobs were expected to take: the same work takes longer in one than in another. What
    other processes of the run have in hand counts as they tell it; what is named is this process's job.
    Where there is no terminal, a line every two minutes stands in for it, also while a job tells nothing.
    """

    def __init__(self, console: Console, jobs: dict[str, Load]) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()  # other processes are heard in threads of their own
        self._key = ""  # of this process's job in hand
        self._label = WAITING
        self._within: dict[str, float] = {}  # work of the jobs in hand, in forward passes
        self._done: set[str] = set()
        self._before = 0.0  # seconds of the jobs that are done
        self._console = console
        self._began = time.monotonic()
        self._over = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not shows_bars(console),
        )
        self._task = self._bar.add_task(WAITING, total=sum(load.seconds for load in jobs.values()))

    def __enter__(self) -> Self:
        self._bar.start()
        if not shows_bars(self._console):
            self._teller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._teller.is_alive():
            self._teller.join()
        self._bar.stop()

    def started(self, job: Job) -> None:
        """Show a job as begun in this process."""
        self._key, self._label = job.key, job.label
        self.heard(job.key, 0.0)

    def advanced(self, work: float) -> None:
        """Add work of the job that this process has in hand."""
        self.heard(self._key, self._within.get(self._key, 0.0) + work)

    def finished(self, job: Job) -> None:
        """Show a job as done, whichever process did it."""
        self._label = WAITING
        self.heard(job.key, None)

    def heard(self, key: str, work: float | None) -> None:
        """Count what any process has done of a job, in forward passes; more than was estimated of it moves nothing.

        ``None`` is the whole, whatever was estimated; what is heard of a job after that changes nothing.
        """
        with self._lock:
            if key not in self._done:
                if work is None:
                    self._done.add(key)
                    self._within.pop(key, None)
                    self._before += self._jobs.get(key, NOTHING).seconds
                else:
                    self._within[key] = work
            seconds = self._before + sum(self._seconds(key, work) for key, work in self._within.items())
            self._bar.update(self._task, completed=seconds, description=self._label)

    def _seconds(self, key: str, work: float) -> float:
        """Return how many of the expected seconds of a job so much work stands for."""
        load = self._jobs.get(key, NOTHING)
        return load.seconds * min(work / load.work, 1.0) if load.work else 0.0

    def _tell(self) -> None:
        """Print now and then how far it is, until it is over."""
        while not self._over.wait(EVERY):
            done, past = self._bar.tasks[0].percentage, spoken(time.monotonic() - self._began)
            try:
                self._console.print(f"{done:.0f}% after {past}: {self._label}", markup=False)
            except OSError:
                return  # whoever heard the lines is gone: the run's own next line meets that and says so


class FetchProgress:
    """How a file arrives: a bar with bytes, rate and time left on a terminal, lines elsewhere."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._done: int | None = None  # bytes at hand, once a transfer has begun
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not shows_bars(console),
        )
        self._task = self._bar.add_task(name, total=None)

    def __enter__(self) -> Self:
        if not shows_bars(self._console):
            self._console.print(f"fetching {self._name}", markup=False)
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if error is not None:
            return
        if self._done is None:
            self._console.print(f"{self._name} is there, nothing was left to fetch", markup=False)
        else:
            self._console.print(f"fetched {self._name}, {decimal(self._done)}", markup=False)

    def begun(self, done: int, total: int | None) -> None:
        """Show what is at hand of the file."""
        self._done = done
        # From a new start: bytes of an earlier try say nothing of this one's rate.
        self._bar.reset(self._task, description=self._name, completed=done, total=total)

    def advanced(self, count: int) -> None:
        """Show more bytes."""
        self._done = (self._done or 0) + count
        self._bar.advance(self._task, count)

    def waits(self, reason: str) -> None:
        """Show why none come."""
        told = f"{self._name}: {reason}"
        self._bar.update(self._task, description=told)
        if not shows_bars(self._console):
            self._console.print(told, markup=False)
