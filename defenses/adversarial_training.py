"""Adversarial training: training images are moved, within a budget, to where the network errs most."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from defenses.adversarial_images import EPSILON
from defenses.base import Fitting, Network
from defenses.naive import Naive, NaiveClassifier

STEPS = 5  # of projected gradient ascent
STEP = 0.5  # length of a step, as a share of the budget
ATTACKED = 0.5  # share of a batch: with the steps above, training takes about three and a half times as long


class AdversarialTraining(Naive):
    """A naive network trained on adversarial images and clean ones."""

    title = "adversarial training"
    source = (
        "Madry et al. 2018, Towards Deep Learning Models Resistant to Adversarial Attacks, section 2: the paper's [21]"
    )
    departs = (
        "half of each batch is left clean, or training on few images would not get going; the paper's budgets for FGS, "
        f"and {STEPS} steps, where the original takes 40 on MNIST and 7 on CIFAR-10"
    )

    attacks_in_training = True

    def fit(self, fitting: Fitting) -> NaiveClassifier:
        """Train on the training images, of which others are attacked in every epoch."""
        train = fitting.train
        network = fitting.train_network(train.images, train.labels, fitting.classes, partly_attacked)
        return NaiveClassifier(network, fitting.classes)


def partly_attacked(network: Network, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return a batch ``(N, C, H, W)`` whose first part is attacked, and its targets as they are."""
    count = round(ATTACKED * len(images))
    return torch.cat([attacked(network, images[:count], targets[:count]), images[count:]]), targets


def attacked(network: Network, images: Tensor, targets: Tensor) -> Tensor:
    """Return adversarial images ``(N, C, H, W)`` in [0, 1], within the budget.

    Projected gradient ascent on the cross-entropy from a random point of the budget, drawn from torch's global
    generator. The network is in evaluation mode meanwhile: its normalisation learns nothing from the steps.
    """
    epsilon = EPSILON[images.shape[1]]
    low, high = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)
    moved = (images + epsilon * (2 * torch.rand_like(images) - 1)).clamp(0, 1)
    with evaluation(network):
        for _ in range(STEPS):
            moved.requires_grad_()
            loss = functional.cross_entropy(network(moved), targets, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, moved)
            moved = (moved.detach() + STEP * epsilon * gradient.sign()).clamp(low, high)
    return moved


@contextmanager
def evaluation(network: nn.Module) -> Iterator[None]:
    """Run a block with the network in evaluation mode; restore the mode of each of its parts after it."""
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
