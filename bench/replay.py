"""Records what a step launches on a GPU and replays it: launches cost more there than what small networks compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.memory import is_lack_of_memory

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
class _Recording:
    """A recorded step, with the tensors that it takes its argument from and leaves its result in."""

    graph: torch.cuda.CUDAGraph
    given: Tensor
    result: Tensor

    def replay(self, given: Tensor) -> Tensor:
        """Take the step with ``given``."""
        self.given.copy_(given)
        self.graph.replay()
        return self.result


class Replayed:
    """A step whose launches on a GPU are recorded once, as a CUDA graph, and replayed; elsewhere it is just called.

    ``step`` takes one tensor and returns one. Between calls of one shape it must do the same operations on
    the same tensors, apart from its argument, and leave nothing behind but what it writes into tensors in place. What
    it returns is overwritten by the next call. Numbers drawn at random are others each time, as without recording. A
    step that cannot be recorded, one that takes a value to the host say, is called every time; so is one of another
    shape than the recorded.
    """

    def __init__(self, step: Callable[[Tensor], Tensor]) -> None:
        self._step = step
        self._shape: torch.Size | None = None
        self._warm_ups = WARM_UPS
        self._refused = False
        self._recording: _Recording | None = None

    @property
    def recorded(self) -> bool:
        """Whether calls are replayed."""
        return self._recording is not None

    def __call__(self, given: Tensor) -> Tensor:
        """Take a step with ``given``."""
        if self._shape is None:
            self._shape = given.shape
        if not given.is_cuda or given.shape != self._shape or self._refused or _OFF.get():
            return self._step(given)
        if self._warm_ups:
            self._warm_ups -= 1
            return self._aside(given)
        if self._recording is None:
            self._recording = self._record(given)
            self._refused = self._recording is None
            return self(given)
        return self._recording.replay(given)

    def _aside(self, given: Tensor) -> Tensor:
        """Take a step on a stream of its own, as one that is recorded must be."""
        here, stream = torch.cuda.current_stream(given.device), torch.cuda.Stream(given.device)
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            result = self._step(given)
        here.wait_stream(stream)
        return result

    def _record(self, given: Tensor) -> _Recording | None:
        """Record a step, which so is not taken yet; return ``None`` where it cannot be recorded."""
        graph, kept = torch.cuda.CUDAGraph(), given.clone()
        here, stream = torch.cuda.current_stream(given.device), torch.cuda.Stream(given.device)
        stream.wait_stream(here)
        try:
            with torch.cuda.stream(stream):
                graph.capture_begin(capture_error_mode="thread_local")
                try:
                    result = self._step(kept)
                finally:
                    graph.capture_end()
        except RuntimeError as error:
            if is_lack_of_memory(error):
                raise
            return None
        finally:
            here.wait_stream(stream)
        return _Recording(graph, kept, result)
