"""Feature squeezing: an image is rejected where the network changes its mind once the image is simplified."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from defenses.detector import Detector, DetectorDefense

BITS = {1: 1, 3: 5}  # colour depth that is left, by the number of channels
WINDOW = 2  # pixels, the side of the median's window


class SqueezingDetector(Detector):
    """Scores an image by the largest L1 distance between the softmax of the image and of a squeezed one."""

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` of the images as they are, and the scores ``(N,)``, in 0 .. 2."""
        logits = self.network(x)
        likely = logits.softmax(dim=1)
        squeezed = (fewer_bits(x, BITS[x.shape[1]]), median(x))
        moved = [(likely - self.network(images).softmax(dim=1)).abs().sum(dim=1) for images in squeezed]
        return logits, torch.stack(moved).amax(dim=0)


class FeatureSqueezing(DetectorDefense):
    """Joint detection by colour depth and median smoothing, on the naive twin."""

    title = "feature squeezing"
    source = "Xu, Evans & Qi 2018, Feature Squeezing, section V: the paper's [32]"
    departs = "no non-local means on colour images"
    classifier = SqueezingDetector


def fewer_bits(x: Tensor, bits: int) -> Tensor:
    """Return images ``(N, C, H, W)`` of that colour depth; their gradient is taken as if they were left as they are."""
    levels = (1 << bits) - 1
    return x + ((x * levels).round() / levels - x).detach()


def median(x: Tensor) -> Tensor:
    """Return each pixel's median over the window that ends at it, of four values the third; edges are mirrored.

    As ``scipy.ndimage.median_filter`` has it, which the original uses.
    """
    padded = functional.pad(x, (WINDOW - 1, 0, WINDOW - 1, 0), mode="replicate")
    windows = padded.unfold(2, WINDOW, 1).unfold(3, WINDOW, 1).flatten(4)
    smoothed: Tensor = windows.kthvalue(WINDOW * WINDOW // 2 + 1, dim=4).values
    return smoothed
