"""A detector on the network of +OOD+interp, beside the dustbin."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from defenses.base import Fitting, Network
from defenses.detector import Detector, calibrated
from defenses.equipped import EquippedDefense
from defenses.on_ood_interp import dustbin_network


class DetectorOnDustbin(EquippedDefense):
    """Puts a detector on the (K+1)-way network of +OOD+interp, which is not trained any further."""

    needs: ClassVar[tuple[str, ...]] = ("ood_interp",)
    classifier: ClassVar[type[Detector]]

    def fit(self, fitting: Fitting) -> Detector:
        """Fit the tensors beside the network, then choose the threshold."""
        network = dustbin_network(fitting)
        return calibrated(self.classifier(network, fitting.classes, self.fitted(fitting, network)), fitting)

    @abstractmethod
    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the float32 tensors that the detector needs beside the network."""

    @classmethod
    def outputs(cls, classes: int) -> int:
        """Return one output more than there are classes."""
        return classes + 1


def parted(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the class logits ``(N, K)`` of logits ``(N, K + 1)`` and the dustbin's lead over the best ``(N,)``."""
    class_logits = logits[:, :-1]
    return class_logits, logits[:, -1] - class_logits.amax(dim=1)
