"""What stands on +OOD+interp: its network, and a detector beside the dustbin."""

from __future__ import annotations

from typing import ClassVar

import torch

from defenses.base import Config, Fitting, Network, NetworkFactory
from defenses.detector import Detector, DetectorDefense, calibrated
from defenses.dustbin import DustbinClassifier


class OnOodInterpDefense(DetectorDefense):
    """Puts a detector on the (K+1)-way network of +OOD+interp, which is not trained any further."""

    needs: ClassVar[tuple[str, ...]] = ("ood_interp",)
    classifier: ClassVar[type[Detector]]

    def fit(self, fitting: Fitting) -> Detector:
        """Fit the tensors beside the network, then choose the threshold."""
        network = dustbin_network(fitting)
        return calibrated(self.classifier(network, fitting.classes, self.fitted(fitting, network)), fitting)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> Detector:
        """Return the detector on an untrained network, with empty tensors."""
        fitted = {name: torch.zeros(shape) for name, shape in config["fitted"].items()}
        return cls.classifier(make_network(config["classes"] + 1), config["classes"], fitted)


def dustbin_network(fitting: Fitting) -> Network:
    """Return the (K+1)-way network of +OOD+interp of the same seed, which the defense names in ``needs``.

    Raises ``TypeError`` where what is fitted as ``ood_interp`` has no dustbin.
    """
    found = fitting.fitted("ood_interp")
    if not isinstance(found, DustbinClassifier):
        raise TypeError(f"'ood_interp' is a {type(found).__name__}: what stands on it needs a network with a dustbin")
    return found.network
