"""Rates, denominators and attack figures as pure functions of labels and predictions: no I/O, no networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bench.records import OUT
from defenses.base import REJECT

DENOMINATORS = ("all", "fooled", "victim_correct")
"""The sets of images that rates are shares of, in the order in which tables show them."""


@dataclass(frozen=True)
class Rates:
    """How ``n`` images were decided, as shares in 0 .. 1 that sum to 1; NaN where ``n`` is 0."""

    n: int
    acc: float
    """Share given the right class."""
    rej: float
    """Share rejected."""
    err: float
    """Share neither right nor rejected."""


@dataclass(frozen=True)
class Quality:
    """What an attack did to ``n`` images, whoever classifies them: shares in 0 .. 1, distances to the clean image.

    NaN where ``n`` is 0.
    """

    source_err: float
    """Share that the attacked network itself misclassifies."""
    hit_target: float
    """Share that the attacked network gives the attack's target class, or rejects where that is the target."""
    reached_kappa: float
    """Share that the attacked network misclassifies with at least the margin the attack asks for."""
    median_l2: float
    """Median Euclidean distance, in units of the pixel range [0, 1]."""
    median_linf: float
    """Median of the largest change of any pixel, 0 .. 1."""


def rates(label: Tensor, prediction: Tensor) -> Rates:
    """Return the rates of predictions ``(n,)``, ``REJECT`` for a rejection, against labels ``(n,)``.

    A rejected image counts as rejected alone, whatever its label. An image labelled ``OUT`` can only be rejected or
    wrong. Raises ``ValueError`` where the shapes differ or a label is neither a class nor ``OUT``.
    """
    if label.ndim != 1 or label.shape != prediction.shape:
        raise ValueError(f"label {tuple(label.shape)} and prediction {tuple(prediction.shape)} are not both (n,)")
    if bool(((label < 0) & (label != OUT)).any()):
        raise ValueError(f"a label is a class (0 or more) or OUT ({OUT}); found {int(label[label != OUT].min())}")
    n = len(label)
    if n == 0:
        return Rates(0, math.nan, math.nan, math.nan)
    rejections = int(rejected(prediction).sum())
    errors = int(wrong(label, prediction).sum())
    return Rates(n, (n - rejections - errors) / n, rejections / n, errors / n)


def rejected(prediction: Tensor) -> Tensor:
    """Return which predictions ``(n,)`` are rejections, bool ``(n,)``."""
    return prediction == REJECT


def wrong(label: Tensor, prediction: Tensor) -> Tensor:
    """Return which predictions ``(n,)`` are errors, bool ``(n,)``: neither rejections nor the label's class."""
    return ~rejected(prediction) & ((prediction != label) | (label == OUT))


def met_by_source(attacks: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return of which source images each attack met its aim, bool ``(m, attacks)``, of the m that all were handed.

    An attack is the source image's number ``(n,)`` of each of its images, and which of these met the aim, bool
    ``(n,)``; of several images of one source, with targets of their own, one suffices. Raises ``ValueError``
    without attacks.
    """
    if not attacks:
        raise ValueError("no attack: nothing was handed any image")
    shared = attacks[0][0].unique()
    for index, _ in attacks[1:]:
        shared = shared[torch.isin(shared, index)]
    return torch.stack([torch.isin(shared, index[met]) for index, met in attacks], dim=1)


def masks(tensors: Mapping[str, Tensor], kind: Literal["clean", "out", "attack"]) -> dict[str, Tensor]:
    """Return the denominators of a record of that kind as masks, bool ``(n,)``, over its per-image tensors.

    ``all`` is every image handed over; ``fooled`` those that, as stored, the attacked network misclassifies;
    ``victim_correct`` those whose clean image the defense gets right. Where nothing was attacked, only ``all``.
    """
    found = {"all": torch.ones_like(tensors["label"], dtype=torch.bool)}
    if kind == "attack":
        found["fooled"] = tensors["fooled"].bool()
        found["victim_correct"] = tensors["victim_correct"].bool()
    return found


def quality(tensors: Mapping[str, Tensor], mask: Tensor) -> Quality:
    """Return an attack's figures over the images of a record that ``mask``, bool ``(n,)``, picks."""
    return Quality(
        source_err=share(tensors["fooled"][mask]),
        hit_target=share(tensors["hit_target"][mask]),
        reached_kappa=share(tensors["reached_kappa"][mask]),
        median_l2=median(tensors["l2"][mask]),
        median_linf=median(tensors["linf"][mask]),
    )


def share(flags: Tensor) -> float:
    """Return the share of ``flags`` ``(n,)`` that are set, 0 .. 1; NaN where there are none."""
    return int(flags.bool().sum()) / len(flags) if len(flags) else math.nan


def median(values: Tensor) -> float:
    """Return the median of ``values`` ``(n,)``, the mean of the middle two where ``n`` is even; NaN where empty."""
    if not len(values):
        return math.nan
    ordered = values.double().sort().values
    return float((ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2)
