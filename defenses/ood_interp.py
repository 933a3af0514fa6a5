"""+OOD+interp: the dustbin holds natural out-distribution images and interpolated pairs of training images."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from defenses.base import Fitting, LabelledImages, in_batches, network_of
from defenses.dustbin import DustbinDefense


class OutDistributionInterpolated(DustbinDefense):
    """The paper's augmented CNN trained on out-distribution images and on interpolated ones."""

    title = "+OOD+interp"
    source = "Abbasi et al. 2018, section V"
    needs: ClassVar[tuple[str, ...]] = ("naive",)

    mixing: ClassVar[float] = 0.5  # the source image's share of an interpolated one, 0 .. 1: the paper's α
    times: ClassVar[float] = 1.0  # interpolated images, as a multiple of the track's

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return the out-distribution training images and, after them, the interpolated pairs."""
        return torch.cat([fitting.out_train, self.interpolated(fitting)])

    def interpolated(self, fitting: Fitting) -> Tensor:
        """Return images ``(M, C, H, W)``, each a mean of a source and its neighbour.

        Sources are drawn at random, as many from every class (paper, section V).
        """
        count = round(self.times * fitting.interpolated)
        sources = balanced_sources(fitting.train, fitting.classes, count, fitting.generator)
        neighbours = self.neighbours(fitting, sources)
        images = fitting.train.images
        return self.mixing * images[sources] + (1 - self.mixing) * images[neighbours]

    def neighbours(self, fitting: Fitting, sources: Tensor) -> Tensor:
        """Return for each place in ``sources``, int64, that of the nearest training image of another class.

        It is looked for in the whole training split, Euclidean, among the naive twin's features (paper, section V).
        """
        features = in_batches(network_of("naive", fitting).features, fitting.train.images, fitting.device)
        return nearest_foreign(features, fitting.train.labels, sources)


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
