"""The plain torch that speeds are measured against: a network and a training loop as a tutorial would write them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.tracks import Recipe

SCALE, POWER = 5e-5, 0.75  # of cuda-convnet's norm: per squared activation, exponent
ROWS = 512  # images of a forward pass without gradients


class PlainNorm(nn.Module):
    """The norm within a map, from torch's own operations, differentiated by autograd."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(N, C, H, W)`` activations."""
        squares = functional.avg_pool2d(x * x, 3, stride=1, padding=1)
        return x / (1 + SCALE * squares) ** POWER


def plain_convnet(channels: int, side: int, outputs: int) -> nn.Sequential:
    """Return cuda-convnet in torch's default layout, with the starting weights of ``bench.models``."""
    for _ in range(3):
        side = -(-(side - 3) // 2) + 1  # what a 3/2 pooling with rounding up leaves
    network = nn.Sequential(
        nn.Conv2d(channels, 32, 5, padding=2),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.ReLU(),
        PlainNorm(),
        nn.Conv2d(32, 32, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        PlainNorm(),
        nn.Conv2d(32, 64, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, ceil_mode=True),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64 * side * side, outputs),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return network


def plain_training(network: nn.Module, images: Tensor, labels: Tensor, recipe: Recipe, seed: int) -> nn.Module:
    """Train in float32 with AdamW, a warm-up and a cosine, as ``recipe`` says of epochs, batch and rates.

    ``images`` are float32 ``(N, C, H, W)``, centred by the caller. Returns the network in evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    batches = math.ceil(len(images) / recipe.batch_size)
    warm, whole = recipe.warmup_epochs * batches, recipe.epochs * batches

    def rate(step: int) -> float:
        return (step + 1) / warm if step < warm else (1 + math.cos(math.pi * step / whole)) / 2

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    network.train()
    for _ in range(recipe.epochs):
        for rows in torch.randperm(len(images), generator=generator).split(recipe.batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
            scheduler.step()
    return network.eval()


def plain_accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of images, centred as those of training, that a network gets right."""
    with torch.no_grad():
        right = [network(x).argmax(1) == y for x, y in zip(images.split(ROWS), labels.split(ROWS), strict=True)]
    return torch.cat(right).float().mean().item()
