"""Carlini and Wagner's L2 attack (2017) as a Foolbox attack whose result for an image depends on that image alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from eagerpy.astensor import astensor, astensor_
from torch import Tensor

from bench.attacks.criteria import lead_of, winners
from bench.attacks.foolbox_import import (
    L2CarliniWagnerAttack,
    Model,
    get_criterion,
    raise_if_kwargs,
    verify_input_bounds,
)
from bench.errors import InvalidConfig

T = TypeVar("T")
Query = Callable[[Tensor], Tensor]

BETA_1, BETA_2, TINY = 0.9, 0.999, 1e-8
"""Adam's decay rates and the constant in its denominator, as in Foolbox."""

PROGRESS = 0.9999
"""An image goes on while its loss falls to this share of what it was a tenth of the steps ago, as in Foolbox."""

LARGEST = 1e10
"""The largest constant of the last search step where there are ten or more, as in Foolbox."""

INSIDE = 0.999999
"""Pixels are shrunk by this, as in Foolbox, so that black and white have a finite arctanh."""


@dataclass
class _Descent:
    """Images in the middle of a descent, one a row."""

    index: Tensor  # (n,) place in the batch
    clean: Tensor  # (n, C, H, W)
    start: Tensor  # the same in the space of arctanh
    centre: Tensor  # ``start`` back in pixels: what the distance in the loss is measured from
    wanted: Tensor  # (n, outputs) bool: classes of which one must win
    const: Tensor  # (n,)
    delta: Tensor  # what Adam moves
    first: Tensor  # Adam's two moments
    second: Tensor
    checked: Tensor  # (n,) the loss at the last check

    def keep(self, rows: Tensor) -> _Descent:
        """Return the descent of these rows alone."""
        return _Descent(*(getattr(self, field.name)[rows] for field in fields(self)))


class PerImageCarliniWagner(L2CarliniWagnerAttack):
    """Foolbox's ``L2CarliniWagnerAttack`` with the same parameters and four differences.

    Each image stops early by its own loss, not by the batch's sum, and leaves the batch when it stops. An image for
    which no perturbation reaches the confidence comes back as it was, not black. Against ``WrongAndAccepted`` another
    class must beat the true one and the dustbin, both by the confidence. The search stays on the device.
    """

    def run(
        self,
        model: Model,
        inputs: T,
        criterion: Any,
        *,
        early_stop: float | None = None,  # noqa: ARG002  # Foolbox's signature
        **kwargs: Any,
    ) -> T:
        """Return the nearest images found that reach the confidence, and the clean image where there is none."""
        raise_if_kwargs(kwargs)
        x, restore = astensor_(inputs)
        verify_input_bounds(x, model)
        clean = x.raw
        with torch.no_grad():
            outputs = model(clean[:1]).shape[1]
        wanted = winners(get_criterion(criterion), outputs)
        if len(wanted) != len(clean):
            raise InvalidConfig(f"C&W got classes for {len(wanted)} images, but {len(clean)} images: give it one each")
        with torch.enable_grad():
            best = self._search(model, clean, wanted)
        with torch.no_grad():  # batches of another size round otherwise: what no longer succeeds is a failure
            holds = self._succeeds(lead_of(model(best), wanted))
        kept = torch.where(_like(holds, clean), best, clean)
        return restore(astensor(kept))

    def _search(self, model: Model, clean: Tensor, wanted: Tensor) -> Tensor:
        """Return the nearest success for each image: a binary search for the least constant that gives one."""
        low, high = model.bounds
        middle, half = (low + high) / 2, (high - low) / 2
        start = ((clean - middle) / half * INSIDE).arctanh()

        def pixels(space: Tensor) -> Tensor:
            return space.tanh() * half + middle

        count = len(clean)
        best, nearest = clean.clone(), clean.new_full((count,), torch.inf)
        const = clean.new_full((count,), self.initial_const)
        lower, upper = torch.zeros_like(const), torch.full_like(const, torch.inf)
        for search in range(self.binary_search_steps):
            if search == self.binary_search_steps - 1 and self.binary_search_steps >= 10:  # noqa: PLR2004  # Foolbox's
                const = upper.clamp(max=LARGEST)
            zero = torch.zeros_like(start)
            state = _Descent(
                index=torch.arange(count, device=clean.device),
                clean=clean,
                start=start,
                centre=pixels(start),
                wanted=wanted,
                const=const,
                delta=zero,
                first=zero,
                second=zero,
                checked=torch.full_like(const, torch.inf),
            )
            found = self._descend(model, pixels, state, best, nearest)
            lower, upper = torch.where(found, lower, const), torch.where(found, const, upper)
            const = torch.where(upper.isinf(), const * 10, (lower + upper) / 2)
        return best

    def _descend(self, model: Model, pixels: Query, state: _Descent, best: Tensor, nearest: Tensor) -> Tensor:
        """Return which images ``(N,)`` succeed with their constants; nearer ones go into ``best`` and ``nearest``."""
        found = torch.zeros_like(nearest, dtype=torch.bool)
        interval = math.ceil(self.steps / 10)
        for step in range(self.steps):
            delta = state.delta.detach().requires_grad_()
            moved = pixels(state.start + delta)
            lead = lead_of(model(moved), state.wanted)
            distance = (moved - state.centre).square().flatten(1).sum(1)
            loss = state.const * (self.confidence - lead).clamp(min=0) + distance
            (gradient,) = torch.autograd.grad(loss.sum(), delta)
            moved, lead, loss = moved.detach(), lead.detach(), loss.detach()
            _adam(state, gradient, self.stepsize, step + 1)
            if self.abort_early and step % interval == 0:
                rows = (loss <= PROGRESS * state.checked).nonzero().squeeze(1)
                state.checked = loss
                if not len(rows):
                    break
                state, moved, lead = state.keep(rows), moved[rows], lead[rows]
            success = self._succeeds(lead)
            found[state.index] |= success
            norm = (moved - state.clean).flatten(1).norm(dim=1)
            nearer = success & (norm < nearest[state.index])
            nearest[state.index] = torch.where(nearer, norm, nearest[state.index])
            best[state.index] = torch.where(_like(nearer, moved), moved, best[state.index])
        return found

    def _succeeds(self, lead: Tensor) -> Tensor:
        """Return where a lead ``(n,)`` is a success: strictly ahead, and by the confidence."""
        return (lead > 0) & (lead >= self.confidence)


def _adam(state: _Descent, gradient: Tensor, stepsize: float, step: int) -> None:
    """Move ``state.delta`` by one step of Adam; ``step`` counts from 1, the same for every image of a descent."""
    state.first = BETA_1 * state.first + (1 - BETA_1) * gradient
    state.second = BETA_2 * state.second + (1 - BETA_2) * gradient.square()
    size = (state.second / (1 - BETA_2**step)).sqrt() + TINY
    state.delta = state.delta - stepsize * (state.first / (1 - BETA_1**step)) / size


def _like(rows: Tensor, images: Tensor) -> Tensor:
    """Return ``(n,)`` in a shape that spreads over ``(n, ...)`` images."""
    return rows.view(-1, *[1] * (images.ndim - 1))
