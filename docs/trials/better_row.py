"""Picks a combination of +OOD+interp with a detector, on validation images and streams of seeds that no run has.

    python docs/trials/better_row.py > docs/trials/better_row.csv

The candidates are those of ``CANDIDATES``. On each stream, the standard suite's attacks that count in the average are
made of the validation images of ``digits``, on a surrogate; a candidate's figure is its mean Err over attacks and
streams, at the threshold under which it rejects no more than ``RATE`` of the clean validation images. The rule: the
least figure wins, and of equal ones the first. Beside them, at the same rate, stand +OOD+interp, and Mahalanobis on
the naive network, which are no candidates. No test image is seen.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from bench import crafting, detection, fitting, metrics, scoring, seeding, suites, trackdata
from bench.tracks import TRACKS
from defenses.base import Defense, RejectingClassifier, threshold_at
from defenses.detector import FeatureDetector
from defenses.energy import Energy, EnergyDetector
from defenses.joint_detector import JointDefense, JointDetector
from defenses.kernel_density import KernelDensity, KernelDensityDetector
from defenses.knn import KnnDetector, NearestNeighbours
from defenses.mahalanobis import Mahalanobis
from defenses.naive import Naive
from defenses.ood_interp import OutDistributionInterpolated
from defenses.ood_interp_mahalanobis import OodInterpMahalanobis
from defenses.vim import VimDetector, VirtualLogit


class OnClasses(FeatureDetector):
    """Shows the detector that comes after it among a class's bases no dustbin's logit."""

    def score(self, features: Tensor, logits: Tensor) -> Tensor:
        """Return the scores ``(N,)`` of activations ``(N, D)`` and logits ``(N, K + 1)``."""
        return super().score(features, logits[:, :-1])  # type: ignore[safe-super]  # that detector's


class JointEnergyDetector(JointDetector, OnClasses, EnergyDetector):
    """Sums the dustbin's lead and the energy."""


class JointKnnDetector(JointDetector, KnnDetector):
    """Sums the dustbin's lead and the distance to the k-th neighbour."""


class JointVimDetector(JointDetector, OnClasses, VimDetector):
    """Sums the dustbin's lead and the virtual logit."""


class JointKernelDensityDetector(JointDetector, OnClasses, KernelDensityDetector):
    """Sums the dustbin's lead and the negative log density."""


class OodInterpEnergy(JointDefense):
    """The dustbin's lead and the energy of the class logits."""

    title, classifier, detector = "+OOD+interp, energy", JointEnergyDetector, Energy


class OodInterpKnn(JointDefense):
    """The dustbin's lead and the distance to the k-th neighbour among training images."""

    title, classifier, detector = "+OOD+interp, k-NN", JointKnnDetector, NearestNeighbours


class OodInterpVim(JointDefense):
    """The dustbin's lead and the virtual logit."""

    title, classifier, detector = "+OOD+interp, ViM", JointVimDetector, VirtualLogit


class OodInterpKernelDensity(JointDefense):
    """The dustbin's lead and the kernel density of the predicted class."""

    title, classifier, detector = "+OOD+interp, kernel density", JointKernelDensityDetector, KernelDensity


CANDIDATES: tuple[type[Defense], ...] = (
    OodInterpEnergy,
    OodInterpMahalanobis,
    OodInterpKnn,
    OodInterpVim,
    OodInterpKernelDensity,
)
TRACK = TRACKS["digits"]
SEEDS = (900, 901, 902)
RATE = 0.01  # share of clean validation images rejected
CPU = torch.device("cpu")


def fitted(
    defense: type[Defense], data: trackdata.TrackData, role: str, seed: int, on: dict[str, RejectingClassifier]
) -> RejectingClassifier:
    """Return a defense, fitted by the track's recipe on a stream of this trial's own."""
    stream = seeding.derive(TRACK.name, "search", role, seed)
    handed = fitting.TrackFitting(TRACK, data, device=CPU, stream=stream, fitted=on, advance=lambda _: None)
    classifier = defense().fit(handed).eval()
    fitting.check(defense.title, classifier, handed, TRACK.floor)
    return classifier


def errors(data: trackdata.TrackData, seed: int) -> dict[str, float]:
    """Return for every candidate and every row beside them the mean Err over the attacks, 0 .. 1, on one stream."""
    surrogate = fitted(Naive, data, "surrogate", seed, {})
    naive = fitted(Naive, data, "naive", seed, {})
    base = fitted(OutDistributionInterpolated, data, "ood_interp", seed, {"naive": naive})
    alone = fitted(Mahalanobis, data, "mahalanobis", seed, {"naive": naive})
    rows = {OutDistributionInterpolated.title: base, Mahalanobis.title: alone}
    for candidate in CANDIDATES:
        rows[candidate.title] = fitted(candidate, data, candidate.title, seed, {"ood_interp": base})
    clean = {title: scoring.score(row, data.validation.images, CPU).reject_score for title, row in rows.items()}
    suite = suites.load(suites.STANDARD)
    found: dict[str, list[float]] = {title: [] for title in rows}
    for attack in (attack.on(TRACK.name) for attack in suite.attacks if attack.in_average):
        made = crafting.craft(
            surrogate,
            replace(attack, images=data.of_share(attack.images)),
            attack.spec(TRACK.name),
            data.validation,
            permutation=suite.permutation,
            device=CPU,
        )
        for title, row in rows.items():
            scores = scoring.score(row, made.images, CPU)
            threshold = threshold_at(clean[title], RATE)
            decided = detection.decided_at(threshold, scores.class_prediction, scores.reject_score)
            found[title].append(metrics.rates(made.label, decided).err)
    return {title: sum(of_attacks) / len(of_attacks) for title, of_attacks in found.items()}


def main() -> None:
    """Print the figures as CSV, the winner first of the candidates."""
    torch.set_num_threads(1)
    data = trackdata.assemble(TRACK, Path("nowhere"), None)
    of_seeds = [errors(data, seed) for seed in SEEDS]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["defense", *(f"Err, stream {seed}, %" for seed in SEEDS), "mean, %"])
    means = {title: sum(of_seed[title] for of_seed in of_seeds) / len(SEEDS) for title in of_seeds[0]}
    order = sorted((candidate.title for candidate in CANDIDATES), key=lambda title: means[title])
    for title in (OutDistributionInterpolated.title, Mahalanobis.title, *order):
        values = [of_seed[title] for of_seed in of_seeds]
        out.writerow([title, *(f"{100 * value:.1f}" for value in values), f"{100 * means[title]:.1f}"])


if __name__ == "__main__":
    main()
