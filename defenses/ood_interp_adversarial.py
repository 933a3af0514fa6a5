"""+OOD+interp, trained on adversarial images of its own."""

from __future__ import annotations

import torch

from defenses.adversarial_training import STEPS, partly_attacked
from defenses.base import Fitting
from defenses.dustbin import DustbinClassifier
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

    def fit(self, fitting: Fitting) -> DustbinClassifier:
        """Train on the training images and, as class K, the dustbin's; others are attacked in every epoch."""
        train, dustbin, k = fitting.train, self.dustbin(fitting), fitting.classes
        images = torch.cat([train.images, dustbin])
        targets = torch.cat([train.labels, torch.full((len(dustbin),), k)])
        return DustbinClassifier(fitting.train_network(images, targets, k + 1, partly_attacked), k)
