"""A detector on the network of +OOD+interp, beside the dustbin."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from defenses.base import Fitting, Network, network_of
from defenses.detector import Detector, calibrated
from defenses.equipped import EquippedDefense


class DetectorOnDustbin(EquippedDefense):
    """Puts a detector on the (K+1)-way network of +OOD+interp, which is not trained any further."""

    needs: ClassVar[tuple[str, ...]] = ("ood_interp",)
    classifier: ClassVar[type[Detector]]

    def fit(self, fitting: Fitting) -> Detector:
        """Fit the tensors beside the network, then choose the threshold."""
        network = network_of("ood_interp", fitting)
        return calibrated(self.classifier(network, fitting.classes, self.fitted(fitting, network)), fitting)

    @abstractmethod
    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the float32 tensors that the detector needs beside the network."""

    @classmethod
    def outputs(cls, classes: int) -> int:
        """Return one output more than there are classes."""
        return classes + 1
