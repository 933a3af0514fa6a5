"""A detector on the naive twin: a score of how out of place an image is, and a threshold from clean images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from defenses.base import Fitting, Network, in_batches, threshold_at
from defenses.equipped import EquippedClassifier
from defenses.on_naive import OnNaiveDefense

FALSE_REJECTIONS = 0.05  # share of clean validation images that a detector rejects


class Detector(EquippedClassifier):
    """A K-way network whose prediction stands unless a score of the image exceeds ``threshold``.

    By how much it does is told in ``unit``, the scores' standard deviation where that is above 1: an attacker sees the
    margin beside logits, and one of hundreds would drown them.
    """

    threshold: Tensor
    unit: Tensor

    def __init__(self, network: Network, classes: int, fitted: Mapping[str, Tensor]) -> None:
        super().__init__(network, classes, fitted)
        self.register_buffer("threshold", torch.zeros(()))
        self.register_buffer("unit", torch.ones(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's logits ``(N, K)`` and by how much the score exceeds the threshold ``(N,)``."""
        logits, score = self.judged(x)
        return logits, (score - self.threshold) / self.unit

    @abstractmethod
    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` of images ``(N, C, H, W)`` and their scores ``(N,)``.

        The larger a score, the more out of place the image.
        """


class FeatureDetector(Detector):
    """A detector whose score is one of the penultimate activations and the logits."""

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` and the scores ``(N,)``, of one pass."""
        features = self.network.features(x)
        logits = self.network.head(features)
        return logits, self.score(features, logits)

    @abstractmethod
    def score(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores ``(N,)`` of activations ``(N, D)`` and logits ``(N, K)``."""


class DetectorDefense(OnNaiveDefense):
    """Puts a detector on the naive twin; it rejects the share ``FALSE_REJECTIONS`` of clean validation images."""

    def fit(self, fitting: Fitting) -> Detector:
        """Fit the score, then choose the threshold."""
        detector = super().fit(fitting)
        assert isinstance(detector, Detector)
        return calibrated(detector, fitting)


def calibrated(detector: Detector, fitting: Fitting) -> Detector:
    """Return the detector, in evaluation mode, with the threshold that ``FALSE_REJECTIONS`` of clean images exceed.

    Threshold and unit are of the validation images.
    """
    detector.to(fitting.device).eval()
    scores = in_batches(lambda x: detector.judged(x)[1], fitting.validation.images, fitting.device)
    detector.threshold.fill_(threshold_at(scores, FALSE_REJECTIONS))
    detector.unit.fill_(scores.std().nan_to_num(1.0, posinf=1.0).clamp(min=1.0))
    return detector
