"""Adversarial images that defenses are trained on: their budget, and fast-gradient images of the naive twin."""

from __future__ import annotations

from torch import Tensor

from defenses.base import Fitting

EPSILON = {1: 0.2, 3: 0.03}  # L∞, pixel values in [0, 1], by the number of channels: the paper's, section VI


def fast_gradient(fitting: Fitting) -> Tensor:
    """Return an adversarial image for each training image, ``(N, C, H, W)`` on the CPU.

    One step of ``EPSILON`` against the naive twin, which the defense names in ``needs``; some fail to fool it.
    """
    epsilon = EPSILON[fitting.train.images.shape[1]]
    return fitting.craft(fitting.fitted("naive"), fitting.train, "fgs", epsilon=epsilon)
