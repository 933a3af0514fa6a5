"""k nearest neighbours: an image is rejected where its activations are far from those of the training images."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from defenses.base import Fitting, Network, in_batches
from defenses.detector import DetectorDefense, FeatureDetector

SHARE = 0.001  # k, as a share of the images in the bank: 50 of CIFAR-10's 50,000, as the original has it
BANK = 5_000  # training images that are kept, at most


class KnnDetector(FeatureDetector):
    """Scores an image by the distance to its k-th neighbour, all activations scaled to length 1."""

    bank: Tensor

    def score(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores ``(N,)``, in 0 .. 2."""
        k = math.ceil(SHARE * len(self.bank))
        return torch.cdist(functional.normalize(features), self.bank).kthvalue(k, dim=1).values


class NearestNeighbours(DetectorDefense):
    """The distance to the k-th neighbour, on the naive twin."""

    title = "k-NN"
    source = "Sun et al. 2022, Out-of-Distribution Detection with Deep Nearest Neighbors, section 3"
    departs = f"a bank of at most {BANK:,} random training images, with k smaller in proportion"
    classifier = KnnDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the bank, ``(M, D)``, rows of length 1."""
        images = fitting.train.images
        chosen = torch.randperm(len(images), generator=fitting.generator)[:BANK]
        return {"bank": functional.normalize(in_batches(network.features, images[chosen], fitting.device))}
