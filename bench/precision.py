"""The precision that a device trains in: bf16 pays only where the device has instructions for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from bench.tracks import Precision, Recipe, Track

CPU_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def on(track: Track, device: torch.device) -> Track:
    """Return a track whose recipe asks for what ``device`` computes in."""
    if track.recipe.precision == "bf16" and not has_bf16(device):
        return in_precision(track, "float32")
    return track


def in_precision(track: Track, precision: Precision) -> Track:
    """Return a track whose recipe has another precision."""
    return replace(track, recipe=replace(track.recipe, precision=precision))


def of_recipe(recipe: Recipe) -> tuple[Precision, ...]:
    """Return the precisions that one device or another trains a recipe in, its own first."""
    return ("bf16", "float32") if recipe.precision == "bf16" else ("float32",)


def has_bf16(device: torch.device) -> bool:
    """Return whether a device has instructions for bf16; elsewhere it is emulated, and slower than float32.

    A CPU's are those of x86 that torch knows of. A torch without ``torch.cpu.get_capabilities`` cannot be asked: there
    a CPU counts as one without.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(name)) for name in CPU_INSTRUCTIONS)
