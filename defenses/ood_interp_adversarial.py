"""+OOD+interp, trained on adversarial images of its own."""

from __future__ import annotations

from defenses.adversarial_training import STEPS, partly_attacked
from defenses.base import BatchHook
from defenses.ood_interp import OutDistributionInterpolated


class OodInterpAdversarial(OutDistributionInterpolated):
    """The paper's augmented CNN, with half of every batch attacked before it is trained on.

    Adversarial images keep the labels of the images that they are made of. Those of the dustbin are attacked too: were
    only images of classes ever perturbed in training, a perturbation would tell that an image is of a class.
    """

    title = "+OOD+interp, adversarial"
    source = "Abbasi et al. 2018, section VII, which leaves combinations open, with Madry et al. 2018"
    departs = f"of Madry et al. {STEPS} steps where the original takes 40 or 7, and half of each batch left clean"

    attacks_in_training = True

    def batch_hook(self) -> BatchHook:
        """Return what attacks others of the images in every epoch."""
        return partly_attacked
