"""+OOD+interp with a dustbin no larger than +OOD's: a control for what interpolation does beside making it larger."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Fitting
from defenses.ood_interp import OutDistributionInterpolated


class SizeMatched(OutDistributionInterpolated):
    """The dustbin of +OOD+interp, of which only as many images are kept, at random, as the +OOD dustbin has."""

    title = "+OOD+interp, size-matched"
    source = "a control of ours, for Abbasi et al. 2018, section V"

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return a random part of the out-distribution training images and interpolated pairs."""
        whole = super().dustbin(fitting)
        return whole[torch.randperm(len(whole), generator=fitting.generator)[: len(fitting.out_train)]]
