"""Times training under ``torch.compile`` beside training as it is, one after the other in turn.

    python docs/trials/compiled_training.py > docs/trials/compiled_training.csv

The images are noise, the recipes those of the tracks. On a CPU, with one thread. What compiling takes, with nothing
kept from earlier, is how much longer the first epoch takes, told in images that plain training takes in the meantime.
"""

from __future__ import annotations

import csv
import os
import sys
import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from bench import seeding
from bench.tracks import TRACKS, Track

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.speed.device import fresh, train, under_compile

IMAGES = {"mnist": 1280, "cifar10": 384}  # of an epoch
ROUNDS, EPOCHS = 2, 4  # trainings each way, and epochs of each


def epochs(track: Track, images: Tensor, labels: Tensor, *, compiled: bool) -> list[float]:
    """Return the seconds of every epoch of a training."""
    network = fresh(track, images)
    start = time.perf_counter()
    ends = train(under_compile(network) if compiled else network, images, labels, replace(track.recipe, epochs=EPOCHS))
    return [end - begun for begun, end in pairwise([start, *ends])]


def row(track: Track, count: int) -> list[object]:
    """Return the medians over all epochs but each training's first, and what the first compilation took."""
    noise = seeding.generator(0)
    images = torch.rand(count, track.channels, track.side, track.side, generator=noise)
    labels = torch.randint(track.classes, (count,), generator=noise)
    firsts: list[tuple[float, float]] = []
    plain: list[float] = []
    compiled: list[float] = []
    for _ in range(ROUNDS):
        first, *rest = epochs(track, images, labels, compiled=False)
        first_compiled, *rest_compiled = epochs(track, images, labels, compiled=True)
        firsts.append((first, first_compiled))
        plain += rest
        compiled += rest_compiled
    usual, other = median(plain), median(compiled)
    ratios = sorted(one / two for one, two in zip(plain, compiled, strict=True))
    waited = firsts[0][1] - firsts[0][0]
    return [track.name, f"{usual / other:.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}", f"{waited / usual * count:.0f}"]


def main() -> None:
    """Print the table as CSV."""
    torch.set_num_threads(1)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["track", "times as fast", "epoch by epoch", "images trained on while it compiles"])
    with tempfile.TemporaryDirectory() as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty
        for name, count in IMAGES.items():
            out.writerow(row(TRACKS[name], count))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
