"""How the machine that a figure of speed comes from is told in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaderboard.text import inline


def told(machine: Mapping[str, Any], libraries: tuple[str, ...] = ("python", "torch")) -> str:
    """Return a machine's processor, cores, device, threads and some of its versions, in one line of Markdown."""
    versions = ", ".join(f"{name} {machine['versions'][name]}" for name in libraries)
    device = "" if machine["device"] == "cpu" else f", {machine['device']}"
    where = f"{machine['processor']}, {machine['cores']} cores{device}, {machine['threads']} threads"
    return inline(f"{where}, {machine['platform']}, {versions}")
