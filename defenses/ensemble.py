"""Ensemble: several naive networks; an image is rejected where they disagree."""

from __future__ import annotations

from torch import Tensor

from defenses.base import Config, Fitting, Network, NetworkFactory, network_of
from defenses.committee import MEMBERS, Committee, log_mean
from defenses.detector import Detector, DetectorDefense, calibrated


class EnsembleDetector(Detector):
    """Scores an image by how far its members' probabilities lie from their mean."""

    network: Committee

    def judged(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the log of the mean probability ``(N, K)`` and the disagreement ``(N,)``."""
        logits = self.network.each(x)
        return log_mean(logits), disagreement(logits)


class Ensemble(DetectorDefense):
    """The naive twin and more networks like it, which differ by their seeds alone."""

    title = "ensemble"
    source = "Lakshminarayanan et al. 2017, Simple and Scalable Predictive Uncertainty Estimation, section 2"
    departs = f"{MEMBERS} networks in place of 5, no adversarial training, and a threshold on the disagreement"
    classifier = EnsembleDetector

    def fit(self, fitting: Fitting) -> Detector:
        """Train the other members, then choose the threshold."""
        members = [network_of("naive", fitting)]
        train = fitting.train
        while len(members) < MEMBERS:
            members.append(fitting.train_network(train.images, train.labels, fitting.classes))
        return calibrated(EnsembleDetector(Committee(members), fitting.classes, {}), fitting)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> EnsembleDetector:
        """Return an ensemble of untrained networks."""
        members: list[Network] = [make_network(config["classes"]) for _ in range(MEMBERS)]
        return EnsembleDetector(Committee(members), config["classes"], {})


def disagreement(logits: Tensor) -> Tensor:
    """Return the mean Kullback-Leibler divergence ``(N,)``, in nats, of the members from their mean.

    ``logits`` are ``(M, N, K)``. It is the entropy of the mean less the mean of the entropies: 0 .. log M.
    """
    likely = logits.log_softmax(dim=2)
    return (likely.exp() * (likely - log_mean(logits))).sum(dim=2).mean(dim=0)
