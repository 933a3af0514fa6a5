"""Cuts the images that an attack is handed into pieces, each attacked by itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from bench.attacks.criteria import of_rows
from bench.attacks.foolbox_import import Criterion

PIECE = 125_000
"""Pixel values of a piece on a CPU, 159 images of MNIST: the activations of hundreds would be given back to the system
and asked for anew in every layer, and the threads of too few wait for one another. Other devices take all at once."""


def in_pieces(images: Tensor, criterion: Criterion, attack: Callable[[Tensor, Criterion], Tensor]) -> Tensor:
    """Return what ``attack`` makes of images ``(N, C, H, W)`` and the criterion on them, piece by piece."""
    size = max(1, PIECE // images.shape[1:].numel()) if images.device.type == "cpu" else len(images)
    if len(images) <= size:
        return attack(images, criterion)
    rows = [slice(start, start + size) for start in range(0, len(images), size)]
    return torch.cat([attack(images[piece], of_rows(criterion, piece)) for piece in rows])
