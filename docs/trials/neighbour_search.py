"""Times the search for each source image's nearest image of another class, in feature space and among the pixels.

    python docs/trials/neighbour_search.py > docs/trials/neighbour_search.csv

The images and the networks are random: neither changes how long a search takes. Sources, training images and
dimensions are those of the tracks. The two searches take turns; the features' own pass is told beside them. With one
thread.
"""

from __future__ import annotations

import csv
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch

from bench import fitting
from bench.tracks import TRACKS, Track
from defenses.base import in_batches
from defenses.ood_interp import nearest_foreign

IMAGES = {"mnist": 50_000, "cifar10": 49_000}  # in the training split
SOURCES = 1_500  # a tenth of those of a run: the time is proportional
ROUNDS = 5
CPU = torch.device("cpu")


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rows(track: Track, count: int) -> Iterator[list[object]]:
    """Yield a row for each space: dimensions, median seconds of a search, of the pass before it, and the ratio."""
    torch.manual_seed(0)
    images = torch.rand(count, track.channels, track.side, track.side)
    labels = torch.arange(count) % track.classes
    network = fitting.network_factory(track)(track.classes).eval()
    sources = torch.arange(SOURCES)
    start = time.perf_counter()
    features = in_batches(network.features, images, CPU)
    extraction = time.perf_counter() - start
    spaces = {"features": features, "pixels": images.flatten(1)}
    taken: dict[str, list[float]] = {name: [] for name in spaces}
    for _ in range(ROUNDS):
        for name, points in spaces.items():
            taken[name].append(seconds(partial(nearest_foreign, points, labels, sources)))
    usual = statistics.median(taken["features"])
    for name, points in spaces.items():
        search = statistics.median(taken[name])
        before = f"{extraction:.1f}" if name == "features" else "0.0"
        yield [track.name, name, points.shape[1], f"{search:.2f}", before, f"{search / usual:.2f}"]


def main() -> None:
    """Print the table as CSV."""
    torch.set_num_threads(1)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["track", "space", "dimensions", "search, s", "features' pass, s", "search, × features'"])
    for name, count in IMAGES.items():
        for row in rows(TRACKS[name], count):
            out.writerow(row)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
