"""The augmented network: one more class, the dustbin, whose prediction is a rejection."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import BatchHook, Config, Defense, Fitting, Network, NetworkFactory, RejectingClassifier


class DustbinClassifier(RejectingClassifier):
    """A (K+1)-way network that rejects what it assigns to class K."""

    def __init__(self, network: Network, classes: int) -> None:
        super().__init__()
        self.network = network
        self.config = {"classes": classes}

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first K logits ``(N, K)`` and the dustbin's lead over the best of them ``(N,)``."""
        return parted(self.network(x))


class DustbinDefense(Defense):
    """Trains an augmented network; a subclass says what goes into the dustbin."""

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return the images ``(M, C, H, W)`` in [0, 1] that the dustbin class is trained on."""
        raise NotImplementedError

    def batch_hook(self) -> BatchHook | None:
        """Return what every training batch goes through; here there is nothing."""
        return None

    def fit(self, fitting: Fitting) -> DustbinClassifier:
        """Train on the training images and the dustbin's, the latter as class K."""
        dustbin = self.dustbin(fitting)
        images = torch.cat([fitting.train.images, dustbin])
        targets = torch.cat([fitting.train.labels, torch.full((len(dustbin),), fitting.classes)])
        network = fitting.train_network(images, targets, fitting.classes + 1, self.batch_hook())
        return DustbinClassifier(network, fitting.classes)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> DustbinClassifier:
        """Return an untrained augmented classifier."""
        return DustbinClassifier(make_network(config["classes"] + 1), config["classes"])


def parted(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class logits ``(N, K)`` of logits ``(N, K + 1)`` and the dustbin's lead over the best ``(N,)``."""
    class_logits = logits[:, :-1]
    return class_logits, logits[:, -1] - class_logits.amax(dim=1)
