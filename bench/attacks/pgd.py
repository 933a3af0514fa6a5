"""Projected gradient descent on the lead: small signed steps towards the nearest success (Madry et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from eagerpy.astensor import astensor
from eagerpy.tensor.tensor import Tensor as EagerTensor

from bench.attacks.criteria import WrongAndAccepted, lead_of, winners
from bench.attacks.fast_gradient import BasicIterative
from bench.attacks.foolbox_import import (
    Attack,
    Criterion,
    Misclassification,
    Model,
    TargetedMisclassification,
    get_criterion,
)
from bench.attacks.ifgs import IFGS

T = TypeVar("T")


class UpTheLead(BasicIterative):
    """Signed steps up the lead of the best output that would be a success over the best one that would not.

    The cross-entropy that ``BasicIterative`` climbs leads away from the true class alone, into a dustbin that lies on
    the way, and is flat where the softmax is saturated; and towards a rejection it leads to where the classes are far
    apart, however far the score is from its threshold. The lead is the loss of Carlini and Wagner (2017, f6).
    """

    _targeted = False
    _reject: int | None = None

    def run(self, model: Model, inputs: T, criterion: Any, *, epsilon: float, **kwargs: Any) -> T:
        """Return the perturbed images, within ``epsilon`` of ``inputs`` and in the bounds."""
        given = get_criterion(criterion)
        self._targeted = isinstance(given, TargetedMisclassification)
        self._reject = getattr(given, "reject_class", None)
        return super().run(model, inputs, criterion, epsilon=epsilon, **kwargs)

    def get_loss_fn(self, model: Model, labels: EagerTensor) -> Callable[[EagerTensor], EagerTensor]:
        """Return the sum of the leads over ``labels``, as a function of the images.

        Where ``labels`` are targets, it is less that: Foolbox climbs from labels, and descends to targets.
        """
        aim = self._aim(labels)
        sign = -1 if self._targeted else 1

        def leads(images: EagerTensor) -> EagerTensor:
            logits = model(images).raw
            return astensor(sign * lead_of(logits, winners(aim, logits.shape[1])).sum())

        return leads

    def _aim(self, labels: EagerTensor) -> Criterion:
        if self._targeted:
            return TargetedMisclassification(labels)
        return Misclassification(labels) if self._reject is None else WrongAndAccepted(labels, self._reject)


class PGD(IFGS):
    """Signed gradient steps towards being wrong, and accepted, within ε of the image: I-FGS with another loss."""

    def build(self) -> Attack:
        """Return an ``UpTheLead``, from the image itself."""
        return UpTheLead(abs_stepsize=self.stepsize, steps=self.steps, random_start=False)
