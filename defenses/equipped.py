"""A network equipped with tensors that were fitted beside it, and what makes such a classifier again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from defenses.base import Config, Defense, Network, NetworkFactory, RejectingClassifier


class EquippedClassifier(RejectingClassifier):
    """A network with the tensors ``fitted``, each an attribute of that name."""

    def __init__(self, network: Network, classes: int, fitted: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = network
        for name, tensor in fitted.items():
            self.register_buffer(name, tensor)
        self.config = {"classes": classes, "fitted": {name: list(tensor.shape) for name, tensor in fitted.items()}}


class EquippedDefense(Defense):
    """Makes a classifier of a network and of tensors beside it."""

    classifier: ClassVar[type[EquippedClassifier]]

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> EquippedClassifier:
        """Return the classifier that ``config`` describes, with empty tensors."""
        fitted = {name: torch.zeros(shape) for name, shape in config["fitted"].items()}
        return cls.classifier(make_network(cls.outputs(config["classes"])), config["classes"], fitted)

    @classmethod
    def outputs(cls, classes: int) -> int:
        """Return how many outputs the network has, for so many classes."""
        return classes
