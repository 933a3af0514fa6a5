"""+OOD+interp with Mahalanobis: rejects by the dustbin's lead and the distance to the classes' Gaussians together."""

from __future__ import annotations

from defenses.joint_detector import JointDefense, JointDetector
from defenses.mahalanobis import Mahalanobis, MahalanobisDetector


class JointMahalanobisDetector(JointDetector, MahalanobisDetector):
    """Sums the dustbin's lead and the Mahalanobis distance."""


class OodInterpMahalanobis(JointDefense):
    """The dustbin's lead and the Mahalanobis distance to the nearest class."""

    title = "+OOD+interp, Mahalanobis"
    source = "Abbasi et al. 2018, section VII, which leaves combinations open, with Lee et al. 2018"
    departs = "of Lee et al. the penultimate layer alone and no input step"
    classifier = JointMahalanobisDetector
    detector = Mahalanobis
