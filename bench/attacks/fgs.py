"""Fast gradient sign: one step of ε along the sign of the loss's gradient (Goodfellow et al. 2015)."""

from __future__ import annotations

from pydantic import Field

from bench.attacks.base import BACKWARD, AttackSpec
from bench.attacks.fast_gradient import FastGradient
from bench.attacks.foolbox_import import Attack


class FGS(AttackSpec):
    """One signed gradient step away from the true class (paper, section III)."""

    epsilon: float = Field(gt=0, le=1)  # L∞, pixel values of [0, 1]

    def build(self) -> Attack:
        """Return a ``FastGradient``, from the image itself."""
        return FastGradient(random_start=False)

    @property
    def epsilons(self) -> float:
        """Return ε."""
        return self.epsilon

    @property
    def work(self) -> float:
        """Return the cost of one forward and one backward pass."""
        return 1 + BACKWARD
