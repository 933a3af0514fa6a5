"""ODIN: the softmax at a high temperature, of the image moved a little to raise it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from defenses.detector import Detector, DetectorDefense

TEMPERATURE = 1000.0  # divides the logits
STEP = 0.0014  # L∞, pixel values in [0, 1]


class OdinDetector(Detector):
    """Scores an image after a step that raises its likeliest class, which raises it more for known images."""

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` of the images as they are, and the scores ``(N,)`` of the moved ones."""
        logits = self.network(x)
        moved = self.network(x - STEP * self.direction(x))
        return logits, -(moved / TEMPERATURE).softmax(dim=1).amax(dim=1)

    def direction(self, x: Tensor) -> Tensor:
        """Return the sign of the gradient of the likeliest class's cross-entropy, ``(N, C, H, W)``, as a constant."""
        with torch.enable_grad():
            free = x.detach().clone().requires_grad_()
            logits = self.network(free) / TEMPERATURE
            loss = functional.cross_entropy(logits, logits.argmax(dim=1), reduction="sum")
            (gradient,) = torch.autograd.grad(loss, free)
        return gradient.sign()


class Odin(DetectorDefense):
    """ODIN on the naive twin, at the original's temperature and step: nothing is tuned on out-distribution images."""

    title = "ODIN"
    source = "Liang et al. 2018, Enhancing the Reliability of Out-of-distribution Image Detection, section 3"
    departs = (
        "temperature 1000 and step 0.0014 for all data sets; the original tunes the step on out-distribution images"
    )
    classifier = OdinDetector
