"""Cuts the images that an attack is handed into pieces, each attacked by itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.attacks.criteria import of_rows
from bench.attacks.foolbox_import import Criterion

PIECE = 64
"""Images of a piece on a CPU: their activations stay in its caches, and in memory that is used again, where those of
hundreds of images are given back to the system and asked for anew in every layer. Other devices take all at once."""


def in_pieces(images: Tensor, criterion: Criterion, attack: Callable[[Tensor, Criterion], Tensor]) -> Tensor:
    """Return what ``attack`` makes of images ``(N, C, H, W)`` and the criterion on them, piece by piece."""
    if images.device.type != "cpu" or len(images) <= PIECE:
        return attack(images, criterion)
    starts = range(0, len(images), PIECE)
    rows = [slice(start, start + PIECE) for start in starts]
    return torch.cat([attack(images[piece], of_rows(criterion, piece)) for piece in rows])
