"""Times libraries in turn in one setting, and looks at what they made."""

from __future__ import annotations

import gc
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bench.replay import off
from tests.speed.peers.libraries import Call, LacksAttack, Library
from tests.speed.peers.setting import Setting

STATUS = Path("/proc/self/status")
PEAK_RESET = Path("/proc/self/clear_refs")
MEBI = 2**20
SLOW = 3.0  # times as long as the first library, from which on a library is timed in fewer rounds
SLOW_ROUNDS = 2
CALLS = {"cpu": 1, "cuda": 2}  # the first is counted, the last looked at: libraries set themselves up on a GPU
LONG = 5.0  # seconds, of a call that is made but once
ALWAYS = ("Foolbox",)  # timed in every round, since all others are told in its times
BLACK = 1e-6  # the largest pixel value of an image that is black


@dataclass
class Measured:
    """One library's figures for one attack.

    ``success`` is the share of images, 0 .. 1, that end as the attack wants them and are not black; ``l2`` and ``linf``
    are medians over those, in pixel values of [0, 1]; ``forwards`` are images through the network, per image;
    ``memory`` is the peak in MiB above what was in use before, ``None`` where the system does not tell.
    """

    attack: str
    library: str
    version: str | None
    note: str = ""
    first: float = 0.0  # seconds of the call that is not timed
    seconds: list[float] = field(default_factory=list)
    success: float | None = None
    l2: float | None = None
    linf: float | None = None
    forwards: float | None = None
    memory: float | None = None


def measure(
    setting: Setting, libraries: Sequence[Library], rounds: int, left_out: Collection[str] = ()
) -> list[Measured]:
    """Return what each library does in a setting, timed ``rounds`` times in turn after a call that is not timed.

    Those that are slow are timed in the first rounds alone, those left out, ``LIBRARY:ATTACK``, not at all.
    """
    found, calls = [], dict[str, Call]()
    for library in libraries:
        measured = Measured(setting.kind, library.title, library.version, library.notes.get(setting.kind, ""))
        found.append(measured)
        if measured.version is None:
            measured.note = "not installed"
            continue
        if f"{library.title}:{setting.kind}" in left_out:
            measured.note = "left out, to save time"
            continue
        try:
            call = library.prepare(setting)
        except LacksAttack as error:
            measured.note = str(error)
            continue
        with as_called(setting, library):
            look(setting, call, measured)
        calls[library.title] = call
    for number in range(rounds):
        pairs = list(zip(libraries, found, strict=True))
        for library, measured in pairs if number % 2 else reversed(pairs):
            slow = measured.first > SLOW * found[0].first and library.title not in ALWAYS
            if library.title in calls and (number < SLOW_ROUNDS or not slow):
                with as_called(setting, library):
                    measured.seconds.append(timed(setting, calls[library.title]))
    return found


@contextmanager
def as_called(setting: Setting, library: Library) -> Iterator[None]:
    """Run a block with the network's parameters as the library is called with them, and no gradients left over."""
    setting.network.eval().requires_grad_(not library.frozen)
    gc.collect()
    try:
        yield
    finally:
        setting.network.zero_grad(set_to_none=True)


def timed(setting: Setting, call: Call) -> float:
    """Return the seconds of one call."""
    wait(setting)
    start = time.perf_counter()
    call()
    wait(setting)
    return time.perf_counter() - start


def wait(setting: Setting) -> None:
    """Wait until a GPU has done what it was told."""
    if setting.images.is_cuda:
        torch.cuda.synchronize(setting.images.device)


def look(setting: Setting, call: Call, measured: Measured) -> None:
    """Call, counting forward passes and memory, and judge the images."""
    counted = 0

    def count(_: object, inputs: tuple[Tensor, ...]) -> None:
        nonlocal counted
        counted += len(inputs[0])

    hook = setting.network.register_forward_pre_hook(count)
    for number in range(CALLS[setting.images.device.type]):
        before, start = reset_peak(setting), time.perf_counter()
        with off() if number == 0 else nullcontext():  # what is replayed calls no hook
            images = call().detach().to(setting.images)
        hook.remove()
        wait(setting)
        measured.first = time.perf_counter() - start
        if measured.first > LONG:
            break
    peak = peak_memory(setting)
    measured.memory = None if before is None or peak is None else max(0.0, peak - before)
    measured.forwards = counted / len(setting.images)
    with torch.no_grad():
        predicted = setting.network(images).argmax(1)
    fooled = predicted == setting.targets if setting.targeted else predicted != setting.labels
    success = fooled & (images.flatten(1).amax(1) > BLACK)
    measured.success = success.float().mean().item()
    if bool(success.any()):
        moved = (images - setting.images)[success].flatten(1)
        measured.l2 = moved.norm(dim=1).median().item()
        measured.linf = moved.abs().amax(1).median().item()


def reset_peak(setting: Setting) -> float | None:
    """Begin to watch for the peak of memory; return what is in use now, in MiB."""
    if setting.images.is_cuda:
        torch.cuda.reset_peak_memory_stats(setting.images.device)
        return torch.cuda.memory_allocated(setting.images.device) / MEBI
    try:
        PEAK_RESET.write_text("5")
    except OSError:
        return None
    return resident("VmRSS")


def peak_memory(setting: Setting) -> float | None:
    """Return the peak since ``reset_peak``, in MiB."""
    if setting.images.is_cuda:
        return torch.cuda.max_memory_allocated(setting.images.device) / MEBI
    return resident("VmHWM")


def resident(name: str) -> float | None:
    """Return a line of this process's status in MiB, ``None`` where the system has none."""
    if not STATUS.exists():
        return None
    line = next((line for line in STATUS.read_text().splitlines() if line.startswith(name)), None)
    return None if line is None else int(line.split()[1]) / 1024
