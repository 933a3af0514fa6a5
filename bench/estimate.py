"""How much work a job is, and how fast this device does it."""

from __future__ import annotations

import time

import torch

from bench import fitting
from bench.exact import exact
from bench.fitting import TRAINING_WORK
from bench.plan import CraftTask, FitTask, Job
from bench.trackdata import TrackData
from bench.tracks import Track

PROBE_BATCH = 256  # images
PROBE_SECONDS = 0.3


def work(job: Job, data: TrackData) -> float:
    """Return about how many forward passes of the track's network a job costs."""
    task = job.task
    if isinstance(task, FitTask):
        dustbin = len(data.out_train) + task.track.interpolated * len(data.train)
        return TRAINING_WORK * task.track.recipe.epochs * (len(data.train) + dustbin)
    if isinstance(task, CraftTask):
        if task.attack.control is not None:
            return len(data.test)
        spec = task.attack.spec(task.track.name)
        handed = min(data.of_share(task.attack.images) or len(data.test), len(data.test))
        return spec.work * handed * max(len(spec.targets), 1)
    return len(data.out_tests[task.out]) if task.out is not None else len(data.test)


def rate(track: Track, device: torch.device) -> float:
    """Return how many forward passes a second this device does, tried for a moment on an untrained network."""
    network = fitting.network_factory(track)(track.classes).to(device).eval()
    images = torch.rand(PROBE_BATCH, track.channels, track.side, track.side, device=device)
    with torch.no_grad(), exact():
        network(images).sum().item()
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < PROBE_SECONDS:
            network(images).sum().item()
            done += len(images)
    return done / (time.perf_counter() - start)


def spoken(seconds: float) -> str:
    """Return a duration as people say it, to about two digits."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"about {seconds / size:.0f} {unit}"
    return f"about {max(seconds, 1):.0f} seconds"
