"""Randomised smoothing: votes over noised copies of an image, which is rejected where the vote is not clear."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from defenses.base import Fitting, Network
from defenses.committee import log_mean
from defenses.equipped import EquippedClassifier, EquippedDefense

SIGMA = 0.25  # standard deviation of the noise, pixel values in [0, 1]
DRAWS = 32  # noised copies of an image
ALPHA = 0.001  # p-value above which the vote is not clear, 0 .. 1


class SmoothedClassifier(EquippedClassifier):
    """A network's vote over an image with each of the noises ``(DRAWS, C, H, W)``, the same for all images."""

    noise: Tensor

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log of each class's share of the votes ``(N, K)`` and the margin ``(N,)``.

        Every class has one vote more than it was given, so that the log is finite. The margin is the log of the p-value
        over ``ALPHA``: above zero where the first class's lead over the second may be chance.
        """
        classes = self.config["classes"]
        votes = sum(functional.one_hot(self.network(x + noise).argmax(dim=1), classes) for noise in self.noise)
        assert isinstance(votes, Tensor)
        first, second = votes.topk(2, dim=1).values.unbind(dim=1)
        margin = log_p_value(first, first + second) - math.log(ALPHA)
        return ((votes + 1) / (len(self.noise) + classes)).log().to(x.dtype), margin.to(x.dtype)

    def surrogate_forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log of the mean probability ``(N, K)`` and the second class's lead over the first ``(N,)``."""
        # Activations are computed again for the gradient: those of all draws together would need too much memory.
        likely = log_mean(
            torch.stack([checkpoint(self.network, x + noise, use_reentrant=False) for noise in self.noise])
        )
        first, second = likely.topk(2, dim=1).values.unbind(dim=1)
        return likely, second - first


class Smoothing(EquippedDefense):
    """A network trained on noised images, smoothed by the same noise."""

    title = "randomised smoothing"
    source = "Cohen, Rosenfeld & Kolter 2019, Certified Adversarial Robustness via Randomized Smoothing, section 3.2"
    departs = f"{DRAWS} draws of noise that are the same for all images, where the original draws more and anew"
    classifier = SmoothedClassifier

    def fit(self, fitting: Fitting) -> EquippedClassifier:
        """Train the network on noised images and draw the noise."""
        train = fitting.train
        network = fitting.train_network(train.images, train.labels, fitting.classes, noised)
        noise = SIGMA * torch.randn(DRAWS, *train.images.shape[1:], generator=fitting.generator)
        return SmoothedClassifier(network, fitting.classes, {"noise": noise}).to(fitting.device).eval()


def noised(_network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return images ``(N, C, H, W)`` with noise from torch's global generator, and the targets as they are."""
    return images + SIGMA * torch.randn_like(images), targets


def log_p_value(successes: Tensor, trials: Tensor) -> Tensor:
    """Return the log of the p-value, float64 ``(N,)``, of so many successes, half or more, in trials of a fair coin.

    Both counts are int64 ``(N,)``. Two-sided: the chance of a result that is as far from half, or further.
    """
    k, n = successes.double()[:, None], trials.double()[:, None]
    count = torch.arange(int(trials.max()) + 1, dtype=torch.float64, device=trials.device)
    ways = (n + 1).lgamma() - (count + 1).lgamma() - ((n - count).clamp(min=0) + 1).lgamma()
    counted = ways.masked_fill((count < k) | (count > n), -torch.inf)
    return (counted.logsumexp(dim=1) + (1 - trials.double()) * math.log(2)).clamp(max=0)
