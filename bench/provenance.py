"""Where a result comes from: the machine, the device, the threads and the versions of what computed it."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

PACKAGES = ("rejectbench", "torch", "torchvision", "timm", "foolbox", "eagerpy", "numpy", "scikit-learn", "matplotlib")


def environment(device: torch.device) -> dict[str, Any]:
    """Return what a table that mixes environments is told by: device, threads, platform and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {
        "device": name,
        "threads": torch.get_num_threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {package: version(package) for package in PACKAGES},
    }


def stamp(device: torch.device, seconds: float, work: float) -> dict[str, Any]:
    """Return the environment with the date, the seconds a job took and its work in forward passes."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return environment(device) | {"created": now, "seconds": round(seconds, 3), "work": work}
