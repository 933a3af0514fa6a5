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
"""A tenth of the steps is progress if its least loss is at most this share of the last tenth's. Foolbox's share."""

PATIENCE = 2
"""An image stops after so many tenths in a row without progress: large steps let the loss rise before it falls."""

LARGEST = 1e10
"""The largest constant of the last search step where there are ten or more, as in Foolbox."""

INSIDE = 0.999999
"""Pixels are shrunk by this, as in Foolbox, so that black and white have a finite arctanh."""


@dataclass(frozen=True)
class _Box:
    """The bounds of pixels, and the space of arctanh in which every point lies within them."""

    middle: float
    half: float

    def enter(self, images: Tensor) -> Tensor:
        """Return images in the space of arctanh."""
        return ((images - self.middle) / self.half * INSIDE).arctanh()

    def leave(self, tanh: Tensor) -> Tensor:
        """Return the images of points whose tanh this is."""
        return tanh * self.half + self.middle

    def slope(self, tanh: Tensor) -> Tensor:
        """Return the derivative of the images by the points whose tanh this is."""
        return tanh.square().mul_(-self.half).add_(self.half)


@dataclass(frozen=True)
class _Results:
    """The nearest success of each image of a batch, its squared distance, and whether the last constant gave one."""

    best: Tensor
    nearest: Tensor
    found: Tensor


@dataclass
class _Descent:
    """Images in the middle of a descent, one a row."""

    index: Tensor  # (n,) place in the batch
    centre: Tensor  # (n, C, H, W) the clean images, by way of the space of arctanh: what distances are measured from
    at: Tensor  # (n, C, H, W) where they stand, in the space of arctanh
    first: Tensor  # Adam's two moments
    second: Tensor
    barred: Tensor  # (n, outputs) minus infinity for the classes that must not win, 0 for those of which one must
    others: Tensor  # the other way round
    const: Tensor  # (n,)
    checked: Tensor  # (n,) the least loss up to the last check
    least: Tensor  # (n,) the least loss since
    stuck: Tensor  # (n,) int64, how many checks in a row have seen no progress
    found: Tensor  # (n,) bool, whether the constant has given a success
    best: Tensor  # (n, C, H, W) the nearest success of all constants
    nearest: Tensor  # (n,) its squared distance

    def keep(self, rows: Tensor) -> _Descent:
        """Return the descent of these rows alone."""
        return _Descent(*(getattr(self, field.name)[rows] for field in fields(self)))

    def leave(self, results: _Results) -> None:
        """Write what was found into the results of the batch."""
        results.best[self.index] = self.best
        results.nearest[self.index] = self.nearest
        results.found[self.index] = self.found


class PerImageCarliniWagner(L2CarliniWagnerAttack):
    """Foolbox's ``L2CarliniWagnerAttack`` with the same parameters and five differences.

    Each image stops early by its own loss, not by the batch's sum, and leaves the batch when it stops. The loss swings:
    compared is the least of each tenth of the steps, not the last, and two tenths must pass in vain. What succeeds at
    its last step counts. An image for which no perturbation reaches the confidence comes back as it was, not black.
    Against ``WrongAndAccepted`` another class must beat the true one and the dustbin, both by the confidence. The
    search stays on the device: between the checks for an early stop, ten in a descent, nothing waits for it. The loss's
    gradient is written out, so that autograd runs through the network alone.
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
                raise InvalidConfig(
                    f"C&W got classes for {len(wanted)} images, but {len(clean)} images: give it one each"
                )
            best = self._search(model, clean, wanted)
            # Batches of another size round otherwise: what no longer succeeds is a failure.
            holds = self._succeeds(lead_of(model(best), wanted))
            kept = torch.where(_like(holds, clean), best, clean)
        return restore(astensor(kept))

    def _search(self, model: Model, clean: Tensor, wanted: Tensor) -> Tensor:
        """Return the nearest success for each image: a binary search for the least constant that gives one."""
        low, high = model.bounds
        box = _Box((low + high) / 2, (high - low) / 2)
        start = box.enter(clean)
        even = torch.zeros(wanted.shape, dtype=clean.dtype, device=clean.device)
        const = clean.new_full((len(clean),), self.initial_const)
        lower, upper = torch.zeros_like(const), torch.full_like(const, torch.inf)
        results = _Results(clean.clone(), torch.full_like(const, torch.inf), torch.zeros_like(const, dtype=torch.bool))
        for search in range(self.binary_search_steps):
            if search == self.binary_search_steps - 1 and self.binary_search_steps >= 10:  # noqa: PLR2004  # Foolbox's
                const = upper.clamp(max=LARGEST)
            descent = _Descent(
                index=torch.arange(len(clean), device=clean.device),
                centre=box.leave(start.tanh()),
                at=start.clone(),
                first=torch.zeros_like(start),
                second=torch.zeros_like(start),
                barred=even.masked_fill(~wanted, -torch.inf),
                others=even.masked_fill(wanted, -torch.inf),
                const=const,
                checked=torch.full_like(const, torch.inf),
                least=torch.full_like(const, torch.inf),
                stuck=torch.zeros_like(const, dtype=torch.int64),
                found=torch.zeros_like(results.found),
                best=results.best.clone(),
                nearest=results.nearest.clone(),
            )
            self._descend(model, box, descent, results)
            lower, upper = torch.where(results.found, lower, const), torch.where(results.found, const, upper)
            const = torch.where(upper.isinf(), const * 10, (lower + upper) / 2)
        return results.best

    def _descend(self, model: Model, box: _Box, descent: _Descent, results: _Results) -> None:
        """Let images descend with their constants, and write what is found into the results."""
        interval = math.ceil(self.steps / 10)
        for step in range(self.steps):
            tanh = descent.at.tanh()
            images = box.leave(tanh)
            logits, given = _logits(model, images)
            ahead, winner = (logits.detach() + descent.barred).max(dim=1, keepdim=True)
            behind, rival = (logits.detach() + descent.others).max(dim=1, keepdim=True)
            lead = (ahead - behind).squeeze(1)
            away = images - descent.centre
            distance = away.square().flatten(1).sum(1)
            self._take(descent, images, lead, distance)
            short = (self.confidence - lead).clamp_(min=0)
            weight = torch.where(short > 0, descent.const, 0.0).unsqueeze(1)
            pull = torch.zeros_like(ahead).expand_as(logits).scatter(1, rival, weight).scatter_add_(1, winner, -weight)
            (gradient,) = torch.autograd.grad(logits, given, pull)
            gradient.add_(away, alpha=2).mul_(box.slope(tanh))
            _adam(descent, gradient, self.stepsize, step + 1)
            if self.abort_early:
                descent.least = torch.minimum(descent.least, descent.const * short + distance)
                if step % interval == 0:
                    descent.stuck = torch.where(descent.least <= PROGRESS * descent.checked, 0, descent.stuck + 1)
                    rows = (descent.stuck < PATIENCE).nonzero().squeeze(1)
                    if len(rows) < len(descent.index):
                        descent.leave(results)
                        descent = descent.keep(rows)
                    if not len(rows):
                        return
                    descent.checked, descent.least = descent.least, torch.full_like(descent.least, torch.inf)
        descent.leave(results)

    def _take(self, descent: _Descent, images: Tensor, lead: Tensor, distance: Tensor) -> None:
        """Take the images that succeed, and those that are the nearest so far."""
        success = self._succeeds(lead)
        descent.found |= success
        nearer = success & (distance < descent.nearest)
        descent.nearest = torch.where(nearer, distance, descent.nearest)
        descent.best = torch.where(_like(nearer, images), images, descent.best)

    def _succeeds(self, lead: Tensor) -> Tensor:
        """Return where a lead ``(n,)`` is a success: strictly ahead, and by the confidence."""
        return (lead > 0) & (lead >= self.confidence)


def _logits(model: Model, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return a model's logits of images, and the images as the leaf that the logits are a function of."""
    given = images.detach().requires_grad_()
    with torch.enable_grad():
        logits: Tensor = model(given)
    return logits, given


def _adam(descent: _Descent, gradient: Tensor, stepsize: float, step: int) -> None:
    """Move ``descent.at`` by one step of Adam; ``step`` counts from 1, the same for every image of a descent."""
    descent.first.mul_(BETA_1).add_(gradient, alpha=1 - BETA_1)
    descent.second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
    size = descent.second.div(1 - BETA_2**step).sqrt_().add_(TINY)
    descent.at.addcdiv_(descent.first, size, value=-stepsize / (1 - BETA_1**step))


def _like(rows: Tensor, images: Tensor) -> Tensor:
    """Return ``(n,)`` in a shape that spreads over ``(n, ...)`` images."""
    return rows.view(-1, *[1] * (images.ndim - 1))
