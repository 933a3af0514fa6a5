"""MagNet: an autoencoder tells images that it cannot reconstruct, and the naive twin sees the reconstructions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from defenses.base import Fitting, Network
from defenses.detector import Detector, DetectorDefense
from defenses.small_network import Weights, convolved, fresh, trained

MAPS = 16  # of the autoencoder's hidden layers
POOL = {1: 2, 3: 1}  # pixels, the side of its one pooling, by the number of channels: none of colour images
NOISE = {1: 0.1, 3: 0.025}  # standard deviation in training, pixel values in [0, 1], by the number of channels
EPOCHS = 20  # over the training images


class MagNetDetector(Detector):
    """Scores an image by its reconstruction error; the network sees the reconstruction."""

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` of the reconstructions and the mean absolute errors of the pixels ``(N,)``."""
        again = reconstructed(x, dict(self.named_buffers(recurse=False)))
        return self.network(again), (again - x).abs().mean(dim=(1, 2, 3))


class MagNet(DetectorDefense):
    """An autoencoder as detector and as reformer, before the naive twin."""

    title = "MagNet"
    source = "Meng & Chen 2017, MagNet: a Two-Pronged Defense against Adversarial Examples, section 4: the paper's [22]"
    departs = (
        f"one autoencoder as detector, by the L1 error alone, and reformer, of {MAPS} maps with ReLU in four "
        "convolutions where the original has two, of 3 with sigmoid, "
        f"trained for {EPOCHS} epochs; no detectors by divergence, and a threshold that rejects more clean images"
    )
    classifier = MagNetDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the autoencoder's weights, trained to take noise off the training images."""
        images, device, generator = fitting.train.images, fitting.device, fitting.generator
        channels = images.shape[1]

        def loss(weights: Weights, places: Tensor) -> Tensor:
            clean = images[places]
            noise = NOISE[channels] * torch.randn(clean.shape, generator=generator)
            again = reconstructed((clean + noise).clamp(0, 1).to(device), weights)
            return functional.mse_loss(again, clean.to(device))

        weights = fresh((channels, MAPS, MAPS, MAPS, channels), generator)
        return trained(weights, loss, count=len(images), epochs=EPOCHS, generator=generator, device=device)


def reconstructed(x: Tensor, weights: Weights) -> Tensor:
    """Return the autoencoder's version, in 0 .. 1, of images ``(N, C, H, W)``."""
    hidden = functional.avg_pool2d(convolved(x, weights, 0).relu(), POOL[x.shape[1]], ceil_mode=True)
    hidden = functional.interpolate(convolved(hidden, weights, 1).relu(), size=x.shape[2:])
    return convolved(convolved(hidden, weights, 2).relu(), weights, 3).sigmoid()
