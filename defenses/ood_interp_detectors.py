"""+OOD+interp with a detector on its activations: an image is rejected by the dustbin's lead and the score together."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from defenses.base import Fitting, Network, in_batches
from defenses.detector import FeatureDetector
from defenses.energy import Energy, EnergyDetector
from defenses.kernel_density import KernelDensity, KernelDensityDetector
from defenses.knn import KnnDetector, NearestNeighbours
from defenses.mahalanobis import Mahalanobis, MahalanobisDetector
from defenses.on_ood_interp import OnOodInterpDefense
from defenses.vim import VimDetector, VirtualLogit


class JointDetector(FeatureDetector):
    """Scores an image by two signs: the dustbin's lead over the best class, and a detector's score of the activations.

    Each is taken in standard deviations ``spread``, ``(2,)``, from its mean over clean validation images, ``centre``;
    their sum is the score.
    """

    centre: Tensor
    spread: Tensor

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first K logits ``(N, K)`` and the sums ``(N,)``."""
        class_logits, signs = self.signs(x)
        return class_logits, ((signs - self.centre) / self.spread).sum(dim=1)

    def signs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first K logits ``(N, K)`` and the two signs ``(N, 2)``; the detector sees no dustbin."""
        features = self.network.features(x)
        logits = self.network.head(features)
        class_logits = logits[:, :-1]
        lead = logits[:, -1] - class_logits.amax(dim=1)
        return class_logits, torch.stack([lead, self.score(features, class_logits)], dim=1)


class JointDefense(OnOodInterpDefense):
    """Fits a detector of another row beside the network of +OOD+interp, and the units of the two signs."""

    source = "Abbasi et al. 2018, section VII, which leaves combinations open"
    classifier: ClassVar[type[JointDetector]]

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the detector's tensors, and ``centre`` and ``spread``."""
        tensors = super().fitted(fitting, network)
        units = {"centre": torch.zeros(2), "spread": torch.ones(2)}
        detector = self.classifier(network, fitting.classes, tensors | units).to(fitting.device).eval()
        signs = in_batches(lambda x: detector.signs(x)[1], fitting.validation.images, fitting.device)
        return tensors | {"centre": signs.mean(dim=0), "spread": signs.std(dim=0)}


class JointEnergyDetector(JointDetector, EnergyDetector):
    """Sums the dustbin's lead and the energy."""


class JointMahalanobisDetector(JointDetector, MahalanobisDetector):
    """Sums the dustbin's lead and the Mahalanobis distance."""


class JointKnnDetector(JointDetector, KnnDetector):
    """Sums the dustbin's lead and the distance to the k-th neighbour."""


class JointVimDetector(JointDetector, VimDetector):
    """Sums the dustbin's lead and the virtual logit."""


class JointKernelDensityDetector(JointDetector, KernelDensityDetector):
    """Sums the dustbin's lead and the negative log density."""


class OodInterpEnergy(JointDefense, Energy):
    """The dustbin's lead and the energy of the class logits."""

    title = "+OOD+interp, energy"
    classifier = JointEnergyDetector


class OodInterpMahalanobis(JointDefense, Mahalanobis):
    """The dustbin's lead and the Mahalanobis distance to the classes."""

    title = "+OOD+interp, Mahalanobis"
    classifier = JointMahalanobisDetector


class OodInterpKnn(JointDefense, NearestNeighbours):
    """The dustbin's lead and the distance to the k-th neighbour among training images."""

    title = "+OOD+interp, k-NN"
    classifier = JointKnnDetector


class OodInterpVim(JointDefense, VirtualLogit):
    """The dustbin's lead and the virtual logit."""

    title = "+OOD+interp, ViM"
    classifier = JointVimDetector


class OodInterpKernelDensity(JointDefense, KernelDensity):
    """The dustbin's lead and the kernel density of the predicted class."""

    title = "+OOD+interp, kernel density"
    classifier = JointKernelDensityDetector
