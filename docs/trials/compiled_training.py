"""Times training under ``torch.compile`` beside training as it is, one after the other in turn.

    python docs/trials/compiled_training.py > docs/trials/compiled_training.csv

The images are noise, the recipes those of the tracks. On a CPU, with one thread. What compiling takes is the first
epoch's time beyond that of a later one, told in images that plain training takes in the meantime.
"""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from bench.tracks import TRACKS, Track

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.speed.device import fresh, train, under_compile

IMAGES = {"mnist": 1280, "cifar10": 128}  # of an epoch
ROUNDS, EPOCHS = 2, 4  # trainings each way, and epochs of each


def epochs(track: Track, images: Tensor, labels: Tensor, *, compiled: bool) -> list[float]:
    """Return the seconds of every epoch of a training."""
    network = fresh(track, images)
    start = time.perf_counter()
    ends = train(under_compile(network) if compiled else network, images, labels, replace(track.recipe, epochs=EPOCHS))
    return [end - begun for begun, end in pairwise([start, *ends])]


def row(track: Track, count: int) -> list[object]:
    """Return the medians over all epochs but each training's first, and what the first compilation took."""
    torch.manual_seed(0)
    images = torch.rand(count, track.channels, track.side, track.side)
    labels = torch.randint(track.classes, (count,))
    plain: list[float] = []
    compiled: list[float] = []
    compiling = 0.0
    for number in range(ROUNDS):
        plain += epochs(track, images, labels, compiled=False)[1:]
        first, *rest = epochs(track, images, labels, compiled=True)
        compiled += rest
        compiling = first - median(rest) if number == 0 else compiling
    usual, other = median(plain), median(compiled)
    return [track.name, f"{usual / other:.2f}", f"{compiling / usual * count:.0f}"]


def main() -> None:
    """Print the table as CSV."""
    torch.set_num_threads(1)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["track", "times as fast", "images trained on while it compiles"])
    for name, count in IMAGES.items():
        out.writerow(row(TRACKS[name], count))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
