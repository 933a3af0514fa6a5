"""What a figure of speed was measured on."""

from __future__ import annotations

import os
from typing import Any

import torch

from bench import provenance


def machine(device: torch.device) -> dict[str, Any]:
    """Return the processor, its cores, the device, the threads and the versions."""
    return {"cores": os.cpu_count(), **provenance.environment(device)}
