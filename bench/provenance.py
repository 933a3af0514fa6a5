"""Where a result comes from: the code, the machine, the device, the threads and the versions of what computed it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from bench import canonical
from bench.store import Artifact

CHECKOUT = Path(__file__).parents[1]
CPU_INFO = Path("/proc/cpuinfo")
CAPS = ("MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA")
"""The environment variables that keep the libraries under torch from using all that a CPU can do."""

PACKAGES = ("rejectbench", "torch", "torchvision", "timm", "foolbox", "eagerpy", "numpy", "scikit-learn", "matplotlib")

TRAINING = ("python", "torch", "timm")
"""Those of them that a training takes its steps by."""


def environment(device: torch.device) -> dict[str, Any]:
    """Return what a table that mixes environments is told by: device, processor, threads, platform and versions.

    With the processor, the instructions that it is used with: others round otherwise.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {
        "device": name,
        "processor": processor(),
        "instructions": instructions(),
        "threads": torch.get_num_threads(),
        "platform": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
    }


def of_training(device: torch.device) -> dict[str, Any]:
    """Return what of the environment a training is a function of: other upgrades let it go on."""
    found = environment(device)
    return found | {"versions": {name: found["versions"][name] for name in TRAINING}}


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results may depend on."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def instructions() -> str:
    """Return the widest vector instructions of the CPU that torch uses, and what caps those of its libraries."""
    caps = [f"{name}={os.environ[name]}" for name in CAPS if name in os.environ]
    return " ".join([torch.backends.cpu.get_cpu_capability(), *caps])


@cache
def commit() -> str:
    """Return the commit of the checkout that this code lies in, ``+`` behind it where tracked files are others.

    ``unknown`` where it lies in none, as an installed wheel does, or git cannot tell.
    """
    git = shutil.which("git")
    if git is None or not (CHECKOUT / ".git").exists():
        return "unknown"

    def said(*command: str) -> str:
        told = subprocess.run([git, *command], cwd=CHECKOUT, capture_output=True, text=True, check=True)  # noqa: S603  # all written here
        return told.stdout.strip()

    try:
        return said("rev-parse", "HEAD") + ("+" if said("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def stamp(
    device: torch.device, seconds: float, work: float, inputs: Sequence[Artifact], fits: Mapping[str, float]
) -> dict[str, Any]:
    """Return the environment and the commit, with the date, the seconds a job took and its work in forward passes.

    ``inputs`` in it are the environments and commits of all that went into the job, where they are others; ``fits`` are
    the seconds that the fits took which the job was handed, by defense.
    """
    own = environment(device) | {"commit": commit()}
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
