"""The augmented network: one more class, the dustbin, whose prediction is a rejection."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Config, Defense, Fitting, Network, NetworkFactory, RejectingClassifier


class DustbinClassifier(RejectingClassifier):
    """A (K+1)-way network that rejects what it assigns to class K."""

    def __init__(self, network: Network, classes: int) -> None:
        super().__init__()
        self.network = network
        self.config = {"classes": classes}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first K logits ``(N, K)`` and the dustbin's lead over the best of them ``(N,)``."""
        logits = self.network(x)
        class_logits = logits[:, :-1]
        return class_logits, logits[:, -1] - class_logits.amax(dim=1)


class DustbinDefense(Defense):
    """Trains an augmented network; a subclass says what goes into the dustbin."""

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return the images ``(M, C, H, W)`` in [0, 1] that the dustbin class is trained on."""
        raise NotImplementedError

    def fit(self, fitting: Fitting) -> DustbinClassifier:
        """Train on the training images and the dustbin's, the latter as class K."""
        dustbin = self.dustbin(fitting)
        images = torch.cat([fitting.train.images, dustbin])
        targets = torch.cat([fitting.train.labels, torch.full((len(dustbin),), fitting.classes)])
        return DustbinClassifier(fitting.train_network(images, targets, fitting.classes + 1), fitting.classes)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> DustbinClassifier:
        """Return an untrained augmented classifier."""
        return DustbinClassifier(make_network(config["classes"] + 1), config["classes"])
