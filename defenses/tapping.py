"""Looks at what layers inside a network put out."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from defenses.base import Network


def tapped(network: Network, layers: Sequence[nn.Module], x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the logits ``(N, K)`` of images ``(N, C, H, W)`` and, of the same pass, each layer's last output."""
    outputs: dict[nn.Module, Tensor] = {}

    def keep(layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs[layer] = output.clone()  # what comes after may work in place

    hooks = [layer.register_forward_hook(keep) for layer in layers]
    try:
        logits = network(x)
    finally:
        for hook in hooks:
            hook.remove()
    return logits, [outputs[layer] for layer in layers]
