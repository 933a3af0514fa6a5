"""When an image counts as adversarial against a classifier that may reject."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from eagerpy.astensor import astensor_
from eagerpy.framework import logical_and
from torch import Tensor

from bench.attacks.foolbox_import import Criterion, Misclassification, TargetedMisclassification
from bench.errors import InvalidConfig

T = TypeVar("T")

UNKNOWN = "the attack takes Misclassification or TargetedMisclassification"
"""How the error about any other criterion begins."""


class WrongAndAccepted(Misclassification):
    """Adversarial where the predicted class is neither the true one nor the dustbin.

    ``labels`` are int64 ``(N,)``; ``reject_class`` is the index of the dustbin among the outputs. It is a
    ``Misclassification``, so that Foolbox's gradient attacks take it. Foolbox's ``TargetedMisclassification`` needs no
    sibling: a predicted target is accepted.
    """

    def __init__(self, labels: Any, reject_class: int) -> None:
        super().__init__(labels)
        self.reject_class = reject_class

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.labels!r}, reject_class={self.reject_class})"

    def __call__(self, perturbed: T, outputs: T) -> T:  # noqa: ARG002  # Foolbox's signature
        """Return which images, bool ``(N,)``, are adversarial by their outputs ``(N, K + 1)``."""
        logits, restore = astensor_(outputs)
        predicted = logits.argmax(axis=-1)
        wrong = logical_and(predicted != self.labels, predicted != self.reject_class)
        return restore(wrong)  # type: ignore[no-any-return]


def of_rows(criterion: Criterion, rows: slice) -> Criterion:
    """Return the same criterion for some of the images.

    Raises ``InvalidConfig`` for a criterion that is not about classes.
    """
    if isinstance(criterion, WrongAndAccepted):
        return WrongAndAccepted(criterion.labels.raw[rows], criterion.reject_class)
    if isinstance(criterion, Misclassification):
        return Misclassification(criterion.labels.raw[rows])
    if isinstance(criterion, TargetedMisclassification):
        return TargetedMisclassification(criterion.target_classes.raw[rows])
    raise InvalidConfig(f"{UNKNOWN}, not {criterion!r}")


def winners(criterion: Criterion, outputs: int) -> Tensor:
    """Return which of the outputs may win for the criterion to hold: bool ``(N, outputs)``, on its labels' device.

    Raises ``InvalidConfig`` for a criterion that is not about classes.
    """
    if isinstance(criterion, TargetedMisclassification):
        classes: Tensor = criterion.target_classes.raw
    elif isinstance(criterion, Misclassification):
        classes = criterion.labels.raw
    else:
        raise InvalidConfig(f"{UNKNOWN}, not {criterion!r}")
    named = classes.unsqueeze(1).eq(torch.arange(outputs, device=classes.device))
    allowed = named if isinstance(criterion, TargetedMisclassification) else ~named
    if isinstance(criterion, WrongAndAccepted):
        allowed[:, criterion.reject_class] = False
    return allowed


def lead_of(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return how far the best of the ``wanted`` outputs is above the best of the others, ``(N,)``, in logits."""
    ahead = logits.masked_fill(~wanted, -torch.inf).max(dim=1).values
    behind = logits.masked_fill(wanted, -torch.inf).max(dim=1).values
    return ahead - behind
