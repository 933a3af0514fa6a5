"""Measures what training reaches on a device, and what bounds it: ``python -m tests.speed.device --out FOLDER``.

The images are noise: how fast training is depends on their shape and number alone, and so needs no data set.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from torch import Tensor
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

from bench import models, precision, seeding, training
from bench.replay import off
from bench.tracks import TRACKS, Recipe, Track
from defenses.base import Network
from leaderboard.device_page import NAME, REST, write_pages
from leaderboard.output import write
from tests.speed.machine import machine

SEED = 7
STEPS = 20  # training steps that are profiled
PRODUCTS = 20  # square matrix products, of which the fastest is the peak
SIDES = {"cuda": 8192, "cpu": 1024}  # of their matrices

PARTS = {
    "convolutions and matrix products": r"aten::\w*(conv|mm|matmul)|aten::linear",
    "normalisation": r"aten::\w*(batch|group|instance|layer)_norm|_Normalise",
    "pooling": r"aten::\w*pool",
    "optimizer": r"Optimizer\.",
}
"""What the time of training goes into, and how the names of its operations begin; all others are the rest."""

RANGES = r"_Normalise|Optimizer\."  # of operations that elsewhere count as pooling or as the rest


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the figures and the page made of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the figures and their page")
    parser.add_argument("--device", default="cuda", choices=list(SIDES))
    parser.add_argument("--track", default="cifar10", choices=list(TRACKS))
    parser.add_argument("--images", type=int, default=25_600, help="of an epoch")
    parser.add_argument("--epochs-timed", type=int, default=3, help="after one that warms up")
    parser.add_argument("--compile", action="store_true", help="time torch.compile too; it wants a compiler")
    given = parser.parse_args(arguments)
    if given.images < 1 or given.epochs_timed < 1:
        parser.error("--images and --epochs-timed must be 1 or more")
    device = torch.device(given.device)
    track = precision.on(TRACKS[given.track], device)
    figures = measured(track, given.images, given.epochs_timed, device, compiled=given.compile)
    name = NAME.replace("*", f"{given.track}-{given.device}")
    write(given.out / name, (json.dumps(figures, indent=1) + "\n").encode())
    sys.stdout.write("\n".join(write_pages(given.out)))
    return 0


def measured(track: Track, count: int, epochs: int, device: torch.device, *, compiled: bool) -> dict[str, Any]:
    """Return all figures of training a track's network on ``count`` images for that many epochs after the first.

    Where ``compiled``, a network under ``torch.compile`` is trained as often, after all else.
    """
    noise, recipe = seeding.generator(SEED), track.recipe
    pixels = torch.randint(256, (count, track.channels, track.side, track.side), generator=noise, dtype=torch.uint8)
    # On the device from the start: else the way there would be part of the few steps that are profiled.
    images = (pixels.float() / 255).to(device)
    labels = torch.randint(track.classes, (count,), generator=noise).to(device)
    network = fresh(track, images)
    seconds = epoch_seconds(network, images, labels, recipe, epochs)
    on_gpu = device.type == "cuda"
    with off():
        launched = epoch_seconds(fresh(track, images), images, labels, recipe, epochs) if on_gpu else []
    batch, some = slice(recipe.batch_size), slice(STEPS * recipe.batch_size)
    with FlopCounterMode(display=False) as counter:  # two for a multiplication with its addition
        train(network, images[batch], labels[batch], replace(recipe, epochs=1))
    flops = counter.get_total_flops() / len(images[batch])
    spent, total = profiled(network, images[some], labels[some], recipe)
    rate, peak = count / median(seconds), peak_rate(recipe, device)
    # A profiler slows the host but not the GPU, whose busy time so belongs beside the wall time without a profiler.
    idle = max(0.0, 1 - rate * total / len(images[some])) if on_gpu else None
    others, failed = compiled_seconds(track, images, labels, epochs) if compiled else ([], "")
    return (
        {"created": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(device), "track": track.name}
        | {"architecture": track.architecture, "precision": recipe.precision, "batch_size": recipe.batch_size}
        | {"images": count, "epoch_seconds": seconds, "images_per_second": rate, "flops_per_image": flops}
        | {"launched_epoch_seconds": launched, "replay_gain": median(launched) / median(seconds) if launched else None}
        | {"compiled_epoch_seconds": others, "compiled_gain": median(seconds) / median(others) if others else None}
        | {"compile_failed": failed}
        | {"tflops": rate * flops / 1e12, "peak_tflops": peak / 1e12, "share_of_peak": rate * flops / peak}
        | {"peak_side": SIDES[device.type], "profiled_images": len(images[some]), "profiled_seconds": total}
        | {"shares": {part: own / total for part, own in spent.items()}, "idle": idle}
    )


def fresh(track: Track, images: Tensor) -> Network:
    """Return an untrained network of a track's architecture."""
    with seeding.stream(SEED):
        network = models.create(track.architecture, channels=track.channels, side=track.side, outputs=track.classes)
    network.centre_on(images)
    return network


def under_compile(network: Network) -> Network:
    """Return a network whose passes ``torch.compile`` compiles when they are first made."""
    return cast(Network, torch.compile(network))


def epoch_seconds(network: Network, images: Tensor, labels: Tensor, recipe: Recipe, epochs: int) -> list[float]:
    """Return the seconds of so many epochs of training, after a first that warms up and, if need be, compiles."""
    ends = train(network, images, labels, replace(recipe, epochs=1 + epochs))
    return [end - start for start, end in pairwise(ends)]


def compiled_seconds(track: Track, images: Tensor, labels: Tensor, epochs: int) -> tuple[list[float], str]:
    """Return the seconds of so many epochs under ``torch.compile``, or none and why it failed."""
    try:
        return epoch_seconds(under_compile(fresh(track, images)), images, labels, track.recipe, epochs), ""
    except Exception as error:  # noqa: BLE001  whatever a compiler may lack, the other figures stand
        return [], f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def clock(device: torch.device) -> float:
    """Return the time, s, at which the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def train(
    network: Network, images: Tensor, labels: Tensor, recipe: Recipe, ended: Callable[[int], None] = lambda _: None
) -> list[float]:
    """Train as the harness does and return the times, s, when epochs were done; tell ``ended`` how many are."""
    done, ends = 0, []

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if done % len(images) == 0:
            ends.append(clock(images.device))
            ended(len(ends))

    training.train(network, images, labels, recipe=recipe, seed=SEED, device=images.device, advance=advance)
    return ends


def peak_rate(recipe: Recipe, device: torch.device) -> float:
    """Return the FLOP/s of the fastest of several large square matrix products in a recipe's precision.

    In float32, convolutions may reach more: on a GPU they use TF32, on a CPU another library than products do.
    """
    side, precision = SIDES[device.type], torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    one, other = torch.randn(2, side, side, device=device, dtype=precision)
    ends = [clock(device)]
    for _ in range(PRODUCTS):
        torch.mm(one, other)
        ends.append(clock(device))
    return 2 * side**3 / min(end - start for start, end in pairwise(ends))


def profiled(network: Network, images: Tensor, labels: Tensor, recipe: Recipe) -> tuple[dict[str, float], float]:
    """Return the device's seconds in each part of an epoch, and in all."""
    profiler = profile()

    def switch(epochs: int) -> None:
        # Not over the first epoch, whose first step makes the optimizer's state.
        profiler.start() if epochs == 1 else profiler.stop()

    with off():  # of what is replayed a profiler cannot tell which operation it comes from
        train(network, images, labels, replace(recipe, epochs=2), switch)
    return by_part(profiler.events(), on_gpu=images.device.type == "cuda")


def by_part(events: Iterable[Any], *, on_gpu: bool) -> tuple[dict[str, float], float]:
    """Return the seconds of a GPU's kernels, by what launched them, or of a CPU's operations, by part and in all."""
    spent, total = dict.fromkeys((*PARTS, REST), 0.0), 0.0
    for event in events:
        if on_gpu and event.is_user_annotation:
            continue  # a range with a name, the optimizer's step say: its kernels count by themselves
        seconds = (event.self_device_time_total if on_gpu else event.self_cpu_time_total) / 1e6
        of_host = event.device_type.name == "CPU"
        if of_host:
            spent[part_of(event)] += seconds
        if of_host != on_gpu:
            total += seconds
    spent[REST] = total - sum(spent[part] for part in PARTS)  # with what nothing is known to have launched
    return spent, total


def part_of(event: Any) -> str:
    """Return the part that an operation belongs to: by a range that it lies in, else by its own name."""
    name, above = event.name, event.cpu_parent
    while above is not None:
        name, above = above.name if re.match(RANGES, above.name) else name, above.cpu_parent
    return next((part for part, names in PARTS.items() if re.match(names, name)), REST)


if __name__ == "__main__":
    sys.exit(main())
