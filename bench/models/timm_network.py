"""Any timm model as a network of ours."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor

from bench.errors import InvalidConfig
from defenses.base import Network


class TimmNetwork(Network):
    """A timm model without pre-trained weights; its features are those that timm calls ``pre_logits``."""

    body: Any

    def __init__(self, name: str, *, channels: int, side: int, outputs: int) -> None:
        super().__init__()
        try:
            self.body = timm.create_model(name, pretrained=False, num_classes=outputs, in_chans=channels)
            self._probe(torch.zeros(1, channels, side, side))
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InvalidConfig(
                f"timm's '{name}' refuses images of {channels}×{side}×{side} with {outputs} outputs: {reason}; "
                "choose another architecture"
            ) from error

    def _probe(self, x: Tensor) -> None:
        with torch.no_grad():
            self.eval()(x)
        self.train()

    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate activations, ``(N, D)``."""
        flat: Tensor = self.body.forward_head(self.body.forward_features(x), pre_logits=True)
        return flat.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        """Return the logits, ``(N, outputs)``, of those activations."""
        logits: Tensor = self.body.get_classifier()(features)
        return logits
