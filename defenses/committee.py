"""A committee: several networks as one, by the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from defenses.base import Network

MEMBERS = 3  # networks of an ensemble


class Committee(Network):
    """Networks of one architecture, whose logits together are the log of their mean probability."""

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def features(self, x: Tensor) -> Tensor:
        """Return the members' penultimate activations, one after the other, ``(N, M·D)``."""
        return torch.cat([self.member(number).features(x) for number in range(len(self.members))], dim=1)

    def head(self, features: Tensor) -> Tensor:
        """Return the log of the mean probability, ``(N, outputs)``, of those activations."""
        parts = features.chunk(len(self.members), dim=1)
        return log_mean(torch.stack([self.member(number).head(part) for number, part in enumerate(parts)]))

    def each(self, x: Tensor) -> Tensor:
        """Return every member's logits, ``(M, N, outputs)``."""
        return torch.stack([member(x) for member in self.members])

    def member(self, number: int) -> Network:
        """Return a member by its number, 0 and up."""
        found = self.members[number]
        assert isinstance(found, Network)
        return found


def log_mean(logits: Tensor) -> Tensor:
    """Return the log of the mean probability, ``(N, K)``, that logits ``(M, N, K)`` stand for."""
    return logits.log_softmax(dim=2).logsumexp(dim=0) - math.log(len(logits))
