"""Specialists: networks for the classes that adversarial images of a class are taken for, beside one that knows all."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from defenses.adversarial_images import fast_gradient
from defenses.base import Config, Fitting, Network, NetworkFactory, in_batches, network_of
from defenses.committee import Committee
from defenses.detector import Detector, DetectorDefense, calibrated

SHARE = 0.8  # of a class's confusions, 0 .. 1, that the classes which its specialist knows account for


class SpecialistsDetector(Detector):
    """Scores an image by how unsure the networks are that vote on it; which classes each knows is in ``domains``."""

    network: Committee
    domains: Tensor

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log of the mean probability ``(N, K)`` and minus the likeliest class's probability ``(N,)``."""
        likely = voted(self.network.each(x), self.domains > 0)
        return likely.clamp(min=torch.finfo(likely.dtype).tiny).log(), -likely.amax(dim=1)


class Specialists(DetectorDefense):
    """The naive twin as the generalist, and a specialist for every set of classes that adversarial images confuse."""

    title = "specialists"
    source = (
        "Abbasi & Gagné 2017, Robustness to Adversarial Examples through an Ensemble of Specialists: the paper's [1]"
    )
    departs = (
        "one specialist for each class and those it is confused with, equal ones merged, none on the complements; the "
        "networks agree where all that know a class vote for it; a threshold that rejects 5% of clean images in place "
        "of a fixed confidence"
    )
    classifier = SpecialistsDetector

    def fit(self, fitting: Fitting) -> Detector:
        """Train each specialist on the images of its classes, then choose the threshold."""
        known, train = domains(confusions(fitting)), fitting.train
        members = [network_of("naive", fitting)]
        for domain in known[1:]:
            rows = domain[train.labels]
            members.append(fitting.train_network(train.images[rows], train.labels[rows], fitting.classes))
        return calibrated(SpecialistsDetector(Committee(members), fitting.classes, {"domains": known.float()}), fitting)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> SpecialistsDetector:
        """Return as many untrained networks, which know no class."""
        shape = config["fitted"]["domains"]
        members: list[Network] = [make_network(config["classes"]) for _ in range(shape[0])]
        return SpecialistsDetector(Committee(members), config["classes"], {"domains": torch.zeros(shape)})


def confusions(fitting: Fitting) -> Tensor:
    """Return how many of each class's fast-gradient images the naive twin takes for each class, int64 ``(K, K)``."""
    network, k = network_of("naive", fitting), fitting.classes
    taken_for = in_batches(lambda x: network(x).argmax(dim=1), fast_gradient(fitting), fitting.device)
    return (fitting.train.labels * k + taken_for).bincount(minlength=k * k).view(k, k)


def domains(confusions: Tensor) -> Tensor:
    """Return which classes each network knows, bool ``(M, K)``: the first one all, each other a class and some more.

    These are the fewest classes that account for ``SHARE`` of its confusions ``(K, K)``. A class that is never confused
    has no specialist, and of equal ones there is one.
    """
    found = [torch.ones(len(confusions), dtype=torch.bool)]
    for label, counts in enumerate(confusions.double()):
        others = counts.index_fill(0, torch.tensor(label), 0)
        order = others.argsort(descending=True, stable=True)
        fewest = int((others[order].cumsum(dim=0) < SHARE * others.sum()).sum()) + 1
        known = torch.zeros_like(found[0])
        known[label] = True
        known[order[:fewest]] = True
        if others.sum() > 0 and not any(torch.equal(known, other) for other in found):
            found.append(known)
    return torch.stack(found)


def voted(logits: Tensor, domains: Tensor) -> Tensor:
    """Return the mean probability ``(N, K)`` of the activated networks; of logits ``(M, N, K)``, domains ``(M, K)``.

    Each votes for the likeliest of its classes. Where all that know some class vote for it, they are activated; there
    is one such class at most, since the generalist votes once. Where they disagree, all are.
    """
    known = logits.masked_fill(~domains[:, None], -torch.inf)
    votes = functional.one_hot(known.argmax(dim=2), logits.shape[2]).sum(dim=0)
    unanimous = votes == domains.sum(dim=0)
    active = domains[:, unanimous.int().argmax(dim=1)] | ~unanimous.any(dim=1)
    return (known.softmax(dim=2) * active[..., None]).sum(dim=0) / active.sum(dim=0)[:, None]
