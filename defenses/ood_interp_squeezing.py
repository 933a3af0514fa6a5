"""+OOD+interp with feature squeezing: an image is rejected by the dustbin, or where squeezing it moves the output."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Fitting, Network
from defenses.detector_on_dustbin import DetectorOnDustbin, parted
from defenses.feature_squeezing import SqueezingDetector


class DustbinSqueezingDetector(SqueezingDetector):
    """A (K+1)-way network that rejects by class K, or by how far its softmax moves once the image is squeezed."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first K logits ``(N, K)`` and the larger of the two margins ``(N,)``.

        The dustbin's is its lead over the best class, in logits; squeezing's is the L1 distance less the threshold.
        """
        logits, moved = self.judged(x)
        class_logits, lead = parted(logits)
        return class_logits, torch.maximum(lead, moved - self.threshold)


class OodInterpSqueezing(DetectorOnDustbin):
    """Feature squeezing on the network of +OOD+interp; alone it would reject its share of clean validation images."""

    title = "+OOD+interp, squeezing"
    source = "Abbasi et al. 2018, section VII, which leaves combinations open, with Xu, Evans & Qi 2018"
    classifier = DustbinSqueezingDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return nothing: squeezing needs no tensors."""
        return {}
