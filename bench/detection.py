"""How well reject scores tell images apart: pure functions of scores, the larger the more out of place."""

from __future__ import annotations

import math

import torch
from scipy import stats
from torch import Tensor

from defenses.base import REJECT, threshold_at

REJECTED = 0.05
"""The share of the known images that may be rejected where false acceptances are counted."""


def decided_at(threshold: float, class_prediction: Tensor, score: Tensor) -> Tensor:
    """Return the predictions ``(n,)``, ``REJECT`` where a score ``(n,)`` exceeds the threshold, else the class."""
    return class_prediction.masked_fill(score > threshold, REJECT)


def decided_at_share(share: float, known: Tensor, class_prediction: Tensor, score: Tensor) -> Tensor:
    """Return the predictions ``(n,)`` at the threshold that rejects that share of known images, by scores ``(m,)``."""
    return decided_at(threshold_at(known, share), class_prediction, score)


def auroc(known: Tensor, foreign: Tensor) -> float:
    """Return the area under the ROC curve, 0 .. 1: how often a foreign image ``(m,)`` outscores a known one ``(n,)``.

    Equal scores count half. NaN where either is empty.
    """
    if not len(known) or not len(foreign):
        return math.nan
    ranks = stats.rankdata(torch.cat([foreign, known]).numpy())
    beaten = ranks[: len(foreign)].sum() - len(foreign) * (len(foreign) + 1) / 2
    return float(beaten / (len(foreign) * len(known)))


def false_acceptances(known: Tensor, foreign: Tensor) -> float:
    """Return the share of foreign images ``(m,)`` accepted where a share ``REJECTED`` of the known ``(n,)`` is not.

    Where equal scores leave no threshold for that very share, fewer of them are rejected. NaN where either is empty.
    """
    if not len(known) or not len(foreign):
        return math.nan
    return float((foreign <= threshold_at(known, REJECTED)).double().mean())


def risk_coverage(wrong: Tensor, score: Tensor) -> Tensor:
    """Return the share of wrong classes, ``wrong`` bool ``(n,)``, among the k images of least score, k = 1 .. n.

    Of images with equal scores each place has their mean: no order among them is better than another.
    """
    order = score.argsort(stable=True)
    _, group = score[order].unique_consecutive(return_inverse=True)
    errors = wrong[order].double()
    of_group = torch.zeros(int(group.max()) + 1 if len(group) else 0, dtype=torch.float64)
    shared = of_group.index_add(0, group, errors) / group.bincount().clamp(min=1)
    summed: Tensor = shared[group].cumsum(0)
    return summed / torch.arange(1, len(errors) + 1)


def area_under_risk(wrong: Tensor, score: Tensor) -> float:
    """Return the mean of ``risk_coverage`` over all coverages, 0 .. 1; NaN where there is no image."""
    return float(risk_coverage(wrong, score).mean()) if len(wrong) else math.nan
