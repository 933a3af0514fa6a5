"""The architectures: ours by name, and any timm model by its own."""

from __future__ import annotations

from textwrap import shorten

import torch
from torch import Tensor

from bench.errors import UnknownName
from bench.models.cuda_convnet import CudaConvnet
from bench.models.vgg import Vgg16
from bench.suggest import hint
from defenses.base import Network

OURS: dict[str, type[CudaConvnet | Vgg16]] = {"cuda_convnet": CudaConvnet, "vgg16": Vgg16}
"""The paper's architectures; ``vgg16`` is ours, for 32×32, in place of timm's of that name, for 224×224."""


class Centred(Network):
    """A network behind the subtraction of the training images' mean, one value a channel.

    The paper says so of CIFAR-10 (section VI), not whether one value a channel or a pixel is meant.
    Weights and activations are in the channels-last layout, in which convolutions are fastest on CPUs and GPUs alike.
    """

    mean: Tensor

    def __init__(self, body: Network, channels: int) -> None:
        super().__init__()
        self.body = body.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))

    def centre_on(self, images: Tensor) -> None:
        """Take the mean of ``(N, C, H, W)`` images."""
        self.mean.copy_(images.mean(dim=(0, 2, 3)).view_as(self.mean))

    def _centred(self, x: Tensor) -> Tensor:
        return (x - self.mean).contiguous(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate activations, ``(N, D)``."""
        return self.body.features(self._centred(x))

    def head(self, features: Tensor) -> Tensor:
        """Return the logits, ``(N, outputs)``, of those activations."""
        return self.body.head(features)


def create(architecture: str, *, channels: int, side: int, outputs: int) -> Centred:
    """Return an untrained network for images ``(N, channels, side, side)`` with that many outputs.

    Raises ``UnknownName`` where neither we nor timm have it, ``InvalidConfig`` where it refuses the shape.
    """
    if architecture in OURS:
        return Centred(OURS[architecture](channels=channels, side=side, outputs=outputs), channels)
    import timm  # noqa: PLC0415  it takes seconds

    from bench.models.timm_network import TimmNetwork  # noqa: PLC0415  imports timm

    if not timm.is_model(architecture):
        # timm has more than a thousand names: those that fit in a line, and where to find the others.
        known = (*OURS, *timm.list_models())
        meant = shorten(hint(architecture, known), 100, placeholder=" ... all are in timm.list_models()")
        ours = ", ".join(OURS)
        raise UnknownName(f"architecture '{architecture}' is neither one of ours ({ours}) nor a timm model, {meant}")
    return Centred(TimmNetwork(architecture, channels=channels, side=side, outputs=outputs), channels)
