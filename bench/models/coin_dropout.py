"""Dropout of one half of the features, whose mask is drawn 64 features at a time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WORD = 64  # bits of a drawn number


class CoinDropout(nn.Module):
    """In training, set each feature to 0 or double it, as a fair coin falls; else the identity.

    Hinton et al. 2012. The same as ``nn.Dropout(0.5)``, which draws a number for each feature, on a CPU one after the
    other: of cuda-convnet's training step that was a twentieth.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop of features of any shape."""
        if not self.training:
            return x
        words = torch.randint(-(2**63), 2**63 - 1, (-(-x.numel() // WORD), 1), device=x.device)
        coins = (words >> torch.arange(WORD, device=x.device)) & 1
        return x * (2 * coins).flatten()[: x.numel()].view(x.shape).to(x.dtype)
