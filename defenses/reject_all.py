"""Reject all: every image is rejected."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.equipped import EquippedClassifier
from defenses.on_naive import OnNaiveDefense

MARGIN = 1.0  # logits: any number above zero rejects


class RejectAllClassifier(EquippedClassifier):
    """A network that rejects whatever it is shown."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the network's logits ``(N, K)`` and a margin above zero ``(N,)``."""
        logits = self.network(x)
        return logits, torch.full_like(logits[:, 0], MARGIN)


class RejectAll(OnNaiveDefense):
    """The naive twin, never trusted: it makes no error, which is why errors alone rank nobody."""

    title = "reject all"
    source = "a control, for what rejections are worth"
    control = True
    classifier = RejectAllClassifier
