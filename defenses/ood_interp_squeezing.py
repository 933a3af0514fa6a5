"""+OOD+interp with feature squeezing: rejects by the dustbin's lead, or by how squeezing moves the output."""

from __future__ import annotations

from torch import Tensor

from defenses.dustbin import parted
from defenses.feature_squeezing import FeatureSqueezing, SqueezingDetector
from defenses.joint_detector import JointDefense, JointDetector


class JointSqueezingDetector(JointDetector, SqueezingDetector):
    """Scores by the dustbin's lead and the distance by which squeezing moves the softmax, over classes and dustbin."""

    def joined(self, signs: Tensor) -> Tensor:
        """Return the larger ``(N,)`` of the two signs ``(N, 2)``.

        Not their sum: what lies deep in the dustbin hardly moves when it is squeezed, which would speak for it.
        """
        return signs.amax(dim=1)

    def surrogate_forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return feature squeezing's stand-ins over classes and dustbin, the dustbin's lead added to the margin."""
        logits, margin = super().surrogate_forward(x)
        class_logits, lead = parted(logits)
        return class_logits, margin + lead


class OodInterpSqueezing(JointDefense):
    """The dustbin's lead and feature squeezing's distance, on the network of +OOD+interp."""

    title = "+OOD+interp, squeezing"
    source = "Abbasi et al. 2018, section VII, which leaves combinations open, with Xu, Evans & Qi 2018"
    departs = (
        "of Xu et al. a colour depth chosen by clean validation accuracy, no non-local means on colour images, and no "
        "threshold of its own"
    )
    classifier = JointSqueezingDetector
    detector = FeatureSqueezing
