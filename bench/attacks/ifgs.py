"""Iterative fast gradient sign: small signed steps, kept within ε (Kurakin et al. 2017)."""

from __future__ import annotations

from pydantic import Field

from bench.attacks.base import BACKWARD, AttackSpec
from bench.attacks.fast_gradient import BasicIterative
from bench.attacks.foolbox_import import Attack


class IFGS(AttackSpec):
    """Signed gradient steps away from the true class, within ε of the image (paper, section III)."""

    epsilon: float = Field(gt=0, le=1)  # L∞, pixel values of [0, 1]: the paper's α
    stepsize: float = Field(gt=0, le=1)  # L∞ a step, pixel values of [0, 1]: the paper's ε
    steps: int = Field(gt=0)

    def build(self) -> Attack:
        """Return a ``BasicIterative``, from the image itself."""
        return BasicIterative(abs_stepsize=self.stepsize, steps=self.steps, random_start=False)

    @property
    def epsilons(self) -> float:
        """Return ε."""
        return self.epsilon

    @property
    def work(self) -> float:
        """Return the cost of one forward and one backward pass a step."""
        return self.steps * (1 + BACKWARD)
