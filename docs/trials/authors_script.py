"""Asks what the attacks of the script that the paper's authors published later come to, beside those of the suite.

    python docs/trials/authors_script.py DATA_FOLDER STORE TRACK SUITE > docs/trials/authors_script.csv

STORE holds a run of TRACK under SUITE: its surrogate of seed 0 is attacked on validation images, and the paper's
defenses are handed what comes of them. The script (``leaderboard.table1.fooled.SCRIPT``) takes up to three steps of ε
along the gradient's sign, within a wider budget, and stops at the first image that the attacked network errs on, for
FGS and T-FGS alike; DeepFool walks at overshoot 0.02 without bounds, and its own overshoot is laid on what was walked,
at the end. It keeps the images alone that fool the attacked network.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench import data, fitted, metrics, scoring, suites
from bench.attacks.adapter import ClassLogits
from bench.attacks.deepfool import SharedGraphDeepFool
from bench.attacks.foolbox_import import Misclassification, PyTorchModel
from bench.plan import SURROGATE
from bench.store import Store
from bench.suites import Suite
from bench.tracks import TRACKS
from defenses.base import LabelledImages, RejectingClassifier

CPU = torch.device("cpu")
BATCH = 250  # images
IMAGES = 1500  # the first of the validation split, or all where it has fewer
STEPS = 3
WITHIN = {"mnist": 0.3, "cifar10": 0.05}  # L∞, of the three steps together
WALKED = 0.02  # overshoot while DeepFool walks
BOUNDS = (-100.0, 100.0)  # none that a walk meets
OVERSHOOTS = (1.0, 2.0, 3.0, 4.0)
PAPERS = ("naive", "ood", "ood_interp")

Perturb = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Makes images ``(N, C, H, W)`` of a network, clean images and their labels."""


def signed(epsilon: float, steps: int, within: float, *, targeted: bool) -> Perturb:
    """Return FGS, or T-FGS towards the least likely class, in so many steps, each image's ending where it fools."""

    def perturb(network: nn.Module, clean: Tensor, labels: Tensor) -> Tensor:
        aims = network(clean).argmin(dim=1) if targeted else labels
        total, going = torch.zeros_like(clean), torch.ones(len(clean), dtype=torch.bool, device=clean.device)
        for _ in range(steps):
            at = (clean + total).requires_grad_()
            (gradient,) = torch.autograd.grad(cross_entropy(network(at), aims, reduction="sum"), at)
            step = epsilon * gradient.sign() * (-1 if targeted else 1)
            moved = (total + step).clamp(-within, within)
            total = torch.where(going.view(-1, 1, 1, 1), moved, total)
            with torch.no_grad():
                going &= network((clean + total).clamp(0, 1)).argmax(dim=1) == labels
        return (clean + total).clamp(0, 1)

    return perturb


def deepfool(overshoot: float, *, at_end: bool) -> Perturb:
    """Return DeepFool that lays its overshoot on at the end, of a walk without bounds, or on every step."""

    def perturb(network: nn.Module, clean: Tensor, labels: Tensor) -> Tensor:
        model = PyTorchModel(network, bounds=BOUNDS if at_end else (0, 1), device=clean.device)
        attack = SharedGraphDeepFool(steps=50, overshoot=WALKED if at_end else overshoot)
        walked: Tensor = attack.run(model, clean, Misclassification(labels))
        return (clean + (1 + overshoot) / (1 + WALKED) * (walked - clean)).clamp(0, 1) if at_end else walked

    return perturb


def attacks(suite: Suite, track: str) -> Iterator[tuple[str, str, Perturb]]:
    """Yield each attack's title, whose it is, and how it perturbs."""
    found = {attack.name: (attack.title, attack.on(track).params) for attack in suite.attacks}
    for name in ("fgs", "tfgs"):
        title, params = found[name]
        epsilon, targeted = float(params["epsilon"]), name == "tfgs"
        yield title, "the suite's, one step", signed(epsilon, 1, epsilon, targeted=targeted)
        yield title, f"the script's, up to {STEPS}", signed(epsilon, STEPS, WITHIN[track], targeted=targeted)
    title, params = found["deepfool"]
    usual = float(params["overshoot"])
    yield title, f"the suite's, overshoot {usual:g}", deepfool(usual, at_end=False)
    for overshoot in OVERSHOOTS:
        yield title, f"the script's, overshoot {overshoot:g}", deepfool(overshoot, at_end=True)


def rows(
    track: str, made_on: RejectingClassifier, handed: Mapping[str, RejectingClassifier], clean: LabelledImages
) -> Iterator[list[object]]:
    """Yield a row for each attack and network that is handed the images."""
    network, right = ClassLogits(made_on).eval(), ~errs(made_on, clean.images, clean.labels)
    images, labels = clean.images[right], clean.labels[right]
    for title, how, perturb in attacks(suites.load(suites.STANDARD), track):
        pieces = zip(images.split(BATCH), labels.split(BATCH), strict=True)
        made = torch.cat([perturb(network, *piece) for piece in pieces])
        fooled = errs(made_on, made, labels)
        distance = (made - images).flatten(1).norm(dim=1).median().item()
        for name in PAPERS:
            wrong = errs(handed[name], made, labels)
            yield [track, title, how, share(fooled), f"{distance:.2f}", name, share(wrong), share(wrong[fooled])]


def errs(classifier: RejectingClassifier, images: Tensor, labels: Tensor) -> Tensor:
    """Return on which images a classifier makes an error."""
    return metrics.wrong(labels, scoring.score(classifier, images, CPU).prediction)


def share(which: Tensor) -> str:
    """Return a share in per cent, a dash of none."""
    return f"{100 * which.float().mean().item():.1f}" if len(which) else "–"


def main() -> None:
    """Print the table as CSV."""
    folder, store, track, suite = sys.argv[1:]
    split = data.load(TRACKS[track].dataset, Path(folder)).splits["validation"]
    validation = LabelledImages(split.images[:IMAGES], split.labels[:IMAGES])
    handed = fitted.of_last_run(Store(Path(store)), track, CPU, suite=suite)
    out = csv.writer(sys.stdout, lineterminator="\n")
    head = ["track", "attack", "how", "source Err, %", "median L2", "handed to"]
    out.writerow([*head, "Err of all, %", "Err of those that fool, %"])
    for row in rows(track, handed.pop(SURROGATE), handed, validation):
        out.writerow(row)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
