"""Canonical JSON and digests: equal values give equal bytes, equal bytes equal digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from torch import Tensor


def encode(value: Any) -> bytes:
    """Return the canonical JSON of ``value``: sorted keys, no white space, UTF-8, no NaN.

    Raises ``TypeError`` or ``ValueError`` where the value is not JSON.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def as_read(value: Any) -> Any:
    """Return ``value`` as it is read again: keys are text, sequences lists; raises as ``encode`` does."""
    return json.loads(encode(value))


def digest(value: Any) -> str:
    """Return the sha256 of ``value``'s canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(encode(value)).hexdigest()


def tensor_digest(tensor: Tensor) -> str:
    """Return the sha256 of a tensor's type, shape and values, as 64 hexadecimal digits."""
    array = tensor.detach().cpu().contiguous().numpy()
    found = hashlib.sha256(f"{array.dtype.str}{array.shape}".encode())
    found.update(array.reshape(-1).data)  # no copy: a data set fills much of the memory
    return found.hexdigest()
