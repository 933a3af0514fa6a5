"""Times training steps of several small networks at once, by ``torch.func``, beside one after the other.

    python docs/trials/training_together.py > docs/trials/training_together.csv

The network is the plain cuda-convnet of ``tests/speed``, since ours has a backward pass of its own, which ``vmap``
cannot see through; both ways run it in bf16 on random images, 128 a network and step, and leave the optimizer out.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.speed.plain import plain_convnet

SIDE, CLASSES, BATCH = 28, 10, 128
COUNTS = (2, 4)  # networks
ROUNDS, STEPS = 7, 10


def in_turn(count: int) -> Callable[[], None]:
    """Return what takes the gradients of one network after the other."""
    networks = [plain_convnet(1, SIDE, CLASSES) for _ in range(count)]
    images, labels = torch.rand(BATCH, 1, SIDE, SIDE), torch.randint(CLASSES, (BATCH,))

    def step() -> None:
        for network in networks:
            with torch.autocast("cpu", torch.bfloat16):
                loss = functional.cross_entropy(network(images), labels)
            torch.autograd.grad(loss, list(network.parameters()))

    return step


def together(count: int) -> Callable[[], None]:
    """Return what takes the gradients of as many networks at once."""
    networks = [plain_convnet(1, SIDE, CLASSES) for _ in range(count)]
    stacked, buffers = stack_module_state(networks)
    empty = deepcopy(networks[0]).to("meta")
    images, labels = torch.rand(BATCH, 1, SIDE, SIDE), torch.randint(CLASSES, (BATCH,))

    def loss(parameters: dict[str, Tensor], held: dict[str, Tensor]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return functional.cross_entropy(functional_call(empty, (parameters, held), (images,)), labels)

    gradients = vmap(grad(loss), randomness="different")
    return lambda: gradients(stacked, buffers)


def seconds(work: Callable[[], None]) -> float:
    """Return the seconds of a step, as a mean over a few."""
    start = time.perf_counter()
    for _ in range(STEPS):
        work()
    return (time.perf_counter() - start) / STEPS


def main() -> None:
    """Print the table as CSV."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["networks", "one after the other, ms", "together, ms", "times as long together"])
    for count in COUNTS:
        ways = (in_turn(count), together(count))
        for work in ways:
            work()
        times = [tuple(seconds(work) for work in ways) for _ in range(ROUNDS)]
        turn, one = (median(column) for column in zip(*times, strict=True))
        ratio = median(both / alone for alone, both in times)
        writer.writerow([count, f"{1000 * turn:.1f}", f"{1000 * one:.1f}", f"{ratio:.2f}"])


if __name__ == "__main__":
    main()
