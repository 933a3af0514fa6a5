"""The contracts of a defense: what it is handed, what it returns. Imports nothing from bench."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

ROUNDING = 1e-6
"""By how much less than a whole number a share of a number of images may come out."""

REJECT = -1
"""The one sign of a rejection among predicted labels."""

Config = Mapping[str, Any]
"""What ``Defense.build`` needs to make the empty classifier again: JSON values only."""


@dataclass(frozen=True)
class LabelledImages:
    """Images with their labels.

    ``images`` are float32 ``(N, C, H, W)`` in [0, 1]; ``labels`` are int64 ``(N,)`` in ``0 .. K - 1``.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)


class Network(nn.Module, ABC):
    """A network from images ``(N, C, H, W)`` in [0, 1] to logits; normalisation is part of it."""

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Return the penultimate activations, ``(N, D)``."""

    @abstractmethod
    def head(self, features: Tensor) -> Tensor:
        """Return the logits, ``(N, outputs)``, of penultimate activations ``(N, D)``."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, ``(N, outputs)``."""
        return self.head(self.features(x))


NetworkFactory = Callable[[int], Network]
"""Makes an untrained network of the track's architecture with that many outputs."""

BatchHook = Callable[[Network, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Called on every training batch with the network, the images and the targets; returns the two to train on."""


class RejectingClassifier(nn.Module, ABC):
    """A classifier over K classes that may decline to answer.

    It rejects an image where its reject margin is above zero. ``config`` holds the JSON values from which the
    defense's ``build`` makes the same classifier, with other weights.
    """

    config: Config

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the class logits ``(N, K)`` and the reject margin ``(N,)`` of images ``(N, C, H, W)`` in [0, 1]."""

    def surrogate_forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a differentiable stand-in for ``forward``: attackers take its gradients and ``forward``'s values."""
        return self(x)  # type: ignore[no-any-return]

    def predict(self, x: Tensor) -> Tensor:
        """Return the predicted labels, int64 ``(N,)``, ``REJECT`` where the image is rejected."""
        return decide(*self(x))

    def reject_score(self, x: Tensor) -> Tensor:
        """Return the reject margin ``(N,)``: the larger, the more out of place the image."""
        margin: Tensor = self(x)[1]
        return margin


def decide(class_logits: Tensor, reject_margin: Tensor) -> Tensor:
    """Return the labels, int64 ``(N,)``, that class logits ``(N, K)`` and reject margins ``(N,)`` stand for."""
    return class_logits.argmax(dim=1).masked_fill(reject_margin > 0, REJECT)


def threshold_at(scores: Tensor, rate: float) -> float:
    """Return the least of the scores ``(N,)`` that no more than the share ``rate`` of them exceeds.

    Of reject scores of clean validation images, it is the threshold above which that share of them is rejected.
    """
    ordered = scores.sort(descending=True).values
    exceeding = math.floor(rate * len(scores) + ROUNDING)
    return float(ordered[min(exceeding, len(scores) - 1)])


class Fitting(Protocol):
    """What the engine hands to ``Defense.fit``: the track's training data and the means to train on it."""

    @property
    def classes(self) -> int:
        """K, the number of classes of the track."""

    @property
    def train(self) -> LabelledImages:
        """The training images."""

    @property
    def validation(self) -> LabelledImages:
        """The validation images: for thresholds and choices; the test images are never handed out."""

    @property
    def out_train(self) -> Tensor:
        """Out-distribution training images, float32 ``(M, C, H, W)`` in [0, 1]: the paper's dustbin as it is sized."""

    @property
    def interpolated(self) -> int:
        """How many interpolated images the track's recipe adds to the dustbin (paper, section V)."""

    @property
    def device(self) -> torch.device:
        """Where trained networks live; data are handed out on the CPU."""

    @property
    def generator(self) -> torch.Generator:
        """A CPU generator of this fit's own, for every random choice that the defense makes."""

    def train_network(
        self, images: Tensor, targets: Tensor, outputs: int, batch_hook: BatchHook | None = None
    ) -> Network:
        """Train a network of the track's architecture by the track's recipe.

        ``images`` are ``(N, C, H, W)`` in [0, 1]; ``targets`` int64 ``(N,)`` or probabilities ``(N, outputs)``.
        Returns the network in evaluation mode, on ``device``.
        """

    def craft(self, classifier: RejectingClassifier, attacked: LabelledImages, kind: str, **params: Any) -> Tensor:
        """Return adversarial images ``(N, C, H, W)`` against a classifier of the defense's own.

        ``kind`` and ``params`` are those of ``bench.attacks.make``.
        """

    def fitted(self, name: str) -> RejectingClassifier:
        """Return the fitted classifier of a defense that this one names in ``needs``, in evaluation mode."""


class Defense(ABC):
    """A recipe that turns a track's training data into a classifier that may reject."""

    title: ClassVar[str]
    """How tables show it."""

    source: ClassVar[str]
    """Where it comes from: the publication and the section."""

    departs: ClassVar[str] = ""
    """How it departs from its source, for the reader of the tables; empty where it does not."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Names of the defenses whose fitted classifiers of the same seed this one uses."""

    control: ClassVar[bool] = False
    """Whether it is a control, shown apart from the ranking and exempt from the accuracy floor."""

    attacks_in_training: ClassVar[bool] = False
    """Whether a batch hook of its attacks training images: of a hook the engine cannot see what it does."""

    @abstractmethod
    def fit(self, fitting: Fitting) -> RejectingClassifier:
        """Return the fitted classifier. Whatever is fitted ends as parameters or buffers of it."""

    @classmethod
    @abstractmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> RejectingClassifier:
        """Return the empty classifier that ``config`` describes; the engine loads its weights strictly."""


def network_of(name: str, fitting: Fitting) -> Network:
    """Return the network of the fitted classifier ``name``, which the defense names in ``needs``, such as ``"naive"``.

    Raises ``TypeError`` where that is no classifier of one network.
    """
    fitted = fitting.fitted(name)
    network = getattr(fitted, "network", None)
    if not isinstance(network, Network):
        raise TypeError(f"'{name}' is a {type(fitted).__name__}: what stands on it needs its network")
    return network


def in_batches(function: Callable[[Tensor], Tensor], images: Tensor, device: torch.device, size: int = 512) -> Tensor:
    """Return ``function`` of ``(N, ...)`` images, on the CPU: ``size`` at a time on ``device``, without gradients."""
    with torch.no_grad():
        return torch.cat([function(batch.to(device)).cpu() for batch in images.split(size)])
