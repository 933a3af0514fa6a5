"""VGG-16, the paper's architecture for CIFAR-10."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from bench.errors import InvalidConfig
from bench.models.coin_dropout import CoinDropout
from defenses.base import Network

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Maps and convolutions of each block, which ends in a max-pooling 2/2: configuration D, 13 convolutions."""

SMALLEST = 2 ** len(BLOCKS)  # pixels, the side that the poolings leave a single value of
HIDDEN = 512  # units of the two hidden fully connected layers: 4096 in the original, for images of 224×224


class Vgg16(Network):
    """Thirteen 3×3 convolutions and three fully connected layers, 512-512-outputs.

    Source: Simonyan and Zisserman 2015, configuration D, named in the paper's section VI. Each convolution is followed
    by batch normalisation, which came after the original: without it, so deep a network hardly trains from random
    weights. Weights start as He et al. 2015 have them. Raises ``InvalidConfig`` for images of under 32×32.
    """

    def __init__(self, *, channels: int, side: int, outputs: int) -> None:
        super().__init__()
        if side < SMALLEST:
            raise InvalidConfig(
                f"vgg16 refuses images of {side}×{side}: its five poolings need {SMALLEST}×{SMALLEST} or more; "
                "choose another architecture"
            )
        layers: list[nn.Module] = []
        for maps, convolutions in BLOCKS:
            for _ in range(convolutions):
                # No bias: the normalisation would take it off again.
                layers += [nn.Conv2d(channels, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU()]
                channels = maps
            layers.append(nn.MaxPool2d(2))
        flat = channels * (side // SMALLEST) ** 2
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.hidden = nn.Sequential(
            nn.Linear(flat, HIDDEN), nn.ReLU(), CoinDropout(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()
        )
        self.dropout = CoinDropout()
        self.classifier = nn.Linear(HIDDEN, outputs)
        for layer in (*self.body, *self.hidden):
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if isinstance(layer, nn.Linear):
                nn.init.zeros_(cast("Tensor", layer.bias))

    def features(self, x: Tensor) -> Tensor:
        """Return the activations of the second hidden layer, ``(N, 512)``."""
        activations: Tensor = self.hidden(self.body(x))
        return activations

    def head(self, features: Tensor) -> Tensor:
        """Return the logits, ``(N, outputs)``, of those activations."""
        logits: Tensor = self.classifier(self.dropout(features))
        return logits
