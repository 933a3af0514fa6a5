"""Tells a device's lack of memory from other failures."""

from __future__ import annotations

import torch

SAID = ("out of memory", "ALLOC_FAILED")
"""What libraries beneath torch say, as a bare ``RuntimeError``, where it is they that get no memory."""


def is_lack_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that a device's memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAID)
