"""Foolbox's attacks along the sign of the loss's gradient, bit for bit, without the gradients of the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from eagerpy.astensor import astensor, astensor_
from eagerpy.tensor.tensor import Tensor as EagerTensor
from torch import Tensor

from bench.attacks.foolbox_import import (
    LinfBaseGradientDescent,
    LinfBasicIterativeAttack,
    LinfFastGradientAttack,
    Model,
    get_criterion,
    raise_if_kwargs,
)
from bench.attacks.pieces import in_pieces

T = TypeVar("T")


class InputGradients(LinfBaseGradientDescent):
    """Signed gradient steps in L∞ of which only the images' gradients are computed, a piece of the batch at a time.

    Foolbox's backward pass also computes those of the weights, and adds them up, unless the network is frozen.
    """

    def run(self, model: Model, inputs: T, criterion: Any, *, epsilon: float, **kwargs: Any) -> T:
        """Return the perturbed images, within ``epsilon`` of ``inputs`` and in the bounds."""
        raise_if_kwargs(kwargs)
        x, restore = astensor_(inputs)

        def attack(images: Tensor, of_images: Any) -> Tensor:
            made: Tensor = super(InputGradients, self).run(model, images, of_images, epsilon=epsilon)
            return made

        return restore(astensor(in_pieces(x.raw, get_criterion(criterion), attack)))

    def value_and_grad(
        self, loss_fn: Callable[[EagerTensor], EagerTensor], x: EagerTensor
    ) -> tuple[EagerTensor, EagerTensor]:
        """Return the loss at ``x`` and its gradient there."""
        images = x.raw.detach().requires_grad_()
        with torch.enable_grad():
            loss = loss_fn(astensor(images)).raw
        (gradient,) = torch.autograd.grad(loss, images)
        return astensor(loss.detach()), astensor(gradient)


class FastGradient(InputGradients, LinfFastGradientAttack):
    """One untargeted step of ε: Foolbox's ``LinfFastGradientAttack``."""


class BasicIterative(InputGradients, LinfBasicIterativeAttack):
    """Steps away from the true class, or towards a target: Foolbox's ``LinfBasicIterativeAttack``."""
