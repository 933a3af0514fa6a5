"""Maximum softmax probability: an image is rejected where no class is likely enough."""

from __future__ import annotations

from torch import Tensor

from defenses.detector import DetectorDefense, FeatureDetector


class MspDetector(FeatureDetector):
    """Scores an image by the probability of its likeliest class, with the sign turned."""

    def score(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores ``(N,)``, in -1 .. -1/K."""
        return -logits.softmax(dim=1).amax(dim=1)


class MaximumSoftmaxProbability(DetectorDefense):
    """The baseline of out-distribution detection, on the naive twin."""

    title = "MSP"
    source = (
        "Hendrycks & Gimpel 2017, A Baseline for Detecting Misclassified and Out-of-Distribution Examples, section 3"
    )
    classifier = MspDetector
