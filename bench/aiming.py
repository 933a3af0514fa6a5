"""What an attack is handed and what it is to reach: clean images, each once for every target."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bench.attacks.base import REJECTION, AttackSpec, Target
from bench.attacks.criteria import WrongAndAccepted
from bench.attacks.foolbox_import import Criterion, Misclassification, TargetedMisclassification
from defenses.base import REJECT, LabelledImages

UNTARGETED = -1
"""The target of an image that was attacked without one."""

REJECTED = -2
"""The target of an image that the attacked network is to reject."""


@dataclass(frozen=True)
class Pairs:
    """What an attack is handed: clean images, each once for every target, and what counts as a success.

    ``reject`` is the index of the dustbin among the attacked outputs, ``None`` where the network never rejects.
    """

    images: Tensor
    labels: Tensor
    targets: Tensor
    spec: AttackSpec
    reject: int | None

    @property
    def out_of_reach(self) -> bool:
        """Whether a network that never rejects is to reject."""
        return self.reject is None and REJECTION in self.spec.targets

    def criterion(self, rows: slice, device: torch.device) -> Criterion:
        """Return when the images of those rows are adversarial."""
        if self.spec.targets:
            outputs = self.targets[rows].clone()
            if self.reject is not None:
                outputs[outputs == REJECTED] = self.reject
            return TargetedMisclassification(outputs.to(device))
        labels = self.labels[rows].clone().to(device)
        return Misclassification(labels) if self.reject is None else WrongAndAccepted(labels, self.reject)


def in_pairs(attacked: LabelledImages, logits: Tensor, margin: Tensor, spec: AttackSpec) -> Pairs:
    """Return the images once for every target, which their clean logits ``(N, K)`` name.

    ``margin`` are reject margins from which to tell whether the network ever rejects.
    """
    reject = logits.shape[1] if bool((margin > -torch.inf).any()) else None
    if not spec.targets:
        return Pairs(attacked.images, attacked.labels, torch.full_like(attacked.labels, UNTARGETED), spec, reject)
    true = attacked.labels.unsqueeze(1)
    classes: dict[Target, Tensor] = {
        "least_likely": logits.scatter(1, true, torch.inf).argmin(dim=1),
        "most_likely": logits.scatter(1, true, -torch.inf).argmax(dim=1),
        "rejection": torch.full_like(attacked.labels, REJECTED),
    }
    times = len(spec.targets)
    targets = torch.cat([classes[target] for target in spec.targets])
    return Pairs(attacked.images.repeat(times, 1, 1, 1), attacked.labels.repeat(times), targets, spec, reject)


def hits(predicted: Tensor, target: Tensor) -> Tensor:
    """Return which predictions ``(M,)`` are what was aimed at, bool; without a target nothing is hit."""
    rejected = predicted == REJECT
    return torch.where(rejected, target == REJECTED, predicted == target)
