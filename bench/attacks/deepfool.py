"""DeepFool in L2: steps to the nearest linearised decision boundary (Moosavi-Dezfooli et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass, fields
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
from bench.attacks.pieces import in_pieces
from bench.errors import InvalidConfig
from bench.memory import is_lack_of_memory

T = TypeVar("T")

STABILITY = 1e-4
"""Added to each distance, as in Foolbox: a step that ends on the boundary crosses it."""

TINY = 1e-8
"""Added to a gradient's norm, as in Foolbox, so that a flat network divides by no zero."""

WORTHWHILE = 0.9
"""Images that are finished leave the batch where at most this share is left: the others cost one more forward pass,
which the backward passes of a tenth of the batch outweigh."""

GPU_INTERVAL = 4
"""Steps from one look at what is finished to the next where looking waits for a GPU."""

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


@dataclass
class _Walk:
    """Images on their way to a boundary, one a row; those that have crossed one stay until ``keep`` drops them."""

    index: Tensor  # (n,) place among the images
    clean: Tensor  # (n, C, H, W)
    at: Tensor  # where they stand
    total: Tensor  # the sum of their steps
    labels: Tensor  # (n,)
    others: Tensor  # (n, candidates)

    def keep(self, rows: Tensor) -> _Walk:
        """Return the walk of these rows alone."""
        return _Walk(*(getattr(self, field.name)[rows] for field in fields(self)))


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

        def attack(images: Tensor, of_images: Any) -> Tensor:
            with torch.enable_grad():
                return self._perturb(model, images, of_images.labels.raw, reject)

        return restore(astensor(in_pieces(clean.raw, criterion, attack)))

    def _perturb(self, model: Model, clean: Tensor, labels: Tensor, reject: int | None) -> Tensor:
        """Return the perturbed images of ``clean`` ``(N, C, H, W)``."""
        with torch.no_grad():
            others = _candidates(model(clean), labels, reject)
        result, index = clean.clone(), torch.arange(len(clean), device=clean.device)
        walk = _Walk(index, clean, clean, torch.zeros_like(clean), labels, others)
        interval = 1 if clean.device.type == "cpu" else GPU_INTERVAL
        for step in range(self.steps):
            x, logits = _forward(model, walk)
            going = _unfinished(logits, walk.labels, reject)
            if step % interval == 0:
                rows = going.nonzero().squeeze(1)  # waits for a GPU, as nothing else here does
                if not len(rows):
                    break
                if len(rows) < WORTHWHILE * len(going):
                    result[walk.index] = walk.at
                    walk, going = walk.keep(rows), going[rows]
                    x, logits = _forward(model, walk)
            step_over = _step(_ahead(logits, walk.labels, walk.others, reject), x)
            going = going.view(-1, *[1] * (clean.ndim - 1))
            walk.total = torch.where(going, walk.total + step_over, walk.total)
            moved = (walk.clean + (1.0 + self.overshoot) * walk.total).clamp(*model.bounds)
            walk.at = torch.where(going, moved, walk.at)
        result[walk.index] = walk.at
        return result


def _forward(model: Model, walk: _Walk) -> tuple[Tensor, Tensor]:
    """Return where the images stand and the logits there, as a function of it."""
    x = walk.at.detach().requires_grad_()
    return x, model(x)


def _step(ahead: Tensor, x: Tensor) -> Tensor:
    """Return the step of each image over its nearest linearised boundary.

    ``ahead`` ``(n, candidates)`` is how far each candidate's logit is above the reference, as a function of ``x``.
    """
    gradients = _gradients(ahead, x)
    norms = gradients.flatten(2).norm(dim=2) + TINY
    distances = ahead.detach().abs() / norms
    nearest = distances.argmin(dim=1, keepdim=True)
    norm = norms.gather(1, nearest)
    length = (distances.gather(1, nearest) + STABILITY) / norm
    place = nearest.view(-1, *[1] * x.ndim).expand(-1, 1, *x.shape[1:])
    step: Tensor = length.view(-1, *[1] * (x.ndim - 1)) * gradients.gather(1, place).squeeze(1)
    return step


def _gradients(ahead: Tensor, x: Tensor) -> Tensor:
    """Return the gradient of each candidate, ``(n, candidates, C, H, W)``.

    One batched backward pass where launches and waits cost most, on a GPU; a pass a candidate on a CPU, where it is as
    much work and the smaller tensors stay in the caches.
    """
    return _one_by_one(ahead, x) if x.device.type == "cpu" else _batched(ahead, x)


def _one_by_one(ahead: Tensor, x: Tensor) -> Tensor:
    """Return the gradients of ``_gradients`` by a backward pass a candidate."""
    candidates = ahead.shape[1]
    passes = [
        torch.autograd.grad(column.sum(), x, retain_graph=k < candidates - 1)[0]
        for k, column in enumerate(ahead.unbind(1))
    ]
    return torch.stack(passes, dim=1)


def _batched(ahead: Tensor, x: Tensor) -> Tensor:
    """Return the gradients of ``_gradients`` by one backward pass that has a batch of its own for every candidate.

    A network with an operation that cannot be batched so, such as a checkpointed one, gets a pass a candidate.
    """
    seeds = torch.eye(ahead.shape[1], dtype=ahead.dtype, device=x.device).unsqueeze(1).expand(-1, len(x), -1)

    def backward(seed: Tensor) -> Tensor:
        return torch.autograd.grad(ahead, x, seed, retain_graph=True)[0]

    try:
        return torch.vmap(backward, out_dims=1)(seeds)  # autograd's own batching loops over the layers
    except RuntimeError as error:
        if is_lack_of_memory(error):
            raise
        return _one_by_one(ahead, x)


def _candidates(logits: Tensor, labels: Tensor, reject: int | None) -> Tensor:
    """Return the classes to aim at, ``(N, candidates)``, likeliest first: all but the true one and the dustbin."""
    ranked = logits.scatter(1, labels.unsqueeze(1), torch.inf)
    if reject is not None:
        ranked[:, reject] = -torch.inf
    return ranked.argsort(dim=1, descending=True)[:, 1 : None if reject is None else -1]


def _unfinished(logits: Tensor, labels: Tensor, reject: int | None) -> Tensor:
    """Return which rows, bool ``(n,)``, are not yet wrong and accepted."""
    predicted = logits.argmax(dim=1)
    unfinished = predicted == labels
    return unfinished if reject is None else unfinished | (predicted == reject)


def _ahead(logits: Tensor, labels: Tensor, others: Tensor, reject: int | None) -> Tensor:
    """Return how far each candidate is above what it must beat: the true class, or the dustbin if that is larger."""
    reference = logits.gather(1, labels.unsqueeze(1))
    if reject is not None:
        reference = torch.maximum(reference, logits[:, reject : reject + 1])
    return logits.gather(1, others) - reference
