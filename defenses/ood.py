"""+OOD: the dustbin holds natural out-distribution images."""

from __future__ import annotations

from torch import Tensor

from defenses.base import Fitting
from defenses.dustbin import DustbinDefense


class OutDistribution(DustbinDefense):
    """The paper's augmented CNN trained on natural out-distribution images."""

    title = "+OOD"
    source = "Abbasi et al. 2018, section V"

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return the track's out-distribution training images."""
        return fitting.out_train
