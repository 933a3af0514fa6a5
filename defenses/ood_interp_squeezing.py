"""+OOD+interp with feature squeezing: rejects by the dustbin's lead and by how squeezing moves the output together."""

from __future__ import annotations

from defenses.feature_squeezing import FeatureSqueezing, SqueezingDetector
from defenses.joint_detector import JointDefense, JointDetector


class JointSqueezingDetector(JointDetector, SqueezingDetector):
    """Sums the dustbin's lead and the distance by which squeezing moves the softmax, over classes and dustbin."""


class OodInterpSqueezing(JointDefense):
    """The dustbin's lead and feature squeezing's distance, on the network of +OOD+interp."""

    title = "+OOD+interp, squeezing"
    source = "Abbasi et al. 2018, section VII, which leaves combinations open, with Xu, Evans & Qi 2018"
    departs = "of Xu et al. no non-local means on colour images, and no threshold of its own"
    classifier = JointSqueezingDetector
    detector = FeatureSqueezing
