"""Defensive distillation: a network is trained on the soft labels of another, both at a high temperature."""

from __future__ import annotations

from torch import Tensor

from defenses.base import Config, Defense, Fitting, NetworkFactory, in_batches, network_of
from defenses.naive import NaiveClassifier

TEMPERATURE = 20.0  # divides the logits in training


class DistilledClassifier(NaiveClassifier):
    """A network whose outputs are the logits over the temperature; it accepts every image."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits ``(N, K)``, as at temperature 1, and a margin of minus infinity ``(N,)``."""
        cooled, margin = super().forward(x)
        return TEMPERATURE * cooled, margin


class Distillation(Defense):
    """Teacher and student at one temperature, the student used at temperature 1.

    With Z the logits and T the temperature, training at T is cross-entropy on the outputs Z/T: what the track's recipe
    does where the network's outputs stand for Z/T. The teacher is then the naive twin.
    """

    title = "distillation"
    source = "Papernot et al. 2016, Distillation as a Defense to Adversarial Perturbations: the paper's [27]"
    departs = (
        "the networks' outputs stand for the logits over the temperature, which the weights take up in training: on "
        "images made elsewhere the student predicts as one distilled at temperature 1"
    )
    needs = ("naive",)

    def fit(self, fitting: Fitting) -> DistilledClassifier:
        """Train the student on what the teacher says of the training images."""
        images, teacher = fitting.train.images, network_of("naive", fitting)
        soft = in_batches(lambda x: teacher(x).softmax(dim=1), images, fitting.device)
        return DistilledClassifier(fitting.train_network(images, soft, fitting.classes), fitting.classes)

    @classmethod
    def build(cls, config: Config, make_network: NetworkFactory) -> DistilledClassifier:
        """Return an untrained distilled classifier."""
        return DistilledClassifier(make_network(config["classes"]), config["classes"])
