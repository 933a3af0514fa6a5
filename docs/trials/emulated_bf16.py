"""Times training in bf16 beside training in float32, one epoch of each in turn.

    python docs/trials/emulated_bf16.py > docs/trials/emulated_bf16.csv

The images are noise, the recipes those of the tracks that ask for bf16. On a CPU, with one thread.
"""

from __future__ import annotations

import csv
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from bench import precision, seeding
from bench.tracks import TRACKS, Precision, Track

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.speed.device import fresh, train

CPU = torch.device("cpu")
IMAGES = {"mnist": 2560, "cifar10": 256}  # of an epoch
ROUNDS = 7  # epochs in each, after one that warms up


def row(track: Track, count: int) -> list[object]:
    """Return how many times as fast float32 is as bf16: the median, the least and the most of the rounds."""
    noise = seeding.generator(0)
    images = torch.rand(count, track.channels, track.side, track.side, generator=noise)
    labels = torch.randint(track.classes, (count,), generator=noise)

    def epoch(name: Precision) -> float:
        recipe = replace(precision.in_precision(track, name).recipe, epochs=1)
        network = fresh(track, images)
        start = time.perf_counter()
        train(network, images, labels, recipe)
        return time.perf_counter() - start

    seconds = [(epoch("bf16"), epoch("float32")) for _ in range(1 + ROUNDS)][1:]
    ratios = sorted(one / two for one, two in seconds)
    return [track.name, f"{median(ratios):.2f}", f"{ratios[0]:.2f} to {ratios[-1]:.2f}"]


def main() -> None:
    """Print the table as CSV, with whether this CPU has instructions for bf16."""
    torch.set_num_threads(1)
    out = csv.writer(sys.stdout, lineterminator="\n")
    has = "with" if precision.has_bf16(CPU) else "without"
    out.writerow(["track", f"times as fast in float32, on a CPU {has} instructions for bf16", "round by round"])
    for name, count in IMAGES.items():
        out.writerow(row(TRACKS[name], count))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
