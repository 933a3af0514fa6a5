"""The naive network: it knows no rejection."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Config, Defense, Fitting, Network, NetworkFactory, RejectingClassifier


class NaiveClassifier(RejectingClassifier):
    """A K-way network that accepts every image."""

    def __init__(self, network: Network, classes: int) -> None:
        super().__init__()
        self.network = network
        self.config = {"classes": classes}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's logits ``(N, K)`` and a margin of minus infinity ``(N,)``."""
        logits = self.network(x)
        return logits, torch.full_like(logits[:, 0], -torch.inf)


class Naive(Defense):
    """The paper's naive CNN: the track's architecture, trained on the training images alone."""

    title = "naive"
    source = "Abbasi et al. 2018, section VI"

    def fit(self, fitting: Fitting) -> NaiveClassifier:
        """Train on the training images."""
        network = fitting.train_network(fitting.train.images, fitting.train.labels, fitting.classes)
        return NaiveClassifier(network, fitting.classes)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> NaiveClassifier:
        """Return an untrained naive classifier."""
        return NaiveClassifier(make_network(config["classes"]), config["classes"])
