"""+OOD+interp: the dustbin holds natural out-distribution images and interpolated pairs of training images."""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Fitting, LabelledImages, in_batches
from defenses.dustbin import DustbinDefense
from defenses.naive import NaiveClassifier

MIXING = 0.5  # the source image's share of an interpolated one, 0 .. 1 (paper, section V)


class OutDistributionInterpolated(DustbinDefense):
    """The paper's augmented CNN trained on out-distribution images and on interpolated ones."""

    title = "+OOD+interp"
    source = "Abbasi et al. 2018, section V"
    needs = ("naive",)

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return the out-distribution training images and the interpolated pairs."""
        naive = fitting.fitted("naive")
        if not isinstance(naive, NaiveClassifier):
            raise TypeError(f"'naive' is a {type(naive).__name__}: interpolation needs its features")
        features = in_batches(naive.features, fitting.train.images, fitting.device)
        return torch.cat([fitting.out_train, interpolated(fitting, features)])


def interpolated(fitting: Fitting, features: Tensor) -> Tensor:
    """Return ``fitting.interpolated`` images ``(M, C, H, W)``: each the mean of a source and its nearest foreign image.

    Sources are drawn at random, as many from every class; the neighbour is the nearest training image of another
    class, Euclidean, in the ``(N, D)`` features of the whole training split (paper, section V).
    """
    sources = balanced_sources(fitting.train, fitting.classes, fitting.interpolated, fitting.generator)
    neighbours = nearest_foreign(features, fitting.train.labels, sources)
    images = fitting.train.images
    return MIXING * images[sources] + (1 - MIXING) * images[neighbours]


def balanced_sources(train: LabelledImages, classes: int, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` places in the training split, int64, spread evenly over the classes, none twice.

    The first classes get one more where ``count`` is no multiple; a class with too few images gives all that it has.
    """
    chosen = []
    for label in range(classes):
        places = (train.labels == label).nonzero().flatten()
        share = count // classes + (label < count % classes)
        chosen.append(places[torch.randperm(len(places), generator=generator)[:share]])
    return torch.cat(chosen)


def nearest_foreign(features: Tensor, labels: Tensor, sources: Tensor, size: int = 512) -> Tensor:
    """Return for each place in ``sources`` that of the nearest of ``(N, D)`` features with another label, int64."""
    found = []
    for batch in sources.split(size):
        distances = torch.cdist(features[batch], features)
        distances[labels[batch][:, None] == labels[None, :]] = torch.inf
        found.append(distances.argmin(dim=1))
    return torch.cat(found)
