"""Feature squeezing: an image is rejected where the network changes its mind once the image is simplified."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from defenses.base import Fitting, Network, in_batches
from defenses.detector import Detector, DetectorDefense

DEPTHS = range(1, 9)  # bits a channel
COST = 0.01  # of its clean validation accuracy, 0 .. 1, that the network may lose by a lower colour depth
WINDOW = 2  # pixels, the side of the median's window


class SqueezingDetector(Detector):
    """Scores an image by the largest L1 distance between the softmax of the image and of a squeezed one.

    ``bits`` is the colour depth that squeezing leaves.
    """

    bits: Tensor

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` of the images as they are, and the scores ``(N,)``, in 0 .. 2."""
        logits = self.network(x)
        likely = logits.softmax(dim=1)
        squeezed = (fewer_bits(x, self.bits), median(x))
        moved = [(likely - self.network(images).softmax(dim=1)).abs().sum(dim=1) for images in squeezed]
        return logits, torch.stack(moved).amax(dim=0)


class FeatureSqueezing(DetectorDefense):
    """Joint detection by colour depth and median smoothing, on the naive twin."""

    title = "feature squeezing"
    source = "Xu, Evans & Qi 2018, Feature Squeezing, section V: the paper's [32]"
    departs = (
        f"the colour depth is the least by which the network loses no more than {100 * COST:.0f} point of its clean "
        "validation accuracy, where the original names one for each data set; no non-local means on colour images"
    )
    classifier = SqueezingDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the colour depth, ``()``."""
        images, labels = fitting.validation.images, fitting.validation.labels

        def accuracy(bits: int) -> float:
            found = in_batches(lambda x: network(fewer_bits(x, bits)).argmax(dim=1), images, fitting.device)
            return (found == labels).float().mean().item()

        whole = accuracy(DEPTHS[-1])
        return {"bits": torch.tensor(float(next(bits for bits in DEPTHS if accuracy(bits) >= whole - COST)))}


def fewer_bits(x: Tensor, bits: int | Tensor) -> Tensor:
    """Return images ``(N, C, H, W)`` of that colour depth; their gradient is taken as if they were left as they are."""
    levels = 2**bits - 1
    return x + ((x * levels).round() / levels - x).detach()


def median(x: Tensor) -> Tensor:
    """Return each pixel's median over the window that ends at it, of four values the third; edges are mirrored.

    As ``scipy.ndimage.median_filter`` has it, which the original uses.
    """
    padded = functional.pad(x, (WINDOW - 1, 0, WINDOW - 1, 0), mode="replicate")
    windows = padded.unfold(2, WINDOW, 1).unfold(3, WINDOW, 1).flatten(4)
    smoothed: Tensor = windows.kthvalue(WINDOW * WINDOW // 2 + 1, dim=4).values
    return smoothed
