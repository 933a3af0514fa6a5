"""The dustbin and a detector of another row, on one network: an image is rejected by the two signs together."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from defenses.base import Fitting, Network, in_batches
from defenses.detector import Detector, DetectorDefense
from defenses.detector_on_dustbin import DetectorOnDustbin
from defenses.dustbin import parted


class JointDetector(Detector):
    """Scores an image by two signs: the dustbin's lead over the best class, and another detector's score.

    The other detector is the class that comes after this one among a class's bases. Each sign is taken in standard
    deviations ``spread``, ``(2,)``, from its mean over clean validation images, ``centre``.
    """

    centre: Tensor
    spread: Tensor

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class logits ``(N, K)`` and the scores ``(N,)``."""
        class_logits, signs = self.signs(x)
        return class_logits, self.joined((signs - self.centre) / self.spread)

    def joined(self, signs: Tensor) -> Tensor:
        """Return the score ``(N,)`` of the two signs ``(N, 2)``: their sum."""
        return signs.sum(dim=1)

    def signs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class logits ``(N, K)`` and the two signs ``(N, 2)``, of one pass."""
        logits, score = super().judged(x)  # type: ignore[safe-super]  # the other detector's
        class_logits, lead = parted(logits)
        return class_logits, torch.stack([lead, score], dim=1)


class JointDefense(DetectorOnDustbin):
    """Fits the detector of ``detector``'s row beside the network of +OOD+interp, and the units of the two signs."""

    classifier: ClassVar[type[JointDetector]]
    detector: ClassVar[type[DetectorDefense]]

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the detector's tensors, and ``centre`` and ``spread``."""
        tensors = self.detector().fitted(fitting, network)
        units = {"centre": torch.zeros(2), "spread": torch.ones(2)}
        joint = self.classifier(network, fitting.classes, tensors | units).to(fitting.device).eval()
        signs = in_batches(lambda x: joint.signs(x)[1], fitting.validation.images, fitting.device)
        return tensors | {"centre": signs.mean(dim=0), "spread": signs.std(dim=0)}
