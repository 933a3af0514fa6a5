"""Kernel density: an image is rejected where few training images of its predicted class lie near its activations."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from defenses.base import Fitting, Network, in_batches
from defenses.detector import DetectorDefense, FeatureDetector

BANK = 500  # training images of a class that are kept, at most
BANDWIDTHS = tuple(10 ** (exponent / 10) for exponent in range(-10, 21))  # of the Gaussian, in units of the activations


class KernelDensityDetector(FeatureDetector):
    """Scores an image by the negative log density of its predicted class's training images."""

    bank: Tensor
    bandwidth: Tensor

    def score(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores ``(N,)``, up to a constant that all images share."""
        predicted = logits.argmax(dim=1)
        scores = torch.zeros_like(features[:, 0])
        for label in predicted.unique().tolist():
            rows = (predicted == label).nonzero().flatten()
            density = log_density(distances(features[rows], self.bank[label]), self.bandwidth)
            scores = scores.index_add(0, rows, density, alpha=-1)
        return scores


class KernelDensity(DetectorDefense):
    """Kernel density in feature space, on the naive twin."""

    title = "kernel density"
    source = "Feinman et al. 2017, Detecting Adversarial Samples from Artifacts, section 4.1: the paper's [9]"
    departs = (
        f"at most {BANK} random training images a class; the density alone, without the dropout uncertainty and the "
        "classifier that the original trains on attacks"
    )
    classifier = KernelDensityDetector

    def fitted(self, fitting: Fitting, network: Network) -> dict[str, Tensor]:
        """Return the bank ``(K, M, D)`` and the bandwidth under which the validation images are likeliest."""
        labels = fitting.train.labels
        size = min(BANK, int(labels.bincount(minlength=fitting.classes).min()))
        chosen = []
        for label in range(fitting.classes):
            places = (labels == label).nonzero().flatten()
            chosen.append(places[torch.randperm(len(places), generator=fitting.generator)[:size]])
        images = fitting.train.images[torch.cat(chosen)]
        bank = in_batches(network.features, images, fitting.device).view(fitting.classes, size, -1)
        seen = in_batches(network.features, fitting.validation.images, fitting.device)
        likelihood = torch.zeros(len(BANDWIDTHS), dtype=torch.float64)
        for label in range(fitting.classes):
            away = distances(seen[fitting.validation.labels == label], bank[label]).double()
            for number, bandwidth in enumerate(BANDWIDTHS):
                scaled = log_density(away, torch.tensor(bandwidth, dtype=torch.float64))
                likelihood[number] += (scaled - bank.shape[2] * math.log(bandwidth)).sum()
        return {"bank": bank, "bandwidth": torch.tensor(BANDWIDTHS[int(likelihood.argmax())])}


def distances(features: Tensor, bank: Tensor) -> Tensor:
    """Return the Euclidean distances ``(N, M)`` of activations ``(N, D)`` to those of ``(M, D)``.

    Not by way of a product: where activations are long and near one another, rounding would swamp the difference.
    """
    return torch.cdist(features, bank, compute_mode="donot_use_mm_for_euclid_dist")


def log_density(distances: Tensor, bandwidth: Tensor) -> Tensor:
    """Return the log of the mean Gaussian kernel ``(N,)`` over distances ``(N, M)``, but for its normalisation."""
    return (-distances.square() / (2 * bandwidth**2)).logsumexp(dim=1) - math.log(distances.shape[1])
