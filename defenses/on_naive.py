"""What stands on the naive twin: its network, and tensors that are fitted beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from defenses.base import Config, Defense, Fitting, Network, NetworkFactory, RejectingClassifier
from defenses.naive import naive_network


class OnNaive(RejectingClassifier):
    """A K-way network with the tensors ``fitted``, each an attribute of that name."""

    def __init__(self, network: Network, classes: int, fitted: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = network
        for name, tensor in fitted.items():
            self.register_buffer(name, tensor)
        self.config = {"classes": classes, "fitted": {name: list(tensor.shape) for name, tensor in fitted.items()}}


class OnNaiveDefense(Defense):
    """Makes a classifier of the naive twin's network, which is not trained any further."""

    needs: ClassVar[tuple[str, ...]] = ("naive",)
    classifier: ClassVar[type[OnNaive]]

    def fit(self, fitting: Fitting) -> OnNaive:
        """Fit the tensors beside the network."""
        network = naive_network(fitting)
        return self.classifier(network, fitting.classes, self.fitted(fitting, network)).to(fitting.device).eval()

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the float32 tensors that the classifier needs beside the network; here none."""
        return {}

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> OnNaive:
        """Return the classifier that ``config`` describes, with empty tensors."""
        fitted = {name: torch.zeros(shape) for name, shape in config["fitted"].items()}
        return cls.classifier(make_network(config["classes"]), config["classes"], fitted)
