"""Where a result comes from: the machine, the device, the threads and the versions of what computed it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from bench import canonical
from bench.store import Artifact

CPU_INFO = Path("/proc/cpuinfo")
PACKAGES = ("rejectbench", "torch", "torchvision", "timm", "foolbox", "eagerpy", "numpy", "scikit-learn", "matplotlib")


def environment(device: torch.device) -> dict[str, Any]:
    """Return what a table that mixes environments is told by: device, processor, threads, platform and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {
        "device": name,
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    }


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def stamp(
    device: torch.device, seconds: float, work: float, inputs: Sequence[Artifact], fits: Mapping[str, float]
) -> dict[str, Any]:
    """Return the environment with the date, the seconds a job took and its work in forward passes.

    ``inputs`` in it are the environments of all that went into the job, where they are others; ``fits`` are
    the seconds that the fits took which the job was handed, by defense.
    """
    own = environment(device)
    others: dict[bytes, Any] = {}
    for artifact in inputs:
        made_in = {name: artifact.provenance.get(name, "unknown") for name in own}
        for other in (made_in, *artifact.provenance["inputs"]):
            if other != own:
                others[canonical.encode(other)] = other
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return own | {
        "created": now,
        "seconds": round(seconds, 3),
        "work": work,
        "fits": dict(fits),
        "inputs": [others[text] for text in sorted(others)],
    }
