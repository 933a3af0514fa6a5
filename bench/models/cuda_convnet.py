"""cuda-convnet's ``layers-18pct`` network, the paper's architecture for MNIST."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from bench.models.coin_dropout import CoinDropout
from bench.models.same_map_norm import SameMapNorm
from defenses.base import Network


class CudaConvnet(Network):
    """Three 5×5 convolutions of 32, 32 and 64 maps, each pooled 3/2, and one fully connected layer.

    Source: ``layers-18pct.cfg`` of cuda-convnet, named in the paper's section VI; dropout 0.5 before the last layer as
    the paper has it. Weights start as He et al. 2015 have them for ReLU networks, of which
    the paper says nothing.
    """

    def __init__(self, *, channels: int, side: int, outputs: int) -> None:
        super().__init__()
        for _ in range(3):
            side = -(-(side - 3) // 2) + 1  # what a 3/2 pooling with rounding up leaves
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 5, padding=2),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.ReLU(),
            SameMapNorm(),
            nn.Conv2d(32, 32, 5, padding=2),
            nn.ReLU(),
            nn.AvgPool2d(3, 2, ceil_mode=True),
            SameMapNorm(),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ReLU(),
            nn.AvgPool2d(3, 2, ceil_mode=True),
            nn.Flatten(),
        )
        self.dropout = CoinDropout()
        self.classifier = nn.Linear(64 * side * side, outputs)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(cast("Tensor", layer.bias))

    def features(self, x: Tensor) -> Tensor:
        """Return the last pooling's output, flattened: ``(N, 576)`` for images of 28×28."""
        flat: Tensor = self.body(x)
        return flat

    def head(self, features: Tensor) -> Tensor:
        """Return the logits, ``(N, outputs)``, of those activations."""
        logits: Tensor = self.classifier(self.dropout(features))
        return logits
