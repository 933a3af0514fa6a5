"""What stands on the naive twin: its network, and tensors that are fitted beside it."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from defenses.base import Fitting, Network, network_of
from defenses.equipped import EquippedClassifier, EquippedDefense


class OnNaiveDefense(EquippedDefense):
    """Makes a classifier of the naive twin's network, which is not trained any further."""

    needs: ClassVar[tuple[str, ...]] = ("naive",)

    def fit(self, fitting: Fitting) -> EquippedClassifier:
        """Fit the tensors beside the network."""
        network = network_of("naive", fitting)
        return self.classifier(network, fitting.classes, self.fitted(fitting, network)).to(fitting.device).eval()

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the float32 tensors that the classifier needs beside the network; here none."""
        return {}
