"""Energy: an image is rejected where the logits together are low."""

from __future__ import annotations

from torch import Tensor

from defenses.detector import DetectorDefense, FeatureDetector


class EnergyDetector(FeatureDetector):
    """Scores an image by its free energy at temperature 1."""

    def score(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores ``(N,)``: minus the log of the sum of exponentials."""
        return -logits.logsumexp(dim=1)


class Energy(DetectorDefense):
    """The energy score on the naive twin, without training for it."""

    title = "energy"
    source = "Liu et al. 2020, Energy-based Out-of-distribution Detection, section 3.1"
    classifier = EnergyDetector
