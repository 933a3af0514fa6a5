"""How much work a job is, and how long that takes on this device."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import defenses
from bench import codedigest, fitting, seeding, training
from bench.errors import BenchError
from bench.exact import exact
from bench.fitting import TRAINING_WORK
from bench.memory import is_lack_of_memory
from bench.plan import NAIVE, CraftTask, FitTask, Job
from bench.trackdata import TrackData
from bench.tracks import Track
from defenses.base import Defense

PASSED = 256  # images, the most of one try of forward passes
TRAINED_BATCHES = 2  # batches of the recipe's size, the most of one try of training
FIRST = 4  # images of the first tries on a CPU; the others have as many as it can do
LONGEST = 1.0  # seconds that such a later try may take
PROBE_SECONDS = 0.3  # in which it is tried again


@dataclass(frozen=True)
class Load:
    """How much a job is: its work, about so many forward passes of the track's network, and about how many seconds."""

    work: float
    seconds: float


def loads(jobs: Sequence[Job], track: Track, data: TrackData, device: torch.device) -> dict[str, Load]:
    """Return how much each of a track's jobs is, by key.

    A fit goes at the rate of training, all else at that of forward passes, tried for a moment on an untrained network.
    Raises ``BenchError`` where the device's memory does not suffice for that.
    """
    fits = {job.key for job in jobs if isinstance(job.task, FitTask)}
    try:  # seconds for the work of a forward pass
        trained = 1 / (TRAINING_WORK * training_rate(track, device)) if fits else 0.0
        passed = 1 / passing_rate(track, device) if len(fits) < len(jobs) else 0.0
    except RuntimeError as error:
        if not is_lack_of_memory(error):
            raise
        raise BenchError(
            f"the memory of {device} does not suffice for a batch of '{track.name}' with {track.architecture}: use "
            "--device cpu, or a smaller --architecture"
        ) from error
    works = {job.key: work(job, data) for job in jobs}
    return {key: Load(much, much * (trained if key in fits else passed)) for key, much in works.items()}


def urgency(jobs: Sequence[Job], loads: Mapping[str, Load]) -> dict[str, float]:
    """Return by key how many seconds the longest chain of jobs takes that begins with a job, of those that have a load.

    Each of ``jobs`` stands after its inputs.
    Where several processes share the jobs, the end comes soonest if none waits for such a chain that began late.
    """
    after = dict.fromkeys(loads, 0.0)
    found: dict[str, float] = {}
    for job in reversed(jobs):
        if job.key in loads:
            found[job.key] = loads[job.key].seconds + after[job.key]
            for needed in job.inputs.values():
                if needed.key in after:
                    after[needed.key] = max(after[needed.key], found[job.key])
    return found


def work(job: Job, data: TrackData) -> float:
    """Return about how many forward passes of the track's network a job costs."""
    task = job.task
    if isinstance(task, FitTask):
        epochs = task.track.recipe.epochs
        if not asks_for(task.defense, "train_network"):  # what trains by itself has a network about as costly
            return len(data.train) * (TRAINING_WORK * epochs if asks_for(task.defense, "backward") else 1)
        dustbin = 0.0 if task.defense == NAIVE else len(data.out_train) + task.track.interpolated * len(data.train)
        return TRAINING_WORK * epochs * (len(data.train) + dustbin)
    if isinstance(task, CraftTask):
        if task.attack.control is not None:
            return len(data.test)
        spec = task.attack.spec(task.track.name)
        handed = min(data.of_share(task.attack.images) or len(data.test), len(data.test))
        return spec.work * handed * max(len(spec.targets), 1)
    return len(data.out_tests[task.out]) if task.out is not None else len(data.test)


def asks_for(defense: str, attribute: str) -> bool:
    """Return whether a defense's code has an expression with that attribute of something.

    A module of another defense, which it does not descend from but borrows a function of, does not count.
    """
    made = defenses.load(defense)
    own = {cls.__module__ for cls in made.__mro__}
    return any(
        module in own or not defines_a_defense(module) for module in codedigest.asking(made.__module__, attribute)
    )


def defines_a_defense(module: str) -> bool:
    """Return whether a module, if it was imported, has a defense's class of its own."""
    found = vars(sys.modules[module]).values() if module in sys.modules else ()
    return any(isinstance(value, type) and issubclass(value, Defense) and value.__module__ == module for value in found)


def training_rate(track: Track, device: torch.device) -> float:
    """Return how many images a second this device trains on, by the steps of a training as a fit has it."""
    recipe = track.recipe
    most = TRAINED_BATCHES * recipe.batch_size
    with seeding.stream(0), exact():
        network = fitting.network_factory(track)(track.classes).to(device).train()
        optimizer, _ = training.stepping(network, recipe, TRAINED_BATCHES)
        images, labels = pictures(track, most, device), torch.randint(track.classes, (most,), device=device)
        step = training.stepper(network, optimizer, images, labels, recipe=recipe, batch_hook=None)

        def train(count: int) -> None:
            losses = [step(rows) for rows in torch.arange(count, device=device).split(recipe.batch_size)]
            losses[-1].item()

        return rate(train, most, recipe.batch_size, device)


def passing_rate(track: Track, device: torch.device) -> float:
    """Return how many forward passes a second this device does, as attacks and scores have them."""
    with seeding.stream(0), exact(), torch.no_grad():
        network = fitting.network_factory(track)(track.classes).to(device).eval()
        images = pictures(track, PASSED, device)
        return rate(lambda count: network(images[:count]).sum().item(), PASSED, PASSED, device)


def pictures(track: Track, count: int, device: torch.device) -> Tensor:
    """Return noise of the shape of a track's images, ``(count, C, H, W)`` in [0, 1]."""
    return torch.rand(count, track.channels, track.side, track.side, device=device)


def rate(take: Callable[[int], object], most: int, batch: int, device: torch.device) -> float:
    """Return how many images a second ``take`` does, which is given how many: ``most``, in batches of ``batch``.

    A CPU on which so many would take long is given fewer. A step on a GPU is recorded for whole batches, within the
    first few tries of many, and the median leaves these out.
    """
    count = most
    if device.type == "cpu":
        count = min(FIRST, most)
        take(count)  # libraries set themselves up
        count = min(max(int(count * LONGEST / seconds_of(take, count)), count), most)
        count -= count % batch if count > batch else 0
    else:
        take(count)
    start, found = time.perf_counter(), list[float]()
    while not found or time.perf_counter() - start < PROBE_SECONDS:
        found.append(seconds_of(take, count))
    return count / statistics.median_low(found)


def seconds_of(take: Callable[[int], object], count: int) -> float:
    """Return how long ``take`` takes with that many images."""
    start = time.perf_counter()
    take(count)
    return time.perf_counter() - start


def spoken(seconds: float) -> str:
    """Return a duration as people say it, to about two digits."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {max(seconds, 1):.0f} seconds"
