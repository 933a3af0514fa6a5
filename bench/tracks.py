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
    flip: bool  # whether training images are mirrored left to right, at random
    precision: Precision  # bf16: where the device has instructions for it, else float32


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
    near_tests: tuple[str, ...]  # more of them, nearer to its own images, each where the data folder has it
    interpolated: float  # interpolated images in the dustbin, as a share of the training images
    architecture: str  # one of bench.models, or a timm model's name
    recipe: Recipe
    limited_epochs: int  # in place of the recipe's, of a run with --limit, which shows the way and gives no figures
    floor: float  # validation accuracy under which a fit is broken, 0 .. 1
    paper: str | None  # the name of the paper's column that it repeats
    cpu_epochs: int | None = None  # in place of the recipe's, of a run meant for a CPU that may be published

    def epochs(self, limit: int | None) -> int:
        """Return how many epochs a run trains for where none are asked for; ``limit``, of images, makes it fewer."""
        return self.recipe.epochs if limit is None else self.limited_epochs

    def other_epochs(self, limit: int | None) -> int | None:
        """Return the recipe's epochs where those are others than a run of the track of that name has of itself."""
        own = TRACKS.get(self.name, self).epochs(limit)
        return None if self.recipe.epochs == own else self.recipe.epochs


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
            near_tests=(),
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
                flip=False,
                precision="float32",
            ),
            limited_epochs=24,
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
            near_tests=("fashion_mnist", "kmnist", "emnist_letters"),
            interpolated=0.3,
            architecture="cuda_convnet",
            recipe=Recipe(
                epochs=20,
                batch_size=128,
                optimizer="adamw",
                learning_rate=2e-3,
                weight_decay=1e-2,
                schedule="cosine",
                warmup_epochs=1,
                shift=0,
                flip=False,
                precision="bf16",
            ),
            limited_epochs=12,
            floor=0.97,
            paper="mnist",
        ),
        Track(
            name="cifar10",
            title="CIFAR-10 with CIFAR-100",
            dataset="cifar10",
            classes=10,
            channels=3,
            side=32,
            out_train="cifar100",
            out_tests=("cifar100",),
            near_tests=("svhn",),
            interpolated=15_000 / 49_000,
            architecture="vgg16",
            recipe=Recipe(
                epochs=40,
                batch_size=128,
                optimizer="adamw",
                learning_rate=1e-3,
                weight_decay=5e-2,
                schedule="cosine",
                warmup_epochs=1,
                shift=4,
                flip=True,
                precision="bf16",
            ),
            limited_epochs=5,
            floor=0.8,
            paper="cifar10",
            cpu_epochs=8,
        ),
    )
}
"""Every track, the cheapest first."""
