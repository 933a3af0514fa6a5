"""Tries training recipes for few epochs: naive networks against one another on a track's validation images.

    python docs/trials/brief_recipes.py DATA_FOLDER cifar10 3 > docs/trials/brief_recipes.csv

The networks' stream of seeds is of a role that no published run has. No defense is fitted and no test image is seen.
After the number of epochs, numbers of recipes ask for these alone: two processes may share a machine's cores.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from bench import data, fitting, precision, scoring, seeding, selecting, training
from bench.tracks import TRACKS, Track
from defenses.base import LabelledImages
from defenses.naive import NaiveClassifier

SEED = 902

RECIPES: tuple[Mapping[str, Any], ...] = (
    {},
    {"learning_rate": 3e-3},
    {"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 5e-4},
    {"batch_size": 64},
    {"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 5e-4, "shift": 2},
    {"batch_size": 64, "shift": 2},
)
"""What is tried in place of the track's own; timm's sgd has Nesterov's momentum, of 0.9."""


def accuracy(track: Track, images: LabelledImages, validation: LabelledImages, device: torch.device) -> float:
    """Return the share of validation images that a naive network trained by the track's recipe gets right."""
    stream = seeding.derive(track.name, "calibration", "naive", SEED)
    with seeding.stream(stream):
        network = fitting.network_factory(track)(track.classes)
    network.centre_on(images.images)
    total, done = track.recipe.epochs * len(images), 0

    def advance(number: int) -> None:
        nonlocal done
        done += number
        sys.stderr.write(f"\r{100 * done / total:.0f}%")

    training.train(
        network, images.images, images.labels, recipe=track.recipe, seed=stream, device=device, advance=advance
    )
    said = scoring.score(NaiveClassifier(network, track.classes).eval(), validation.images, device)
    return (said.prediction == validation.labels).float().mean().item()


def main() -> None:
    """Print the table as CSV."""
    folder, name, epochs, *numbers = sys.argv[1:]
    device = selecting.device("auto")
    track = precision.on(TRACKS[name], device)
    splits = data.load(track.dataset, Path(folder)).splits
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["track", "epochs", "in place of the recipe's", "validation accuracy, %"])
    for number, changed in enumerate(RECIPES):
        if numbers and str(number) not in numbers:
            continue
        recipe = replace(track.recipe, **{"epochs": int(epochs), **changed})
        found = accuracy(replace(track, recipe=recipe), splits["train"], splits["validation"], device)
        shown = " ".join(f"{field}={value}" for field, value in changed.items())
        out.writerow([name, epochs, shown, f"{100 * found:.1f}"])
        sys.stdout.flush()


if __name__ == "__main__":
    main()
