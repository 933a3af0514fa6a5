"""Targeted fast gradient sign: one step of ε towards a class (Kurakin et al. 2017)."""

from __future__ import annotations

from pydantic import Field

from bench.attacks.base import BACKWARD, AttackSpec, Target, Targets
from bench.attacks.fast_gradient import BasicIterative
from bench.attacks.foolbox_import import Attack


class TFGS(AttackSpec):
    """One signed gradient step towards each target (paper, section III)."""

    epsilon: float = Field(gt=0, le=1)  # L∞, pixel values of [0, 1]
    aims: Targets

    def build(self) -> Attack:
        """Return a one-step ``BasicIterative``: Foolbox's ``LinfFastGradientAttack`` refuses targets."""
        return BasicIterative(rel_stepsize=1.0, steps=1, random_start=False)

    @property
    def epsilons(self) -> float:
        """Return ε."""
        return self.epsilon

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return the classes that are aimed at."""
        return self.aims

    @property
    def work(self) -> float:
        """Return the cost of one forward and one backward pass."""
        return 1 + BACKWARD
