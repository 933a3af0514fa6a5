"""DeepFool in L2: steps to the nearest linearised decision boundary (Moosavi-Dezfooli et al. 2016)."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from eagerpy.astensor import astensor, astensor_
from pydantic import Field
from torch import Tensor

from bench.attacks.base import BACKWARD, AttackSpec
from bench.attacks.criteria import WrongAndAccepted
from bench.attacks.foolbox_import import (
    Attack,
    L2DeepFoolAttack,
    Misclassification,
    Model,
    get_criterion,
    raise_if_kwargs,
    verify_input_bounds,
)
from bench.errors import InvalidConfig

T = TypeVar("T")

STABILITY = 1e-4
"""Added to each distance, as in Foolbox: a step that ends on the boundary crosses it."""

TINY = 1e-8
"""Added to a gradient's norm, as in Foolbox, so that a flat network divides by no zero."""

TYPICAL_STEPS = 4
"""Most images are done after two or three steps; one more pays for the others. An estimate, for planning only."""

TYPICAL_CLASSES = 10
"""The classes of the paper's tracks; an estimate, for planning only."""


class DeepFool(AttackSpec):
    """The least L2 perturbation over all classes, lengthened by an overshoot (paper, section III)."""

    steps: int = Field(gt=0)  # the most that an image gets
    overshoot: float = Field(ge=0)  # share of the summed perturbation that is added to it

    def build(self) -> Attack:
        """Return a ``SharedGraphDeepFool``."""
        return SharedGraphDeepFool(steps=self.steps, overshoot=self.overshoot)

    @property
    def work(self) -> float:
        """Return an estimate: a few steps, each one forward pass and a backward pass a class but the true one."""
        return min(self.steps, TYPICAL_STEPS) * (1 + BACKWARD * (TYPICAL_CLASSES - 1))


class SharedGraphDeepFool(L2DeepFoolAttack):
    """Foolbox's DeepFool with one forward pass a step for all classes; finished images leave the batch.

    On images that the network gets right it returns Foolbox's images over all classes. Against ``WrongAndAccepted`` the
    dustbin is no candidate, and the boundary to cross is that of the larger of the true class and the dustbin.
    """

    def __init__(self, *, steps: int = 50, overshoot: float = 0.02) -> None:
        super().__init__(steps=steps, candidates=None, overshoot=overshoot, loss="logits")

    def run(
        self,
        model: Model,
        inputs: T,
        criterion: Any,
        *,
        early_stop: float | None = None,  # noqa: ARG002  # Foolbox's signature
        **kwargs: Any,
    ) -> T:
        """Return the perturbed images; those that need no step come back as they are.

        Raises ``InvalidConfig`` for a targeted criterion, which DeepFool would miss.
        """
        raise_if_kwargs(kwargs)
        clean, restore = astensor_(inputs)
        verify_input_bounds(clean, model)
        criterion = get_criterion(criterion)
        if not isinstance(criterion, Misclassification):
            raise InvalidConfig(f"DeepFool is untargeted, it cannot aim at {criterion!r}: give it Misclassification")
        reject = criterion.reject_class if isinstance(criterion, WrongAndAccepted) else None
        labels = criterion.labels.raw
        with torch.enable_grad():
            perturbed = self._perturb(model, clean.raw, labels, reject)
        return restore(astensor(perturbed))

    def _perturb(self, model: Model, clean: Tensor, labels: Tensor, reject: int | None) -> Tensor:
        """Return the perturbed images of ``clean`` ``(N, C, H, W)``."""
        with torch.no_grad():
            others = _candidates(model(clean), labels, reject)
        result = clean.clone()
        active = torch.arange(len(clean), device=clean.device)
        total = torch.zeros_like(clean)
        for _ in range(self.steps):
            x = result[active].requires_grad_()
            logits = model(x)
            going = _unfinished(logits, labels[active], reject)
            active, total = active[going], total[going]
            if not len(active):
                break
            ahead = _ahead(logits[going], labels[active], others[active], reject)
            total = total + self._step(ahead, x, going)
            moved = clean[active] + (1.0 + self.overshoot) * total
            result[active] = moved.clamp(*model.bounds)
        return result

    def _step(self, ahead: Tensor, x: Tensor, going: Tensor) -> Tensor:
        """Return the step of each unfinished image over its nearest linearised boundary.

        ``ahead`` ``(M, candidates)`` is how far each candidate's logit is above the reference, as a function of ``x``,
        whose rows ``going`` are the M images.
        """
        last = ahead.shape[1] - 1
        gradients = torch.stack(
            [torch.autograd.grad(column.sum(), x, retain_graph=k < last)[0][going] for k, column in enumerate(ahead.T)],
            dim=1,
        )
        norms = gradients.flatten(2).norm(dim=2) + TINY
        distances = ahead.detach().abs() / norms
        rows = torch.arange(len(distances), device=distances.device)
        nearest = distances.argmin(dim=1)
        length = (distances[rows, nearest] + STABILITY) / norms[rows, nearest]
        step: Tensor = length.view(-1, *[1] * (x.ndim - 1)) * gradients[rows, nearest]
        return step


def _candidates(logits: Tensor, labels: Tensor, reject: int | None) -> Tensor:
    """Return the classes to aim at, ``(N, candidates)``, likeliest first: all but the true one and the dustbin."""
    ranked = logits.scatter(1, labels.unsqueeze(1), torch.inf)
    if reject is not None:
        ranked[:, reject] = -torch.inf
    return ranked.argsort(dim=1, descending=True)[:, 1 : None if reject is None else -1]


def _unfinished(logits: Tensor, labels: Tensor, reject: int | None) -> Tensor:
    """Return the rows that are not yet wrong and accepted."""
    predicted = logits.argmax(dim=1)
    unfinished = predicted == labels
    if reject is not None:
        unfinished = unfinished | (predicted == reject)
    return unfinished.nonzero().squeeze(1)


def _ahead(logits: Tensor, labels: Tensor, others: Tensor, reject: int | None) -> Tensor:
    """Return how far each candidate is above what it must beat: the true class, or the dustbin if that is larger."""
    reference = logits.gather(1, labels.unsqueeze(1))
    if reject is not None:
        reference = torch.maximum(reference, logits[:, reject : reject + 1])
    return logits.gather(1, others) - reference
