"""ViM: what of an image's activations lies outside the training images' main directions, as one more logit."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Fitting, Network, in_batches
from defenses.detector import DetectorDefense, FeatureDetector

LARGE = ((2048, 1000), (768, 512))  # activations at least, and main directions for so many; half of fewer


class VimDetector(FeatureDetector):
    """Scores an image by the virtual logit of its residual, less the energy of its logits."""

    origin: Tensor
    residual: Tensor
    scale: Tensor

    def score(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores ``(N,)``."""
        length: Tensor = ((features - self.origin) @ self.residual).norm(dim=1)
        return self.scale * length - logits.logsumexp(dim=1)


class VirtualLogit(DetectorDefense):
    """Virtual-logit matching on the naive twin."""

    title = "ViM"
    source = "Wang et al. 2022, ViM: Out-Of-Distribution with Virtual-logit Matching, section 4"
    departs = (
        f"half of the directions are main ones where there are fewer than {LARGE[-1][0]}: the original's have more"
    )
    classifier = VimDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the point where all logits vanish ``(D,)``, the residual directions ``(D, R)`` and their scale."""
        features = in_batches(network.features, fitting.train.images, fitting.device)
        zero = torch.zeros(1, features.shape[1], device=fitting.device)
        with torch.no_grad():
            bias = network.head(zero)[0].cpu()
            weight = (network.head(torch.eye(features.shape[1], device=fitting.device)).cpu() - bias).T
            logits = features @ weight.T + bias
        origin = -torch.linalg.pinv(weight) @ bias
        centred = (features - origin).double()
        _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        residual = vectors[:, : features.shape[1] - main_directions(features.shape[1])].float()
        lengths = ((features - origin) @ residual).norm(dim=1)
        return {"origin": origin, "residual": residual, "scale": logits.amax(dim=1).mean() / lengths.mean()}


def main_directions(activations: int) -> int:
    """Return how many directions span the principal space of that many activations."""
    return next((directions for least, directions in LARGE if activations >= least), activations // 2)
