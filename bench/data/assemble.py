"""Puts splits together into a data set, with its digest, and gives every data set its random streams."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from bench import canonical, seeding
from bench.data.dataset import Dataset
from defenses.base import LabelledImages


def assemble(name: str, splits: Mapping[str, LabelledImages], origin: str, notes: tuple[str, ...] = ()) -> Dataset:
    """Return the data set; its digest depends on the images and labels of the splits alone, not on their origin."""
    digest = canonical.digest(
        {
            split: {"images": canonical.tensor_digest(held.images), "labels": canonical.tensor_digest(held.labels)}
            for split, held in splits.items()
        }
    )
    return Dataset(name, dict(splits), origin, digest, notes)


def stream(name: str, purpose: str) -> torch.Generator:
    """Return the generator of one ``purpose`` of the data set ``name``: the same on every call."""
    return seeding.generator(seeding.derive("data", purpose, name, 0))


def shuffled(images: Tensor, labels: Tensor, generator: torch.Generator) -> LabelledImages:
    """Return images ``(N, C, H, W)`` and labels ``(N,)`` in a random order, so that the first ones are a sample."""
    order = torch.randperm(len(labels), generator=generator)
    return LabelledImages(images[order], labels[order])
