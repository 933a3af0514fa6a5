"""The only place that seeds: every random stream is derived from what it is for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(track: str, role: str, name: str, seed: int) -> int:
    """Return the seed, 0 .. 2**63 - 1, of the stream that ``role`` of ``name`` uses on ``track`` in run ``seed``.

    Streams of different arguments are independent; equal arguments give equal streams on every machine.
    """
    text = "\x1f".join((track, role, name, str(seed)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int) -> torch.Generator:
    """Return a CPU generator at the start of the stream ``seed``."""
    return torch.Generator().manual_seed(seed)


@contextmanager
def stream(seed: int) -> Iterator[None]:
    """Run a block with torch's global generators at the start of the stream ``seed``; restore them after it."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        yield


def step(seed: int, purpose: str, index: int) -> int:
    """Return the seed of the stream that step ``index`` (an epoch, say) of the stream ``seed`` uses for a purpose."""
    return derive("", purpose, str(index), seed)
