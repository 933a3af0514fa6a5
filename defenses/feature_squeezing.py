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
        seen = self.seen(x)
        likely = seen.softmax(dim=2)
        return seen[0], (likely[0] - likely[1:]).abs().sum(dim=2).amax(dim=0)

    def seen(self, x: Tensor) -> Tensor:
        """Return the logits ``(3, N, K)`` of the images, of those of fewer bits and of the smoothed ones."""
        return torch.stack([self.network(images) for images in (x, fewer_bits(x, self.bits), median(x))])

    def surrogate_forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean logits ``(N, K)`` of the three, and half the largest lead that a squeezed one gives others.

        The leads are over the class named for the image as it is. Where all three name one class, it is accepted,
        and rejected where they name two; the distance of two softmaxes tells that too, but is flat where both are sure.
        The whole lead would leave nothing to climb: an attack on what is rejected climbs a class less that class and
        the margin.
        """
        seen = self.seen(x)
        named = seen[:1].argmax(dim=2, keepdim=True).expand(len(seen) - 1, -1, 1)
        others = seen[1:].scatter(2, named, -torch.inf).amax(dim=2)
        leads = others - seen[1:].gather(2, named).squeeze(2)
        return seen.mean(dim=0), leads.amax(dim=0) / 2


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
