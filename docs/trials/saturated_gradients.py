"""Asks what rounding does to attacks along the gradient's sign where a network is very sure of an image.

    python docs/trials/saturated_gradients.py DATA_FOLDER TRACK=STORE... > docs/trials/saturated_gradients.csv

Where the true class leads by some 17 in logits, float32 rounds its probability to 1 and its part of the cross-entropy's
gradient to 0. The gradient of logsumexp(other logits) − true logit has the same direction, and is not rounded so. Each
STORE holds a run of that track: its surrogate of seed 0 is attacked on validation images, and its defenses are handed
what comes of them. "Rounded" are those whose clean image has such a probability; I-FGS moves on from there.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from eagerpy.astensor import astensor
from eagerpy.tensor.tensor import Tensor as EagerTensor
from torch import Tensor

from bench import crafting, data, fitted, metrics, scoring, selecting, suites
from bench.attacks.base import AttackSpec
from bench.attacks.fast_gradient import BasicIterative, FastGradient
from bench.attacks.fgs import FGS
from bench.attacks.foolbox_import import Attack, Model
from bench.attacks.ifgs import IFGS
from bench.plan import SURROGATE
from bench.store import Store
from bench.tracks import TRACKS, Track
from defenses.base import LabelledImages, RejectingClassifier

IMAGES = 1500  # the first of the validation split, or all where it has fewer


def unsaturated(model: Model, labels: EagerTensor) -> Callable[[EagerTensor], EagerTensor]:
    """Return the loss whose gradient has the direction of the cross-entropy's and is not rounded to 0."""
    true = labels.raw.unsqueeze(1)

    def loss(images: EagerTensor) -> EagerTensor:
        logits: Tensor = model(images).raw
        others = logits.scatter(1, true, -torch.inf).logsumexp(dim=1)
        return astensor((others - logits.gather(1, true).squeeze(1)).sum())

    return loss


class Unsaturated:
    """Makes an attack along the gradient's sign climb ``unsaturated``."""

    def get_loss_fn(self, model: Model, labels: EagerTensor) -> Callable[[EagerTensor], EagerTensor]:
        """Return the loss."""
        return unsaturated(model, labels)


class UnsaturatedFastGradient(Unsaturated, FastGradient):
    """FGS along it."""


class UnsaturatedIterative(Unsaturated, BasicIterative):
    """I-FGS along it."""


class UnsaturatedFGS(FGS):
    """FGS's parameters, for ``UnsaturatedFastGradient``."""

    def build(self) -> Attack:
        """Return the attack."""
        return UnsaturatedFastGradient(random_start=False)


class UnsaturatedIFGS(IFGS):
    """I-FGS's parameters, for ``UnsaturatedIterative``."""

    def build(self) -> Attack:
        """Return the attack."""
        return UnsaturatedIterative(abs_stepsize=self.stepsize, steps=self.steps, random_start=False)


WITHOUT: dict[str, type[AttackSpec]] = {"fgs": UnsaturatedFGS, "ifgs": UnsaturatedIFGS}


def rows(
    track: Track,
    made_on: RejectingClassifier,
    handed: Mapping[str, RejectingClassifier],
    validation: LabelledImages,
    device: torch.device,
) -> Iterator[list[object]]:
    """Yield a row for each attack, loss and network that is handed the images."""
    suite = suites.load(suites.STANDARD)
    for name, without in WITHOUT.items():
        (attack,) = (known.on(track.name) for known in suite.attacks if known.name == name)
        spec = attack.spec(track.name)
        for loss, used in (("cross-entropy", spec), ("not rounded", without(**spec.model_dump()))):
            made = crafting.craft(made_on, attack, used, validation, permutation=suite.permutation, device=device)
            logits, _ = scoring.class_logits(made_on, validation.images[made.index], device)
            sure = logits.softmax(dim=1).gather(1, made.label.unsqueeze(1)).squeeze(1) == 1
            source = [share(made.fooled), share(made.fooled[sure]), share(made.fooled[~sure])]
            for shown, classifier in handed.items():
                err = share(metrics.wrong(made.label, scoring.score(classifier, made.images, device).prediction))
                yield [track.name, attack.title, loss, share(sure), *source, shown, err]


def share(which: Tensor) -> str:
    """Return a share in per cent, a dash of none."""
    return f"{100 * which.float().mean().item():.1f}" if len(which) else "–"


def main() -> None:
    """Print the table as CSV."""
    device = selecting.device("auto")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(
        [
            *(
                "track",
                "attack",
                "loss",
                "rounded, %",
                "source Err, %",
                "source Err where rounded, %",
                "source Err elsewhere, %",
            ),
            *("handed to", "Err, %"),
        ]
    )
    for name, store in (told.split("=", 1) for told in sys.argv[2:]):
        split = data.load(TRACKS[name].dataset, Path(sys.argv[1])).splits["validation"]
        validation = LabelledImages(split.images[:IMAGES], split.labels[:IMAGES])
        handed = fitted.of_last_run(Store(Path(store)), name, device)
        out.writerows(rows(TRACKS[name], handed.pop(SURROGATE), handed, validation, device))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
