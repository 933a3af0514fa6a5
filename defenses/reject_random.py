"""Reject at random: a hash of an image's pixels decides, whatever it shows."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Fitting, Network
from defenses.detector import Detector, DetectorDefense

LEVELS = 255  # of a pixel value, above 0
MODULUS = 16_777_213  # the largest prime whose remainders float32 holds exactly


class RandomDetector(Detector):
    """Scores an image by a random weighted sum of its pixels, of which the remainder by a prime is kept."""

    weights: Tensor

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` and the scores ``(N,)``, in 0 .. 1, spread evenly whatever the images show.

        Pixels are rounded to 256 levels and summed as whole numbers, so that a score is the same in every batch.
        """
        pixels = (x.flatten(1) * LEVELS).round().long()
        remainder = (pixels * self.weights.long()).sum(dim=1) % MODULUS
        return self.network(x), remainder.to(x.dtype) / MODULUS


class RejectRandom(DetectorDefense):
    """The naive twin, rejecting images at random at the rate of the detectors."""

    title = "reject at random"
    source = "a control, for what a detector's rejections are worth"
    control = True
    classifier = RandomDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the weights of the pixels ``(C·H·W,)``, whole numbers below the prime."""
        pixels = fitting.train.images.shape[1:].numel()
        return {"weights": torch.randint(MODULUS, (pixels,), generator=fitting.generator).float()}
