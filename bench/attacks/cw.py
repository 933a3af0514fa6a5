"""The parameters of Carlini and Wagner's L2 attack (2017)."""

from __future__ import annotations

from pydantic import Field

from bench.attacks.base import BACKWARD, AttackSpec, Target, Targets
from bench.attacks.carlini_wagner import PerImageCarliniWagner
from bench.attacks.foolbox_import import Attack

SPENT = 0.6
"""The share of the steps that images take before they stop early. An estimate, for planning only."""


class CW(AttackSpec):
    """The least L2 perturbation at which each target leads by a gap of logits (paper, section III, eq. 4)."""

    binary_search_steps: int = Field(gt=0)  # over the constant that weighs the gap against the distance
    steps: int = Field(gt=0)  # of Adam, for each constant
    stepsize: float = Field(gt=0)  # Adam's, in the space of arctanh of the pixels
    confidence: float = Field(ge=0)  # the paper's κ: logits
    initial_const: float = Field(gt=0)  # squared L2 distance per logit
    abort_early: bool  # whether an image stops once two tenths of the steps brought no progress
    aims: Targets

    def build(self) -> Attack:
        """Return a ``PerImageCarliniWagner``."""
        return PerImageCarliniWagner(
            binary_search_steps=self.binary_search_steps,
            steps=self.steps,
            stepsize=self.stepsize,
            confidence=self.confidence,
            initial_const=self.initial_const,
            abort_early=self.abort_early,
        )

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return the classes that are aimed at."""
        return self.aims

    @property
    def kappa(self) -> float:
        """Return κ."""
        return self.confidence

    @property
    def work(self) -> float:
        """Return an estimate: one forward and one backward pass a step, for the share of the steps that is taken."""
        share = SPENT if self.abort_early else 1.0
        return share * self.binary_search_steps * self.steps * (1 + BACKWARD)
