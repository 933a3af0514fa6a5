"""Carlini and Wagner's L2 attack (2017) as a Foolbox attack whose result for an image depends on that image alone."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import torch
from eagerpy.astensor import astensor, astensor_
from torch import Tensor

from bench.attacks.criteria import lead_of, winners
from bench.attacks.descent import Box, Descent, Results, Steps, like, staying, succeeds
from bench.attacks.foolbox_import import (
    L2CarliniWagnerAttack,
    Model,
    get_criterion,
    raise_if_kwargs,
    verify_input_bounds,
)
from bench.errors import InvalidConfig

T = TypeVar("T")

PROGRESS = 0.9999
"""A tenth of the steps is progress if its least loss is at most this share of the last tenth's. Foolbox's share."""

LARGEST = 1e10
"""The largest constant of the last search step where there are ten or more, as in Foolbox."""


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
            found = self._search(model, clean, wanted)
            # Batches of another size round otherwise: what no longer succeeds is a failure.
            holds = succeeds(lead_of(model(found.best), wanted), self.confidence)
            kept = torch.where(like(holds, clean), found.best, clean)
            kept = kept.masked_fill(like(found.lost, clean), torch.nan)
        return restore(astensor(kept))

    def _search(self, model: Model, clean: Tensor, wanted: Tensor) -> Results:
        """Return the nearest success for each image: a binary search for the least constant that gives one."""
        low, high = model.bounds
        box = Box((low + high) / 2, (high - low) / 2)
        start = box.enter(clean)
        even = torch.zeros(wanted.shape, dtype=clean.dtype, device=clean.device)
        const = clean.new_full((len(clean),), self.initial_const)
        lower, upper = torch.zeros_like(const), torch.full_like(const, torch.inf)
        steps = Steps(self, model, box, clean)
        none = torch.zeros_like(const, dtype=torch.bool)
        results = Results(clean.clone(), torch.full_like(const, torch.inf), none.clone(), none)
        for search in range(self.binary_search_steps):
            if search == self.binary_search_steps - 1 and self.binary_search_steps >= 10:  # noqa: PLR2004  # Foolbox's
                const = upper.clamp(max=LARGEST)
            descent = Descent(
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
            self._descend(descent, steps, results)
            lower, upper = torch.where(results.found, lower, const), torch.where(results.found, const, upper)
            const = torch.where(upper.isinf(), const * 10, (lower + upper) / 2)
        return results

    def _descend(self, descent: Descent, steps: Steps, results: Results) -> None:
        """Let images descend with their constants, and write what is found into the results."""
        interval = math.ceil(self.steps / 10)
        descent = steps.place(descent)
        for step in range(self.steps):
            steps.take(descent, step)
            if self.abort_early and step % interval == 0:
                # What has stopped may lie in the batch still, by its neighbours: it does not go on.
                progress = descent.going & (descent.least <= PROGRESS * descent.checked)
                descent.stuck.copy_(torch.where(progress, 0, descent.stuck + 1))
                rows = staying(descent.going)
                if len(rows) < len(descent.index):
                    descent.leave(results)
                    descent = steps.place(descent.keep(rows))
                if not len(rows):
                    return
                descent.checked.copy_(descent.least)
                descent.least.fill_(torch.inf)
        descent.leave(results)
