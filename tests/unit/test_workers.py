"""How many processes a run takes, and what one that takes part says."""

from multiprocessing import Pipe
from types import SimpleNamespace
from typing import cast

import pytest
import torch

from bench import quota, workers
from bench.plan import Job
from bench.workers import MEMORY, MOST, OFTEN, Aside, count, listen

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("threads", "memory", "processes"),
    [(1, 64, 1), (2, 64, 2), (64, 64, MOST), (8, 2.5, 2), (8, 0.5, 1)],
)
def test_a_cpu_gives_each_process_a_thread_and_memory(
    monkeypatch: pytest.MonkeyPatch, threads: int, memory: float, processes: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(quota, "memory", lambda: int(memory * MEMORY))
    assert count(CPU, None) == processes


def test_a_system_that_does_not_tell_its_memory_gets_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "memory", lambda: None)
    assert count(CPU, None) == 1


def test_a_gpu_is_not_shared_unless_it_is_asked_for() -> None:
    assert count(torch.device("cuda"), None) == 1
    assert count(torch.device("cuda"), 3) == 3
    assert count(CPU, 7) == 7


@pytest.mark.parametrize(("threads", "processes", "share"), [(8, 2, 4), (2, 4, 1), (7, 2, 3)])
def test_the_processes_share_the_threads(
    monkeypatch: pytest.MonkeyPatch, threads: int, processes: int, share: int
) -> None:
    given: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    monkeypatch.setattr(quota, "processors", lambda: None)
    assert workers.sharing_threads(CPU, processes) == processes
    assert given == [share]


@pytest.mark.parametrize(("processors", "threads", "processes"), [(1.5, 2, 2), (0.5, 1, 1), (8.0, 6, MOST)])
def test_a_container_with_less_time_than_the_machine_gets_fewer_threads(
    monkeypatch: pytest.MonkeyPatch, processors: float, threads: int, processes: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    monkeypatch.setattr(quota, "processors", lambda: processors)
    monkeypatch.setattr(quota, "memory", lambda: 64 * MEMORY)
    assert (workers.threads(), count(CPU, None)) == (threads, processes)


def test_the_first_process_hears_how_far_another_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: clock.now))
    first, member = Pipe()
    aside, done = Aside(member), cast("Job", SimpleNamespace(key="a", label="fit a"))
    aside.started(done)
    for seconds in (0.0, OFTEN / 2, OFTEN / 2, OFTEN / 4):
        clock.now += seconds
        aside.advanced(10.0)
    aside.finished(done)
    aside.failed(done, "the first process tries it, too")
    aside.started(done)
    member.close()
    heard: list[tuple[str, float | None]] = []
    listen(first, lambda *told: heard.append(told))  # until the end of the other one
    assert heard == [("a", 0.0), ("a", 30.0), ("a", None), ("a", 0.0)]
    assert capsys.readouterr() == ("", "")


def test_a_process_whose_first_one_has_ended_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    first, member = Pipe()
    first.close()
    for event in (Aside(member).started, Aside(member).finished):
        event(cast("Job", SimpleNamespace(key="a", label="fit a")))
    assert capsys.readouterr() == ("", "")
