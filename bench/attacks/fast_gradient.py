"""Foolbox's attacks along the sign of the loss's gradient, bit for bit, without the gradients of the weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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
from bench.replay import Replayed

T = TypeVar("T")
LossFn = Callable[[EagerTensor], EagerTensor]


class InputGradients(LinfBaseGradientDescent):
    """Signed gradient steps in L∞ of which only the images' gradients are computed, a piece of the batch at a time.

    Foolbox's backward pass also computes those of the weights, and adds them up, unless the network is frozen. On a GPU
    the steps after the first few are replayed.
    """

    _of: LossFn | None = None
    _step: Replayed[tuple[Tensor, Tensor]]

    def run(self, model: Model, inputs: T, criterion: Any, *, epsilon: float, **kwargs: Any) -> T:
        """Return the perturbed images, within ``epsilon`` of ``inputs`` and in the bounds."""
        raise_if_kwargs(kwargs)
        x, restore = astensor_(inputs)

        def attack(images: Tensor, of_images: Any) -> Tensor:
            made: Tensor = super(InputGradients, self).run(model, images, of_images, epsilon=epsilon)
            return made

        return restore(astensor(in_pieces(x.raw, get_criterion(criterion), attack)))

    def value_and_grad(self, loss_fn: LossFn, x: EagerTensor) -> tuple[EagerTensor, EagerTensor]:
        """Return the loss at ``x`` and its gradient there."""
        if self._of is not loss_fn:  # Foolbox makes one for each batch
            self._of, self._step = loss_fn, Replayed(partial(loss_and_gradient, loss_fn))
        loss, gradient = self._step(x.raw)
        return astensor(loss), astensor(gradient)

    def normalize(self, gradients: EagerTensor, *, x: EagerTensor, bounds: Any) -> EagerTensor:  # noqa: ARG002  # Foolbox's signature
        """Return the gradient's signs; NaN where it is NaN, whose sign is 0: such an image would pass for unmoved."""
        raw = gradients.raw
        return astensor(torch.where(raw.isnan(), raw, raw.sign()))


def loss_and_gradient(loss_fn: LossFn, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of images ``(N, C, H, W)`` and its gradient, of their shape."""
    leaf = images.detach().requires_grad_()
    with torch.enable_grad():
        loss = loss_fn(astensor(leaf)).raw
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


class FastGradient(InputGradients, LinfFastGradientAttack):
    """One untargeted step of ε: Foolbox's ``LinfFastGradientAttack``."""


class BasicIterative(InputGradients, LinfBasicIterativeAttack):
    """Steps away from the true class, or towards a target: Foolbox's ``LinfBasicIterativeAttack``."""
