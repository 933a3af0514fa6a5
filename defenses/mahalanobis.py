"""Mahalanobis: an image is rejected where its activations are far from every class's Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Fitting, Network, in_batches
from defenses.detector import DetectorDefense, FeatureDetector
from defenses.principal import principal, whitening


class MahalanobisDetector(FeatureDetector):
    """Scores an image by the squared Mahalanobis distance to the nearest class; the classes share a covariance."""

    means: Tensor
    whitening: Tensor

    def score(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores ``(N,)``, 0 or more."""
        white, centres = features @ self.whitening, self.means @ self.whitening
        return (white[:, None] - centres).square().sum(dim=2).amin(dim=1)


class Mahalanobis(DetectorDefense):
    """The Mahalanobis score of the naive twin's penultimate activations."""

    title = "Mahalanobis"
    source = "Lee et al. 2018, A Simple Unified Framework for Detecting Out-of-Distribution Samples, section 2.1"
    departs = "the penultimate layer alone and no input step: the original weighs layers by adversarial images"
    classifier = MahalanobisDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the classes' means ``(K, D)`` and a root of the shared covariance's pseudo-inverse, ``(D, R)``."""
        features = in_batches(network.features, fitting.train.images, fitting.device)
        labels = fitting.train.labels
        means = torch.stack([features[labels == label].mean(dim=0) for label in range(fitting.classes)])
        _, variances, directions = principal([features - means[labels]])
        return {"means": means, "whitening": whitening(variances, directions)}
