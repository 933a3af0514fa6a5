"""The tracks: a data set, its out-distribution sets, an architecture and a training recipe each, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bf16"]


@dataclass(frozen=True)
class Recipe:
    """How a track's networks are trained; every field is part of the key of what comes out."""

    epochs: int
    batch_size: int  # images
    optimizer: str  # a name of timm.optim
    learning_rate: float  # peak, per step
    weight_decay: float  # decoupled, per unit of learning rate
    schedule: str  # a name of timm.scheduler, stepped every batch
    warmup_epochs: int
    shift: int  # pixels, the most that training images are moved along each axis
    precision: Precision


@dataclass(frozen=True)
class Track:
    """One column of the paper's Table I, or one like it."""

    name: str
    title: str
    dataset: str  # its train, validation and test splits
    classes: int
    channels: int
    side: int  # pixels
    out_train: str  # the data set whose train split fills the dustbin
    out_tests: tuple[str, ...]  # the data sets whose test splits are the out-distribution tests
    interpolated: float  # interpolated images in the dustbin, as a share of the training images
    architecture: str  # one of bench.models, or a timm model's name
    recipe: Recipe
    floor: float  # validation accuracy under which a fit is broken, 0 .. 1
    paper: str | None  # the name of the paper's column that it repeats


TRACKS: dict[str, Track] = {
    track.name: track
    for track in (
        Track(
            name="digits",
            title="scikit-learn digits with letters",
            dataset="digits",
            classes=10,
            channels=1,
            side=28,
            out_train="letters",
            out_tests=("letters", "photos"),
            interpolated=0.3,
            architecture="cuda_convnet",
            recipe=Recipe(
                epochs=24,
                batch_size=32,
                optimizer="adamw",
                learning_rate=2e-3,
                weight_decay=1e-2,
                schedule="cosine",
                warmup_epochs=2,
                shift=1,
                precision="float32",
            ),
            floor=0.9,
            paper=None,
        ),
        Track(
            name="mnist",
            title="MNIST with notMNIST",
            dataset="mnist",
            classes=10,
            channels=1,
            side=28,
            out_train="notmnist",
            out_tests=("notmnist",),
            interpolated=0.3,
            architecture="cuda_convnet",
            recipe=Recipe(
                epochs=12,
                batch_size=128,
                optimizer="adamw",
                learning_rate=2e-3,
                weight_decay=1e-2,
                schedule="cosine",
                warmup_epochs=1,
                shift=0,
                precision="bf16",
            ),
            floor=0.97,
            paper="mnist",
        ),
    )
}
"""Every track, the cheapest first."""
