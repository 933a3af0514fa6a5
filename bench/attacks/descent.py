"""A descent of Carlini and Wagner's attack: where its images stand, and the steps that they take."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from bench.attacks.foolbox_import import L2CarliniWagnerAttack, Model
from bench.replay import Replayed

BETA_1, BETA_2, TINY = 0.9, 0.999, 1e-8
"""Adam's decay rates and the constant in its denominator, as in Foolbox."""

PATIENCE = 2
"""An image stops after so many tenths in a row without progress: large steps let the loss rise before it falls."""

INSIDE = 0.999999
"""Pixels are shrunk by this, as in Foolbox, so that black and white have a finite arctanh."""


@dataclass(frozen=True)
class Box:
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
class Results:
    """The nearest success of each image of a batch, its squared distance, and whether the last constant gave one.

    ``lost`` are images of which a gradient was NaN: what was found of them is no result.
    """

    best: Tensor
    nearest: Tensor
    found: Tensor
    lost: Tensor


@dataclass
class Descent:
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

    @property
    def going(self) -> Tensor:
        """Which rows, bool ``(n,)``, have not stopped."""
        return self.stuck < PATIENCE

    def keep(self, rows: Tensor) -> Descent:
        """Return the descent of these rows alone."""
        return Descent(*(tensor[rows] for tensor in self._tensors))

    def take_over(self, other: Descent) -> None:
        """Write another descent of as many rows over this one."""
        for own, tensor in zip(self._tensors, other._tensors, strict=True):
            own.copy_(tensor)

    @property
    def _tensors(self) -> list[Tensor]:
        return [getattr(self, field.name) for field in fields(self)]

    def leave(self, results: Results) -> None:
        """Write what was found into the results of the batch."""
        results.best[self.index] = self.best
        results.nearest[self.index] = self.nearest
        results.found[self.index] = self.found
        results.lost[self.index] |= self.at.isnan().flatten(1).any(dim=1)


class Steps:
    """Takes the steps of descents; on a GPU those of as many rows are one recorded step, on tensors of its own.

    Writes into the tensors of the descent it is given, in place.
    """

    def __init__(self, attack: L2CarliniWagnerAttack, model: Model, box: Box, clean: Tensor) -> None:
        self._model = model
        self._box = box
        self._confidence = attack.confidence
        self._watch = attack.abort_early
        self._places: dict[int, tuple[Descent, Replayed[Tensor]]] = {}
        done = [(1 - BETA_1**step, 1 - BETA_2**step) for step in range(1, attack.steps + 1)]
        paces = [(-attack.stepsize / first, second) for first, second in done]
        self._paces = torch.tensor(paces, dtype=clean.dtype).to(clean.device)

    def place(self, descent: Descent) -> Descent:
        """Return a descent on the tensors on which its steps are taken."""
        rows = len(descent.index)
        if not descent.index.is_cuda:
            self._places.clear()  # nothing is recorded that would be worth its memory
        if rows in self._places:
            self._places[rows][0].take_over(descent)
        else:
            self._places[rows] = (descent, Replayed(partial(self._step, descent)))
        return self._places[rows][0]

    def take(self, descent: Descent, step: int) -> None:
        """Take step number ``step``, from 0, of a placed descent."""
        self._places[len(descent.index)][1](self._paces[step])

    def _step(self, descent: Descent, pace: Tensor) -> Tensor:
        """Take one step and return the losses before it, ``(n,)``.

        ``pace`` ``(2,)`` is Adam's for it, the step size and the second moment's correction.
        """
        tanh = descent.at.tanh()
        images = self._box.leave(tanh)
        logits, given = _logits(self._model, images)
        ahead, winner = (logits.detach() + descent.barred).max(dim=1, keepdim=True)
        behind, rival = (logits.detach() + descent.others).max(dim=1, keepdim=True)
        lead = (ahead - behind).squeeze(1)
        away = images - descent.centre
        distance = away.square().flatten(1).sum(1)
        self._collect(descent, images, lead, distance)
        short = (self._confidence - lead).clamp_(min=0)
        weight = torch.where(short > 0, descent.const, 0.0).unsqueeze(1)
        pull = torch.zeros_like(ahead).expand_as(logits).scatter(1, rival, weight).scatter_add_(1, winner, -weight)
        (gradient,) = torch.autograd.grad(logits, given, pull)
        gradient.add_(away, alpha=2).mul_(self._box.slope(tanh))
        _adam(descent, gradient, pace)
        losses = descent.const * short + distance
        if self._watch:
            torch.minimum(descent.least, losses, out=descent.least)
        return losses

    def _collect(self, descent: Descent, images: Tensor, lead: Tensor, distance: Tensor) -> None:
        """Take the images that succeed, and those that are the nearest so far."""
        success = succeeds(lead, self._confidence) & descent.going
        descent.found |= success
        nearer = success & (distance < descent.nearest)
        torch.where(nearer, distance, descent.nearest, out=descent.nearest)
        torch.where(like(nearer, images), images, descent.best, out=descent.best)


def staying(going: Tensor) -> Tensor:
    """Return which rows stay in the batch, of those ``(n,)`` of which some have stopped: on a CPU, those that go on."""
    return halved(going) if going.is_cuda else going.nonzero().squeeze(1)


def halved(going: Tensor) -> Tensor:
    """Return the rows that go on and, after them, some that have stopped; none where none goes on.

    On a GPU the batch is halved, again and again, and only where all that go on have a place in the half: steps are
    recorded anew for every size, and a few rows more cost little there.
    """
    size, wanted = len(going), int(going.sum())
    while wanted and (size + 1) // 2 >= wanted and size > 1:
        size = (size + 1) // 2
    return going.logical_not().sort(stable=True)[1][: size if wanted else 0]


def succeeds(lead: Tensor, confidence: float) -> Tensor:
    """Return where a lead ``(n,)`` is a success: strictly ahead, and by the confidence."""
    return (lead > 0) & (lead >= confidence)


def _logits(model: Model, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return a model's logits of images, and the images as the leaf that the logits are a function of."""
    given = images.detach().requires_grad_()
    with torch.enable_grad():
        logits: Tensor = model(given)
    return logits, given


def _adam(descent: Descent, gradient: Tensor, pace: Tensor) -> None:
    """Move ``descent.at`` by one step of Adam; ``pace`` is as ``Steps._step`` has it."""
    descent.first.mul_(BETA_1).add_(gradient, alpha=1 - BETA_1)
    descent.second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
    size = descent.second.div(pace[1]).sqrt_().add_(TINY)
    descent.at.add_(descent.first.mul(pace[0]).div_(size))


def like(rows: Tensor, images: Tensor) -> Tensor:
    """Return ``(n,)`` in a shape that spreads over ``(n, ...)`` images."""
    return rows.view(-1, *[1] * (images.ndim - 1))
