"""Compares the speed of this checkout with an earlier commit's, timed in turn: ``python -m tests.speed.gate``.

Fails, and names the work, where something has become slower for certain. The earlier commit is ``HEAD`` where there are
changes that are not committed; otherwise the last one of ``origin/main`` that is not this one, or the one before.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Protocol

import pandas as pd
import torch

from leaderboard import speed_page
from leaderboard.output import write
from leaderboard.text import NONE, inline, table
from tests.speed.machine import machine
from tests.speed.pairing import LEAST, Verdict, verdict
from tests.speed.workloads import WORKLOADS, Workload

ROOT = Path(__file__).parents[2]
PACKAGES = ("attacks_cfg", "bench", "defenses", "leaderboard")
MOST_ROUNDS = 40  # where the first do not decide; the reference, the old and the new are timed once in each


class Worker:
    """A process that times the packages in a folder with the workloads of this checkout."""

    def __init__(self, packages: Path, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.speed.worker"],
            cwd=home,
            env=packages_of(packages),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self, name: str) -> float:
        """Return how long a workload takes; raise ``Impossible`` where the packages cannot do it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"the process ended with code {self._process.wait()}"}
        if "error" in answer:
            raise Impossible(answer["error"])
        return float(answer["seconds"])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def packages_of(folder: Path) -> dict[str, str]:
    """Return the environment of a process that takes its packages from a folder, and the workloads from this checkout.

    In the worktree of another commit are packages alone, so that it has no workloads.
    """
    return os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys([str(folder), str(ROOT)]))}


class Impossible(Exception):
    """These packages cannot do a workload."""


class Clock(Protocol):
    """What tells how long work takes."""

    def seconds(self, name: str) -> float:
        """Return the seconds of a workload; raise ``Impossible``."""


@dataclass
class Timings:
    """Seconds of one workload, at the same places those of one round; ``old`` is empty where it cannot be done."""

    new: list[float] = field(default_factory=list)
    old: list[float] = field(default_factory=list)
    reference: list[float] = field(default_factory=list)

    @property
    def compared(self) -> Verdict | None:
        """How the old and the new compare, ``None`` where the old cannot do the work."""
        return verdict(self.new, self.old) if self.old else None

    @property
    def relative(self) -> float:
        """The median time in units of the reference, taken in the same round."""
        return median(new / reference for new, reference in zip(self.new, self.reference, strict=True))


def timed(workload: Workload, new: Clock, old: Clock, beside: Clock) -> Timings:
    """Time a workload, the old, the new and the reference in turn, until it is decided or the rounds are used up.

    The reference has a process of its own: old and new must have done the same before, down to how their memory lies.
    """
    name, found = workload.name, Timings()
    try:
        old.seconds(name)
        comparable = True
    except Impossible as error:
        sys.stdout.write(f"{name}: the earlier commit cannot do it ({error})\n")
        comparable = False
    new.seconds(name)
    beside.seconds(workload.reference)
    while len(found.new) < MOST_ROUNDS:
        turns: list[Callable[[], None]] = [lambda: found.new.append(new.seconds(name))]
        if comparable:
            turns.append(lambda: found.old.append(old.seconds(name)))
        # Who goes first alternates: whatever the machine does in between hits both alike.
        for turn in turns if len(found.new) % 2 else reversed(turns):
            turn()
        found.reference.append(beside.seconds(workload.reference))
        compared = found.compared
        if len(found.new) >= LEAST and (compared is None or not compared.undecided):
            break
    return found


def confirmed(workload: Workload, clocks: Sequence[Clock], start: Callable[[], Sequence[Clock]]) -> Timings:
    """Time a workload; what is slower is timed anew on clocks that ``start`` returns, and these timings decide.

    How a process's memory comes to lie can make all of its timings longer, which no number of rounds tells from slower
    code; another process is as likely to be the faster one.
    """
    found = timed(workload, *clocks)
    if found.compared is None or not found.compared.slower:
        return found
    sys.stdout.write(f"{workload.name}: {told(found)}; again in new processes\n")
    return timed(workload, *start())


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Give a worktree of a commit that holds its packages and nothing else; remove it after the block."""
    with tempfile.TemporaryDirectory(prefix="baseline-") as folder:
        tree = Path(folder) / "tree"
        git("worktree", "add", "--quiet", "--detach", "--no-checkout", str(tree), commit)
        try:
            git("-C", str(tree), "checkout", "--quiet", commit, "--", *PACKAGES)
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def git(*arguments: str) -> str:
    """Return what a git command prints in this checkout."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def earlier_commit() -> str:
    """Return the commit that this checkout is compared with."""
    if git("status", "--porcelain", "--", *PACKAGES):
        return "HEAD"
    if git("branch", "--remotes", "--list", "origin/main"):
        shared = git("merge-base", "HEAD", "origin/main")
        if shared != git("rev-parse", "HEAD"):
            return shared
    return "HEAD~1"


def compare(names: Sequence[str], commit: str) -> dict[str, Timings]:
    """Time the named workloads of this checkout and of a commit."""
    found = {}
    with ExitStack() as stack:
        tree = stack.enter_context(checked_out(commit))

        def started() -> list[Worker]:
            workers = []
            for packages in (ROOT, tree, ROOT):
                workers.append(Worker(packages, Path(stack.enter_context(tempfile.TemporaryDirectory()))))
                stack.callback(workers[-1].close)
            return workers

        workers = started()
        for workload in WORKLOADS:
            if workload.name in names:
                found[workload.name] = confirmed(workload, workers, started)
                sys.stdout.write(f"{workload.name}: {told(found[workload.name])}\n")
                sys.stdout.flush()
    return found


def told(timings: Timings) -> str:
    """Return a workload's figures in words."""
    words = f"{median(timings.new):.3f} s, {timings.relative:.3f} of its reference"
    compared = timings.compared
    if compared is None:
        return f"{words}; nothing to compare with"
    spread = f"{compared.ratio:.3f} times as long as before [{compared.low:.3f}, {compared.high:.3f}]"
    return f"{words}; {spread}{', SLOWER' if compared.slower else ''}, {len(timings.new)} rounds"


def summary(commit: str, found: dict[str, Timings]) -> str:
    """Return a run's figures as a Markdown table."""
    rows = []
    for name, timings in found.items():
        compared = timings.compared
        change = NONE if compared is None else f"{compared.ratio:.3f} [{compared.low:.3f}, {compared.high:.3f}]"
        verdict = "slower" if compared and compared.slower else ""
        rows.append([inline(name), f"{median(timings.new):.3f}", f"{timings.relative:.3f}", change, verdict])
    columns = ["work", "seconds", "of its reference", f"times as long as at `{commit[:12]}`", "verdict"]
    return f"## Speed\n\n{table(pd.DataFrame(rows, columns=columns), ('work', 'verdict'))}\n"


def record(folder: Path, found: dict[str, Timings]) -> None:
    """Add a run's figures to the history in a folder, and make its page anew."""
    now = datetime.now(UTC)
    commit = git("rev-parse", "HEAD")
    run = {
        "created": now.isoformat(timespec="seconds"),
        "commit": commit + ("+" if git("status", "--porcelain", "--", *PACKAGES) else ""),
        "machine": machine(torch.device("cpu")),
        "ratios": {name: round(timings.relative, 5) for name, timings in found.items()},
        "references": {workload.name: workload.reference for workload in WORKLOADS if workload.name in found},
    }
    write(folder / f"{now:%Y-%m-%dT%H%M}-{commit[:7]}.json", (json.dumps(run, indent=1) + "\n").encode())
    speed_page.write_page(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print, write the run's figures where asked to, and return 1 where something is slower."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", help="the commit to compare with")
    parser.add_argument("--only", help="workloads, comma-separated", default=",".join(w.name for w in WORKLOADS))
    parser.add_argument("--summary", type=Path, help="file to which a Markdown table is added")
    parser.add_argument("--record", type=Path, help="folder of the history, which gets this run's figures")
    given = parser.parse_args(arguments)
    names = given.only.split(",")
    unknown = set(names) - {workload.name for workload in WORKLOADS}
    if unknown:
        parser.error(f"--only: unknown {', '.join(sorted(unknown))}; known: {', '.join(w.name for w in WORKLOADS)}")
    commit = git("rev-parse", given.baseline or earlier_commit())
    sys.stdout.write(f"compared with {commit[:12]}\n")
    found = compare(names, commit)
    if given.summary:
        with given.summary.open("a", encoding="utf-8") as file:
            file.write(summary(commit, found))
    if given.record:
        record(given.record, found)
    slower = [name for name, timings in found.items() if timings.compared and timings.compared.slower]
    if slower:
        sys.stderr.write(f"error: slower than {commit[:12]}: {', '.join(slower)}\n")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
