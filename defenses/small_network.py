"""A small convolutional network of a defense's own, beside the track's: tensors by name, and how they are trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

SIZE = 3  # pixels, the side of a kernel
BATCH = 64  # images
RATE = 1e-3  # Adam's learning rate, per step

Weights = Mapping[str, Tensor]
"""Of each layer, by its number, ``kernel0`` ``(out, in, 3, 3)`` and ``bias0`` ``(out,)``, and so on."""


def fresh(maps: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
    """Return untrained weights of a chain of convolutions between these numbers of maps, as He et al. 2015 start."""
    weights = {}
    for layer, (before, after) in enumerate(pairwise(maps)):
        drawn = torch.randn(after, before, SIZE, SIZE, generator=generator)
        weights[f"kernel{layer}"] = drawn * math.sqrt(2 / (before * SIZE**2))
        weights[f"bias{layer}"] = torch.zeros(after)
    return weights


def convolved(x: Tensor, weights: Weights, layer: int) -> Tensor:
    """Return ``(N, out, H, W)`` maps for maps ``(N, in, H, W)``, by that layer; black surrounds them."""
    return functional.conv2d(x, weights[f"kernel{layer}"], weights[f"bias{layer}"], padding=SIZE // 2)


def trained(
    weights: Weights,
    loss: Callable[[Weights, Tensor], Tensor],
    *,
    count: int,
    epochs: int,
    generator: torch.Generator,
    device: torch.device,
) -> dict[str, Tensor]:
    """Return the weights, on the CPU, after so many epochs of Adam over ``count`` examples in random order.

    ``loss`` is the mean loss of the weights, on ``device``, over the examples at the places ``(B,)``, int64.
    """
    free = {name: tensor.to(device).requires_grad_() for name, tensor in weights.items()}
    optimizer = torch.optim.Adam(free.values(), lr=RATE)
    for _ in range(epochs):
        for places in torch.randperm(count, generator=generator).split(BATCH):
            optimizer.zero_grad()
            loss(free, places).backward()
            optimizer.step()
    return {name: tensor.detach().cpu() for name, tensor in free.items()}
