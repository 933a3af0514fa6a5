"""Tries settings that the paper leaves open: naive networks against one another on a track's validation images.

    python docs/trials/open_settings.py DATA_FOLDER mnist cifar10 > docs/trials/open_settings.csv

The networks' streams of seeds are of a role that no published run has. No defense is fitted and no test image is seen.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from bench import crafting, data, fitting, precision, scoring, seeding, selecting, suites, training
from bench.tracks import TRACKS, Track
from defenses.base import LabelledImages, RejectingClassifier
from defenses.naive import NaiveClassifier

SEEDS = (900, 901)
IMAGES = 1500  # the first of the validation split, or all where it has fewer

Trial = tuple[str, Mapping[str, object]]

GRADIENT: tuple[Trial, ...] = (
    ("fgs", {}),
    ("tfgs", {"targets": ["least_likely"]}),
    ("tfgs", {"targets": ["most_likely"]}),
)

TRIALS: dict[str, tuple[Trial, ...]] = {
    "mnist": (
        *GRADIENT,
        *(("ifgs", {"steps": steps}) for steps in (10, 15, 20)),
        *(("deepfool", {"overshoot": overshoot}) for overshoot in (1.0, 2.0, 3.0, 4.0, 5.0)),
    ),
    "cifar10": (
        *GRADIENT,
        *(("ifgs", {"steps": steps}) for steps in (3, 5, 10, 17)),
        *(("deepfool", {"overshoot": overshoot}) for overshoot in (0.02, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)),
        ("cw", {"confidence": 10.0}),
    ),
}
"""What is tried on each track: a suite's attack, and the settings in place of the suite's."""


def network(track: Track, seed: int, images: LabelledImages, device: torch.device) -> RejectingClassifier:
    """Return a naive network trained by the track's recipe on a stream of its own."""
    stream = seeding.derive(track.name, "calibration", "naive", seed)
    with seeding.stream(stream):
        made = fitting.network_factory(track)(track.classes)
    made.centre_on(images.images)
    training.train(made, images.images, images.labels, recipe=track.recipe, seed=stream, device=device)
    return NaiveClassifier(made, track.classes).eval()


def rows(track: Track, data_dir: Path, device: torch.device) -> Iterator[list[object]]:
    """Yield a row for every setting: the mean over both directions, each network attacked and each handed images.

    The first row says how the networks do on the clean images.
    """
    splits = data.load(track.dataset, data_dir).splits
    validation = LabelledImages(splits["validation"].images[:IMAGES], splits["validation"].labels[:IMAGES])
    networks = {seed: network(track, seed, splits["train"], device) for seed in SEEDS}
    said = [scoring.score(classifier, validation.images, device) for classifier in networks.values()]
    wrong = torch.stack([(scores.prediction != validation.labels).float().mean() for scores in said])
    yield [track.name, "clean", f"{track.recipe.epochs} epochs", f"{100 * wrong.mean().item():.1f}", "", ""]
    suite = suites.load("table1")
    of_track = {attack.name: attack.on(track.name) for attack in suite.attacks}
    for name, setting in TRIALS[track.name]:
        attack = replace(of_track[name], params={**of_track[name].params, **setting})
        found = []
        for source, other in (SEEDS, SEEDS[::-1]):
            spec = attack.spec(track.name)
            made = crafting.craft(
                networks[source], attack, spec, validation, permutation=suite.permutation, device=device
            )
            missed = scoring.score(networks[other], made.images, device).prediction != made.label
            found.append(torch.stack([missed.float().mean(), made.fooled.float().mean(), made.l2.median()]))
        err, source_err, l2 = torch.stack(found).mean(dim=0).tolist()
        shown = " ".join(
            f"{key}={','.join(value) if isinstance(value, list) else value}" for key, value in setting.items()
        )
        yield [track.name, attack.title, shown, f"{100 * err:.1f}", f"{100 * source_err:.1f}", f"{l2:.2f}"]


def main() -> None:
    """Print the table as CSV."""
    device = selecting.device("auto")
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(
        ["track", "attack", "setting", "Err of the other network, %", "Err of the attacked one, %", "median L2"]
    )
    for name in sys.argv[2:]:
        for row in rows(precision.on(TRACKS[name], device), Path(sys.argv[1]), device):
            out.writerow(row)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
