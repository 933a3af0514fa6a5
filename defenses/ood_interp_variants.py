"""+OOD+interp with one thing changed: what the paper says of its choices is told by these beside it.

The streams of a fit are drawn by the defense's name: a variant is also another training than +OOD+interp of its seed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from defenses.base import Fitting
from defenses.ood_interp import OutDistributionInterpolated, nearest_foreign


class Variant(OutDistributionInterpolated):
    """+OOD+interp with one thing changed; shown apart, and whatever its clean accuracy is."""

    source = "a control, for what Abbasi et al. 2018, section V, says"
    control = True


class InterpolatedAlone(Variant):
    """The dustbin holds the interpolated images of +OOD+interp and nothing else."""

    title = "+interp"

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return the interpolated pairs."""
        return self.interpolated(fitting)


class SizeMatched(Variant):
    """Of the dustbin only as many images are kept, at random, as +OOD has: what is left is no matter of its size."""

    title = "+OOD+interp, size-matched"

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return a random part of the out-distribution training images and interpolated pairs."""
        return random_part(super().dustbin(fitting), len(fitting.out_train), fitting.generator)


class Tenth(Variant):
    """A tenth of the dustbin's images, at random."""

    title = "+OOD+interp, a tenth"

    def dustbin(self, fitting: Fitting) -> Tensor:
        """Return a tenth of the out-distribution training images and interpolated pairs."""
        whole = super().dustbin(fitting)
        return random_part(whole, len(whole) // 10, fitting.generator)


class Triple(Variant):
    """Three times as many interpolated images: the dustbin is about as large as all classes together."""

    title = "+OOD+interp, triple"
    times = 3.0


class NearNeighbour(Variant):
    """Interpolated images nearer to the neighbour than to the source."""

    title = "+OOD+interp, α 0.3"
    mixing = 0.3


class NearSource(Variant):
    """Interpolated images nearer to the source than to the neighbour."""

    title = "+OOD+interp, α 0.7"
    mixing = 0.7


class RandomNeighbours(Variant):
    """Sources are paired with random images of other classes."""

    title = "+OOD+interp, random pairs"
    needs = ()

    def neighbours(self, fitting: Fitting, sources: Tensor) -> Tensor:
        """Return for each place in ``sources``, int64, that of a random training image of another class."""
        labels, found = fitting.train.labels, torch.empty_like(sources)
        for label in range(fitting.classes):
            foreign = (labels != label).nonzero().flatten()
            own = labels[sources] == label
            drawn = torch.randint(len(foreign), (int(own.sum()),), generator=fitting.generator)
            found[own] = foreign[drawn]
        return found


class PixelNeighbours(Variant):
    """Sources are paired with the nearest image of another class in pixel space."""

    title = "+OOD+interp, pixel pairs"
    needs = ()

    def neighbours(self, fitting: Fitting, sources: Tensor) -> Tensor:
        """Return for each place in ``sources``, int64, that of the training image of another class, by its pixels."""
        return nearest_foreign(fitting.train.images.flatten(1), fitting.train.labels, sources)


def random_part(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return ``count`` of the images, at random."""
    return images[torch.randperm(len(images), generator=generator)[:count]]
