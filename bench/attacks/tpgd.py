"""Targeted projected gradient descent: small signed steps towards a class or the rejection (Madry et al. 2018)."""

from __future__ import annotations

from bench.attacks.base import Target, Targets
from bench.attacks.pgd import PGD


class TPGD(PGD):
    """Signed gradient steps up the lead of each target over the best other output, within ε of the image."""

    aims: Targets

    @property
    def targets(self) -> tuple[Target, ...]:
        """Return what is aimed at."""
        return self.aims
