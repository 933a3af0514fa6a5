"""+OOD+interp as an ensemble: the dustbin's rule on the mean probabilities of several networks."""

from __future__ import annotations

from defenses.base import Config, Fitting, NetworkFactory, network_of
from defenses.committee import MEMBERS, Committee
from defenses.dustbin import DustbinClassifier
from defenses.ood_interp import OutDistributionInterpolated


class OodInterpEnsemble(OutDistributionInterpolated):
    """+OOD+interp of the same seed and more networks like it, each with interpolated images of its own."""

    title = "+OOD+interp, ensemble"
    source = "Abbasi et al. 2018, section VII, which leaves combinations open, with Lakshminarayanan et al. 2017"
    departs = f"of Lakshminarayanan et al. {MEMBERS} networks in place of 5, and no adversarial training"
    needs = ("naive", "ood_interp")

    def fit(self, fitting: Fitting) -> DustbinClassifier:
        """Train the other members."""
        members = [network_of("ood_interp", fitting)]
        while len(members) < MEMBERS:
            members.append(super().fit(fitting).network)
        return DustbinClassifier(Committee(members), fitting.classes)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> DustbinClassifier:
        """Return an ensemble of untrained augmented networks."""
        members = [make_network(config["classes"] + 1) for _ in range(MEMBERS)]
        return DustbinClassifier(Committee(members), config["classes"])
