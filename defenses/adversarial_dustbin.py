"""Adversarial dustbin: the dustbin holds adversarial images."""

from __future__ import annotations

from torch import Tensor

from defenses.adversarial_images import fast_gradient
from defenses.base import Fitting
from defenses.dustbin import DustbinDefense


class AdversarialDustbin(DustbinDefense):
    """An augmented CNN trained on the adversarial images of a first network, as many as there are training images."""

    title = "adversarial dustbin"
    source = "Grosse et al. 2017, On the (Statistical) Detection of Adversarial Examples: the paper's [12]"
    departs = "one attack at one budget, FGS at the paper's, in place of several"
    needs = ("naive",)

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return the fast-gradient images of the naive twin."""
        return fast_gradient(fitting)
