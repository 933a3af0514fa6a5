"""How much memory and how many processors this process may take: the machine's, or less where a control group says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

OWN_GROUPS = Path("/proc/self/cgroup")
"""Where Linux says in which control groups a process is, a line ``number:controllers:path`` each."""

GROUPS = Path("/sys/fs/cgroup")
"""Where a container sees them; in one of its own namespace the paths above are relative to it."""


def memory() -> int | None:
    """Return how many bytes of memory this process may take, ``None`` where that cannot be told."""
    limits = (
        said(folder / ("memory.max" if unified else "memory.limit_in_bytes")) for folder, unified in groups("memory")
    )
    found = [machine(), *(int(limit) for limit in limits if limit.isdigit())]
    return min((limit for limit in found if limit is not None), default=None)


def machine() -> int | None:
    """Return how many bytes of memory the machine has, ``None`` where the system does not tell."""
    asking = getattr(os, "sysconf", None)  # not on Windows
    if asking is None:
        return None
    try:
        return int(asking("SC_PHYS_PAGES")) * int(asking("SC_PAGE_SIZE"))
    except (ValueError, OSError):  # it knows no such name
        return None


def processors() -> float | None:
    """Return the time of how many processors control groups leave this process, ``None`` where they do not limit it."""
    found = []
    for folder, unified in groups("cpu"):
        names = ("cpu.max",) if unified else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota, _, period = " ".join(said(folder / name) for name in names).partition(" ")
        if quota.isdigit() and period.isdigit():
            found.append(int(quota) / int(period))
    return min(found, default=None)


def groups(controller: str) -> Iterator[tuple[Path, bool]]:
    """Give the folders of this process's control groups of a controller, and of those around them.

    With each stands whether it is of the unified hierarchy, version 2.
    """
    for line in said(OWN_GROUPS).splitlines():  # none on another system than Linux
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = GROUPS / controller if controllers else GROUPS
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            yield folder, not controllers


def said(file: Path) -> str:
    """Return what a file of the system's says; nothing where it is out of the container's sight, or there is none."""
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
