"""Records what a step launches on a GPU and replays it: launches cost more there than what small networks compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")

WARM_UPS = 3
"""Steps taken as they are before one is recorded: libraries set themselves up in the first ones."""


_OFF = ContextVar("off", default=False)


@contextmanager
def off() -> Iterator[None]:
    """Run a block in which every step is called: what looks at operations, a profiler say, sees none of a recording."""
    before = _OFF.set(True)
    try:
        yield
    finally:
        _OFF.reset(before)


@dataclass(frozen=True)
class _Recording(Generic[T]):
    """A recorded step, with the tensors that it takes its argument from and leaves its result in."""

    graph: torch.cuda.CUDAGraph
    given: Tensor
    result: T

    def replay(self, given: Tensor) -> T:
        """Take the step with ``given``."""
        self.given.copy_(given)
        self.graph.replay()
        return self.result


class Replayed(Generic[T]):
    """A step whose launches on a GPU are recorded once, as a CUDA graph, and replayed; elsewhere it is just called.

    ``step`` takes one tensor. Between calls of one shape it must do the same operations on the same tensors, apart from
    its argument, and leave nothing behind but what it writes into tensors in place. What it returns is overwritten by
    the next call. Numbers drawn at random are others each time, as without recording. A step that cannot be recorded,
    one that takes a value to the host say, is called every time; so is one of another shape than the recorded.
    """

    def __init__(self, step: Callable[[Tensor], T]) -> None:
        self._step = step
        self._shape: torch.Size | None = None
        self._warm_ups = WARM_UPS
        self._refused = False
        self._stream: torch.cuda.Stream | None = None
        self._recording: _Recording[T] | None = None

    def __call__(self, given: Tensor) -> T:
        """Take a step with ``given``."""
        if self._shape is None:
            self._shape = given.shape
        if not given.is_cuda or given.shape != self._shape or self._refused or _OFF.get():
            return self._step(given)
        if self._recording is None:
            with self._aside(given.device):
                if self._warm_ups:
                    self._warm_ups -= 1
                    return self._warm_up(given)
                self._recording = record(self._step, given)
            self._refused = self._recording is None
            return self(given)
        return self._recording.replay(given)

    @contextmanager
    def _aside(self, device: torch.device) -> Iterator[None]:
        """Run a block on a stream of the step's own: what is recorded must be on another than the usual one."""
        if self._stream is None:
            self._stream = torch.cuda.Stream(device)
        usual = torch.cuda.current_stream(device)
        self._stream.wait_stream(usual)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            usual.wait_stream(self._stream)

    def _warm_up(self, given: Tensor) -> T:
        """Take a step, and refuse to record others where it waits for the GPU."""
        with waits() as met:
            result = self._step(given)
        self._refused = self._refused or bool(met)
        return result


@contextmanager
def waits() -> Iterator[list[str]]:
    """Give a list that holds, after the block, what torch says of its operations that wait for the GPU."""
    met: list[str] = []
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield met
        finally:
            torch.cuda.set_sync_debug_mode(before)
    for warning in caught:
        if "synchronizing CUDA operation" in str(warning.message):
            met.append(str(warning.message))
        elif "prototype" not in str(warning.message):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def record(step: Callable[[Tensor], T], given: Tensor) -> _Recording[T] | None:
    """Record a step, which so is not taken yet, on the stream at hand; return ``None`` where it cannot be recorded.

    A recording has memory of its own, and gets none that lies free elsewhere: where it lacks some, the step may well do
    without being recorded.
    """
    graph, kept = torch.cuda.CUDAGraph(), given.clone()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The CUDA Graph is empty")  # said where the first operation fails
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                result = step(kept)
            finally:
                graph.capture_end()
    except RuntimeError:
        del graph
        torch.cuda.empty_cache()
        end_recording(given)
        return None
    return _Recording(graph, kept, result)


def end_recording(given: Tensor) -> None:
    """Let random numbers be drawn as usual again after a recording that failed: torch 2.11 takes it to go on."""
    graph = torch.cuda.CUDAGraph()
    graph.capture_begin(capture_error_mode="thread_local")
    given.clone()
    graph.capture_end()
