"""A process that times the workloads of one copy of the project: ``python -m tests.speed.worker``.

It prepares what each line of its standard input names, then times it as often as later lines name it again, and
answers every line with one of its own: JSON with ``seconds``, or with ``error`` where this copy cannot do the work.
"""

from __future__ import annotations

import gc
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.speed.workloads import REFERENCES, WORKLOADS, Work

LEAST = 0.15
"""Seconds that a timing lasts at least: shorter work is repeated, and its mean taken."""


class Timer:
    """One workload, prepared and warm."""

    def __init__(self, name: str) -> None:
        if name in REFERENCES:
            prepare = REFERENCES[name]
        else:
            prepare = next(workload.prepare for workload in WORKLOADS if workload.name == name)
            as_the_command_line_does()
        self.work: Work = prepare(Path(tempfile.mkdtemp(prefix="speed-")))
        self.work()
        self.times = max(1, round(LEAST / self.once(1)))

    def once(self, times: int) -> float:
        """Return the seconds that the work takes, as a mean over so many times."""
        gc.collect()
        start = time.perf_counter()
        for _ in range(times):
            self.work()
        return (time.perf_counter() - start) / times

    def seconds(self) -> float:
        """Return the seconds that the work takes once."""
        return self.once(self.times)


def as_the_command_line_does() -> None:
    """Keep this process's freed memory, if the copy at hand is one that does so."""
    try:
        from bench.process import keep_freed_memory  # noqa: PLC0415  an earlier commit may lack it
    except ImportError:
        return
    keep_freed_memory()


def main() -> None:
    """Answer every line of standard input."""
    timers: dict[str, Timer] = {}
    for line in sys.stdin:
        name = line.strip()
        try:
            if name not in timers:
                timers[name] = Timer(name)
            answer: dict[str, float | str] = {"seconds": timers[name].seconds()}
        except Exception as error:  # noqa: BLE001  the other copy may lack anything
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
