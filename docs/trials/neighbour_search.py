"""Times the search for each source image's nearest image of another class, in feature space and among the pixels.

    python docs/trials/neighbour_search.py > docs/trials/neighbour_search.csv

Images, features and networks are random: none changes how long a search takes. Training images and dimensions are those
of the tracks, of the sources and of the images that the network must first be shown a part, told as the whole: both
times are proportional to their number. The pieces of work take turns. With one thread.
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
SEARCHED, SHOWN = 500, 500  # sources searched for, images shown to the network
ROUNDS = 5
CPU = torch.device("cpu")


def seconds(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rows(track: Track, count: int) -> Iterator[list[object]]:
    """Yield a row for each space: dimensions, seconds of the search and of the pass before it, and both in ratio."""
    torch.manual_seed(0)
    images = torch.rand(count, track.channels, track.side, track.side)
    labels = torch.arange(count) % track.classes
    network = fitting.network_factory(track)(track.classes).eval()
    show = partial(in_batches, network.features, images[:SHOWN], CPU)
    spaces = {"features": torch.rand(count, show().shape[1]), "pixels": images.flatten(1)}
    searches = {
        name: partial(nearest_foreign, points, labels, torch.arange(SEARCHED)) for name, points in spaces.items()
    }
    taken: dict[str, list[float]] = {name: [] for name in (*spaces, "pass")}
    for _ in range(ROUNDS):
        for name, search in searches.items():
            taken[name].append(seconds(search))
        taken["pass"].append(seconds(show))
    sources = round(track.interpolated * count)
    searched = {name: statistics.median(taken[name]) * sources / SEARCHED for name in spaces}
    before = {"features": statistics.median(taken["pass"]) * count / SHOWN, "pixels": 0.0}
    usual = searched["features"] + before["features"]
    for name, points in spaces.items():
        both = searched[name] + before[name]
        yield [track.name, name, points.shape[1], f"{searched[name]:.0f}", f"{before[name]:.0f}", f"{both / usual:.2f}"]


def main() -> None:
    """Print the table as CSV."""
    torch.set_num_threads(1)
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["track", "space", "dimensions", "search, s", "network's pass, s", "both, × features'"])
    for name, count in IMAGES.items():
        for row in rows(TRACKS[name], count):
            out.writerow(row)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
