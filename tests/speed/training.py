"""Times our training beside a plain torch loop's, in turn: ``python -m tests.speed.training``, or ``nox -s peers``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from bench import seeding, trackdata
from bench.data import default_dir
from bench.fitting import network_factory
from bench.trackdata import TrackData
from bench.tracks import TRACKS, Track
from bench.training import train
from leaderboard import peers_page
from leaderboard.output import write
from tests.speed.machine import machine
from tests.speed.plain import plain_accuracy, plain_convnet, plain_training

CPU = torch.device("cpu")
SEED = 31337  # of the first trained network: no track uses it
OURS, PLAIN = "rejectbench", "plain torch, float32"


def our_way(track: Track, data: TrackData, seed: int) -> Callable[[], float]:
    """Return what trains a network as the track's fits do and gives its accuracy on the test images."""
    with seeding.stream(seed):
        network = network_factory(track)(track.classes)
    network.centre_on(data.train.images)

    def run() -> float:
        train(network, data.train.images, data.train.labels, recipe=track.recipe, seed=seed, device=CPU)
        return plain_accuracy(network, data.test.images, data.test.labels)

    return run


def plain_way(track: Track, data: TrackData, seed: int) -> Callable[[], float]:
    """Return what trains the same architecture by a plain loop with the same recipe, in float32, and gives the same."""
    torch.manual_seed(seed)
    network = plain_convnet(track.channels, track.side, track.classes)
    mean = data.train.images.mean(dim=(0, 2, 3), keepdim=True)

    def centred(images: Tensor) -> Tensor:
        return images - mean

    def run() -> float:
        plain_training(network, centred(data.train.images), data.train.labels, track.recipe, seed)
        return plain_accuracy(network, centred(data.test.images), data.test.labels)

    return run


def main() -> int:
    """Train by both ways from several seeds in turn; write the figures, and the page beside them anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures")
    parser.add_argument("--data-dir", type=Path, default=default_dir())
    parser.add_argument("--track", default="mnist", choices=["mnist", "digits"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    chosen = TRACKS[given.track]
    track = replace(chosen, recipe=replace(chosen.recipe, epochs=given.epochs))
    data = trackdata.assemble(track, given.data_dir, None)
    ways = {OURS: our_way, PLAIN: plain_way}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    accuracies: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(given.seeds):
        for name in ways if number % 2 else reversed(ways):
            run = ways[name](track, data, SEED + number)
            start = time.perf_counter()
            accuracy = run()
            seconds = time.perf_counter() - start
            rates[name].append(given.epochs * len(data.train) / seconds)
            accuracies[name].append(accuracy)
            sys.stdout.write(f"{name}: {seconds:.1f} s, accuracy {accuracy:.4f}\n")
            sys.stdout.flush()
    found = {
        "track": given.track,
        "epochs": given.epochs,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(CPU),
        "rows": [{"loop": name, "images_per_s": rates[name], "accuracy": accuracies[name]} for name in ways],
    }
    write(given.out / peers_page.TRAINING, (json.dumps(found, indent=1) + "\n").encode())
    if (given.out / peers_page.FIGURES).exists():
        peers_page.write_page(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
