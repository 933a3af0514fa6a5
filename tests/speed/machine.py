"""What a figure of speed was measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from bench import provenance

CPU_INFO = Path("/proc/cpuinfo")


def machine(device: torch.device) -> dict[str, Any]:
    """Return the processor, its cores, the device, the threads and the versions."""
    return {"processor": processor(), "cores": os.cpu_count(), **provenance.environment(device)}


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
