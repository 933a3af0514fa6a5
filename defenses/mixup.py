"""Mixup: the network is trained on weighted means of two images and of their labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Beta
from torch.nn import functional

from defenses.base import Fitting, Network
from defenses.naive import Naive, NaiveClassifier

ALPHA = 1.0  # both parameters of the Beta distribution of a batch's weight


class Mixup(Naive):
    """A naive network trained on mixed images."""

    title = "mixup"
    source = "Zhang et al. 2018, mixup: Beyond Empirical Risk Minimization, section 2"

    def fit(self, fitting: Fitting) -> NaiveClassifier:
        """Train on the training images, mixed anew in every batch."""
        targets = functional.one_hot(fitting.train.labels, fitting.classes).float()
        network = fitting.train_network(fitting.train.images, targets, fitting.classes, mixed)
        return NaiveClassifier(network, fitting.classes)


def mixed(_network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return images ``(N, C, H, W)`` and targets ``(N, K)``, each mixed with another's of the batch.

    One weight for the whole batch and the order of the others come from torch's global generator.
    """
    weight = float(Beta(ALPHA, ALPHA).sample())
    others = torch.randperm(len(images), device=images.device)
    return torch.lerp(images[others], images, weight), torch.lerp(targets[others], targets, weight)
