"""Outlier exposure: a network that was trained to be unsure of out-distribution images, with a threshold on MSP."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from defenses.base import Fitting
from defenses.detector import Detector, calibrated
from defenses.msp import MaximumSoftmaxProbability, MspDetector

WEIGHT = 0.5  # of the outliers' loss, where that of the training images counts 1


class OutlierExposure(MaximumSoftmaxProbability):
    """The maximum softmax probability of a network trained on outliers with uniform targets."""

    title = "outlier exposure"
    source = "Hendrycks, Mazeika & Dietterich 2019, Deep Anomaly Detection with Outlier Exposure, section 3"
    departs = (
        "outliers are drawn as often as their weight asks, and they come from the data set that the dustbin is filled "
        "with and out-distribution tests are made of, where the original keeps the two apart"
    )
    needs = ()

    def fit(self, fitting: Fitting) -> Detector:
        """Train the network on training images and outliers, then choose the threshold."""
        network = fitting.train_network(*exposed(fitting), fitting.classes)
        return calibrated(MspDetector(network, fitting.classes, {}), fitting)


def exposed(fitting: Fitting) -> tuple[Tensor, Tensor]:
    """Return the training images and, after them, outliers, with their targets as probabilities ``(N + M, K)``.

    ``M`` is ``WEIGHT`` times ``N``, so that in the mean over all the outliers have that weight. Each outlier comes as
    often as every other, or once more.
    """
    train, out = fitting.train, fitting.out_train
    order = torch.randperm(len(out), generator=fitting.generator)
    outliers = out[order[torch.arange(round(WEIGHT * len(train))) % len(out)]]
    certain = functional.one_hot(train.labels, fitting.classes).float()
    uniform = torch.full((len(outliers), fitting.classes), 1 / fitting.classes)
    return torch.cat([train.images, outliers]), torch.cat([certain, uniform])
