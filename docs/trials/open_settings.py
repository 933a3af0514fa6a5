"""Tries settings that the paper leaves open: naive networks against one another on MNIST's validation images.

    python docs/trials/open_settings.py DATA_FOLDER > docs/trials/open_settings.csv

The networks' streams of seeds are of a role that no published run has. No defense is fitted and no test image is seen.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from bench import crafting, data, fitting, scoring, seeding, suites, training
from bench.tracks import TRACKS
from defenses.base import LabelledImages, RejectingClassifier
from defenses.naive import NaiveClassifier

TRACK = TRACKS["mnist"]
SEEDS = (900, 901)
IMAGES = 1500  # the first of the validation split
CPU = torch.device("cpu")

TRIALS: tuple[tuple[str, dict[str, object]], ...] = (
    ("fgs", {}),
    ("tfgs", {"targets": ["least_likely"]}),
    ("tfgs", {"targets": ["most_likely"]}),
    ("ifgs", {"steps": 10}),
    ("ifgs", {"steps": 15}),
    ("ifgs", {"steps": 20}),
    ("deepfool", {"overshoot": 1.0}),
    ("deepfool", {"overshoot": 2.0}),
    ("deepfool", {"overshoot": 3.0}),
    ("deepfool", {"overshoot": 4.0}),
    ("deepfool", {"overshoot": 5.0}),
)


def network(seed: int, images: LabelledImages) -> RejectingClassifier:
    """Return a naive network trained by the track's recipe on a stream of its own."""
    stream = seeding.derive(TRACK.name, "calibration", "naive", seed)
    with seeding.stream(stream):
        made = fitting.network_factory(TRACK)(TRACK.classes)
    made.centre_on(images.images)
    training.train(made, images.images, images.labels, recipe=TRACK.recipe, seed=stream, device=CPU)
    return NaiveClassifier(made, TRACK.classes).eval()


def rows(train: LabelledImages, validation: LabelledImages) -> Iterator[list[object]]:
    """Yield a row for every setting: the mean over both directions, each network attacked and each handed images."""
    networks = {seed: network(seed, train) for seed in SEEDS}
    suite = suites.load("table1")
    of_track = {attack.name: attack.on(TRACK.name) for attack in suite.attacks}
    for name, setting in TRIALS:
        attack = replace(of_track[name], params={**of_track[name].params, **setting})
        found = []
        for source, other in (SEEDS, SEEDS[::-1]):
            made = crafting.craft(
                networks[source],
                attack,
                attack.spec(TRACK.name),
                validation,
                permutation=suite.permutation,
                device=CPU,
            )
            wrong = scoring.score(networks[other], made.images, CPU).prediction != made.label
            found.append(torch.stack([wrong.float().mean(), made.fooled.float().mean(), made.l2.median()]))
        err, source_err, l2 = torch.stack(found).mean(dim=0).tolist()
        shown = " ".join(
            f"{key}={','.join(value) if isinstance(value, list) else value}" for key, value in setting.items()
        )
        yield [attack.title, shown, f"{100 * err:.1f}", f"{100 * source_err:.1f}", f"{l2:.2f}"]


def main() -> None:
    """Print the table as CSV."""
    torch.set_num_threads(2)
    splits = data.load(TRACK.dataset, Path(sys.argv[1])).splits
    validation = LabelledImages(splits["validation"].images[:IMAGES], splits["validation"].labels[:IMAGES])
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["attack", "setting", "Err of the other network, %", "Err of the attacked one, %", "median L2"])
    for row in rows(splits["train"], validation):
        out.writerow(row)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
