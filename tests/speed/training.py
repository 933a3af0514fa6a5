"""Times our training beside a plain torch loop's, in turn: ``python -m tests.speed.training``, or ``nox -s peers``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor, nn

from bench import precision, process, seeding, trackdata
from bench.data import default_dir
from bench.fitting import network_factory
from bench.trackdata import TrackData
from bench.tracks import TRACKS, Track
from bench.training import stepping, train
from leaderboard import peers_page
from leaderboard.output import write
from tests.speed.machine import machine
from tests.speed.plain import plain_accuracy, plain_convnet, plain_training

CPU = torch.device("cpu")
SEED = 31337  # of the first trained network: no track uses it


def our_way(track: Track, data: TrackData, seed: int) -> tuple[float, float]:
    """Train a network as the track's fits do; return the seconds that it took and the accuracy on the test images."""
    with seeding.stream(seed):
        network = network_factory(track)(track.classes)
    network.centre_on(data.train.images)
    stepping(network, track.recipe, 1)  # timm is imported there, once in a process
    return timed(
        lambda: train(network, data.train.images, data.train.labels, recipe=track.recipe, seed=seed, device=CPU),
        lambda trained: plain_accuracy(trained, data.test.images, data.test.labels),
    )


def plain_way(track: Track, data: TrackData, seed: int) -> tuple[float, float]:
    """Train the same architecture by a plain loop with the same recipe, in float32; return the same."""
    torch.manual_seed(seed)
    network = plain_convnet(track.channels, track.side, track.classes)
    mean = data.train.images.mean(dim=(0, 2, 3), keepdim=True)

    def centred(images: Tensor) -> Tensor:
        return images - mean

    images = centred(data.train.images)
    return timed(
        lambda: plain_training(network, images, data.train.labels, track.recipe, seed),
        lambda trained: plain_accuracy(trained, centred(data.test.images), data.test.labels),
    )


def timed(work: Callable[[], nn.Module], judge: Callable[[nn.Module], float]) -> tuple[float, float]:
    """Return the seconds that a training takes, and what is said of the network that comes out."""
    start = time.perf_counter()
    trained = work()
    seconds = time.perf_counter() - start
    return seconds, judge(trained)


WAYS = {
    "rejectbench": (our_way, process.keep_freed_memory),
    "plain torch, float32": (plain_way, None),
    "the same, keeping freed memory": (plain_way, process.keep_freed_memory),
}
"""Who trains, and what prepares the process: ours as the command line does; a plain loop as it is, and likewise."""


@cache
def data_of(name: str, folder: Path) -> TrackData:
    """Return a track's data, read once in a process."""
    return trackdata.assemble(TRACKS[name], folder, None)


def trained(name: str, track: Track, folder: Path, seed: int) -> tuple[float, float]:
    """Train one network in this process; return the seconds and the accuracy."""
    return WAYS[name][0](track, data_of(track.name, folder), seed)


def main() -> int:
    """Train by every way from several seeds in turn; write the figures, and the page beside them anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures")
    parser.add_argument("--data-dir", type=Path, default=default_dir())
    parser.add_argument("--track", default="mnist", choices=["mnist", "digits"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    chosen = precision.on(TRACKS[given.track], CPU)
    track = replace(chosen, recipe=replace(chosen.recipe, epochs=given.epochs))
    images = given.epochs * len(data_of(given.track, given.data_dir).train)
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    accuracies: dict[str, list[float]] = {name: [] for name in WAYS}
    with ExitStack() as stack:
        spawning = get_context("spawn")
        workers = {
            name: stack.enter_context(ProcessPoolExecutor(1, mp_context=spawning, initializer=prepare))
            for name, (_, prepare) in WAYS.items()
        }
        for number in range(given.seeds):
            for name in WAYS if number % 2 else reversed(WAYS):
                seconds, accuracy = workers[name].submit(trained, name, track, given.data_dir, SEED + number).result()
                rates[name].append(images / seconds)
                accuracies[name].append(accuracy)
                sys.stdout.write(f"{name}: {seconds:.1f} s, accuracy {accuracy:.4f}\n")
                sys.stdout.flush()
    found = {
        "track": given.track,
        "epochs": given.epochs,
        "precision": track.recipe.precision,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(CPU),
        "rows": [{"loop": name, "images_per_s": rates[name], "accuracy": accuracies[name]} for name in WAYS],
    }
    write(given.out / peers_page.TRAINING, (json.dumps(found, indent=1) + "\n").encode())
    if (given.out / peers_page.FIGURES).exists():
        peers_page.write_page(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
