"""Makes a rejecting classifier a plain network for Foolbox: over its K classes, or over K + 1 with the dustbin."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from defenses.base import RejectingClassifier

MARGIN_CAP = 1e6
"""The largest reject margin that attacks see, in logits: an infinite one would turn their losses into NaN."""


class ClassLogits(nn.Module):
    """The K class logits alone: what an attacker sees of a network that never rejects."""

    def __init__(self, classifier: RejectingClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Return the class logits ``(N, K)``."""
        return _differentiable(self.classifier, x)[0]


class WithRejectClass(nn.Module):
    """K + 1 logits: the classes', and ``max z + margin`` for rejection, which wins where the margin is above 0."""

    def __init__(self, classifier: RejectingClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits ``(N, K + 1)``; the last is minus infinity where the classifier cannot reject."""
        return with_reject_class(*_differentiable(self.classifier, x))


def with_reject_class(logits: Tensor, margin: Tensor) -> Tensor:
    """Return ``(N, K + 1)`` logits for class logits ``(N, K)`` and reject margins ``(N,)``.

    The last is the largest exactly where the margin is above 0, however small it is beside the logits.
    """
    best, never = logits.amax(dim=1), margin == -torch.inf
    # The inner fill keeps infinity out of the sum: its gradient would be NaN where a chain rule multiplies by 0.
    extra = best + margin.masked_fill(never, 0.0).clamp(max=MARGIN_CAP)
    with torch.no_grad():
        above = torch.nextafter(best, torch.full_like(best, torch.inf))
        lost = torch.where(margin > 0, (above - extra).clamp(min=0), 0.0)
    return torch.cat([logits, (extra + lost).masked_fill(never, -torch.inf).unsqueeze(1)], dim=1)


def _differentiable(classifier: RejectingClassifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``forward``'s values with the gradients of ``surrogate_forward`` where the classifier has its own."""
    if type(classifier).surrogate_forward is RejectingClassifier.surrogate_forward:
        values: tuple[Tensor, Tensor] = classifier(x)
        return values
    with torch.no_grad():
        logits, margin = classifier(x)
    stand_in = classifier.surrogate_forward(x)
    return _StraightThrough.apply(logits, stand_in[0]), _StraightThrough.apply(margin, stand_in[1])


class _StraightThrough(torch.autograd.Function):
    """The first argument's values with the second's gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, stand_in: Tensor) -> Tensor:  # noqa: ARG004  # autograd's signature
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[None, Any]:  # noqa: ARG004  # autograd's signature
        return None, gradients[0]
