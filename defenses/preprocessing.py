"""Preprocessing: the naive twin sees a cleaned image; nothing is rejected."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from defenses.equipped import EquippedClassifier


class Preprocessed(EquippedClassifier):
    """A K-way network behind a cleaning of its images."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)`` of the cleaned images and a margin of minus infinity ``(N,)``."""
        logits = self.network(self.cleaned(x))
        return logits, torch.full_like(logits[:, 0], -torch.inf)

    @abstractmethod
    def cleaned(self, x: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)`` as the network is to see them; gradients pass through."""
