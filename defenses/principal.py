"""The principal directions of many vectors, and what whitens them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def principal(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean, the variances and the principal directions of vectors handed over in batches ``(N, D)``.

    The mean is ``(D,)``; the variances are ``(D,)``, largest first; the directions are ``(D, D)``, a column of length 1
    each. All are float64, on the CPU.
    """
    count, total, squares = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for batch in batches:
        rows = batch.double()
        count, total, squares = count + len(rows), total + rows.sum(dim=0), squares + rows.T @ rows
    mean = total / count
    variances, directions = torch.linalg.eigh(squares / count - mean.outer(mean))
    return mean, variances.flip(0), directions.flip(1)


def whitening(variances: Tensor, directions: Tensor) -> Tensor:
    """Return the directions over their standard deviations, float32 ``(D, R)``.

    Directions with less than D · 1.2e-7 of the largest variance are left out, as in a pseudo-inverse in
    float32.
    """
    kept = variances > variances[0] * torch.finfo(torch.float32).eps * len(variances)
    return (directions[:, kept] * variances[kept].rsqrt()).float()
