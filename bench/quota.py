"""How much memory this process may take: what the machine has, or less where a control group of Linux limits it."""

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
    asking = getattr(os, "sysconf", None)
    machine = [asking("SC_PHYS_PAGES") * asking("SC_PAGE_SIZE")] if asking is not None else []
    return min([*machine, *limits()], default=None)


def limits() -> Iterator[int]:
    """Give the limits, in bytes, of the control groups that this process is in, and of those around them."""
    try:
        lines = OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # another system than Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, name = GROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = GROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            try:
                said = (folder / name).read_text(encoding="utf-8").strip()
            except OSError:  # out of the container's sight, or without a limit
                continue
            if said.isdigit():
                yield int(said)
