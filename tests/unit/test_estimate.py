"""How long a run is said to take: each kind of work at its own rate, tried in a moment that changes nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from bench import estimate, seeding, suites, training
from bench.errors import BenchError
from bench.fitting import TrackFitting
from bench.plan import FitTask, Plan, Selection, plan
from bench.trackdata import TrackData
from bench.tracks import Recipe, Track

CPU = torch.device("cpu")


def planned(track: Track) -> Plan:
    return plan(Selection(track, suites.load("table1"), ("naive", "ood"), ("fgs",), (0,), 64))


class Clock:
    """A clock that goes on only where something is said to have taken time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(estimate, "time", stopped)
    return stopped


def at(clock: Clock, images_a_second: float, fixed: float = 0.0) -> tuple[Callable[[int], None], list[int]]:
    """Return what takes images at a rate and, each time, a while more; and how many it was given."""
    given: list[int] = []

    def take(count: int) -> None:
        given.append(count)
        clock.now += fixed + count / images_a_second

    return take, given


def test_a_device_without_memory_for_a_batch_is_one_clear_line(
    tiny_track: Track, tiny_data: TrackData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def training_rate(track: Track, device: torch.device) -> float:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(estimate, "training_rate", training_rate)
    with pytest.raises(BenchError, match=r"the memory of cpu does not suffice for a batch of .*: use --device cpu"):
        estimate.loads(planned(tiny_track).jobs, tiny_track, tiny_data, CPU)


def test_a_fit_goes_at_the_rate_of_training_and_all_else_at_that_of_forward_passes(
    tiny_track: Track, tiny_data: TrackData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "training_rate", lambda track, device: 10.0)
    monkeypatch.setattr(estimate, "passing_rate", lambda track, device: 500.0)
    jobs = planned(tiny_track).jobs
    loads = estimate.loads(jobs, tiny_track, tiny_data, CPU)
    assert list(loads) == [job.key for job in jobs]
    for job in jobs:
        load = loads[job.key]
        assert load.work == estimate.work(job, tiny_data) > 0
        pace = 3 * 10.0 if isinstance(job.task, FitTask) else 500.0
        assert load.seconds == pytest.approx(load.work / pace)


@pytest.mark.parametrize(("fits", "untried"), [(True, "passing_rate"), (False, "training_rate")])
def test_only_what_is_needed_is_tried(
    tiny_track: Track, tiny_data: TrackData, monkeypatch: pytest.MonkeyPatch, *, fits: bool, untried: str
) -> None:
    monkeypatch.setattr(estimate, "training_rate", lambda track, device: 10.0)
    monkeypatch.setattr(estimate, "passing_rate", lambda track, device: 500.0)
    monkeypatch.delattr(estimate, untried)
    jobs = [job for job in planned(tiny_track).jobs if isinstance(job.task, FitTask) == fits]
    assert len(estimate.loads(jobs, tiny_track, tiny_data, CPU)) == len(jobs) > 0
    assert estimate.loads([], tiny_track, tiny_data, CPU) == {}


def test_training_is_tried_by_the_steps_of_a_training(tiny_track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    stepped: list[tuple[Recipe, int, bool]] = []
    stepper = training.stepper

    def watched(
        network: torch.nn.Module, *args: Tensor, recipe: Recipe, batch_hook: None
    ) -> Callable[[Tensor], Tensor]:
        take = stepper(network, *args, recipe=recipe, batch_hook=batch_hook)  # type: ignore[arg-type]

        def step(rows: Tensor) -> Tensor:
            stepped.append((recipe, len(rows), network.training))
            return take(rows)

        return step

    monkeypatch.setattr(training, "stepper", watched)
    track = replace(tiny_track, recipe=replace(tiny_track.recipe, precision="bf16", batch_size=8))
    assert estimate.training_rate(track, CPU) > 0
    assert {recipe for recipe, _, _ in stepped} == {track.recipe}
    assert max(rows for _, rows, _ in stepped) <= 8
    assert all(training for _, _, training in stepped)


def test_a_fast_cpu_is_given_the_whole(clock: Clock) -> None:
    take, given = at(clock, images_a_second=2560)
    assert estimate.rate(take, 256, 128, CPU) == pytest.approx(2560)
    assert given == [4, 4, 256, 256, 256]
    assert clock.now < 0.5


def test_a_slow_cpu_is_given_what_it_does_in_a_second(clock: Clock) -> None:
    take, given = at(clock, images_a_second=20)
    assert estimate.rate(take, 256, 128, CPU) == pytest.approx(20)
    assert given == [4, 4, 20]
    assert clock.now < 2


def test_more_than_a_batch_is_whole_batches(clock: Clock) -> None:
    take, given = at(clock, images_a_second=100)
    estimate.rate(take, 256, 32, CPU)
    assert given[-1] == 96


def test_the_first_of_many_tries_counts_for_nothing_on_a_gpu(clock: Clock) -> None:
    take, given = at(clock, images_a_second=25600)

    def slow_at_first(count: int) -> None:
        clock.now += 0.03 if len(given) < 4 else 0.0
        take(count)

    assert estimate.rate(slow_at_first, 256, 128, torch.device("cuda")) == pytest.approx(25600)
    assert set(given) == {256}


def test_an_estimate_leaves_random_numbers_as_they_were(
    tiny_track: Track, tiny_data: TrackData, make_fitting: Callable[..., TrackFitting]
) -> None:
    def trained() -> list[Tensor]:
        network = make_fitting().train_network(tiny_data.train.images, tiny_data.train.labels, 10)
        return [*network.state_dict().values(), torch.rand(3)]

    with seeding.stream(7):
        without = trained()
    with seeding.stream(7):
        estimate.loads(planned(tiny_track).jobs, tiny_track, tiny_data, CPU)
        after = trained()
    assert all(torch.equal(one, other) for one, other in zip(without, after, strict=True))


def test_an_estimate_leaves_the_precision_as_it_was(tiny_track: Track) -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.is_grad_enabled()
    assert estimate.training_rate(tiny_track, CPU) > 0
    assert estimate.passing_rate(tiny_track, CPU) > 0
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.is_grad_enabled()) == before


def test_the_head_of_the_longest_chain_is_most_urgent(tiny_track: Track) -> None:
    jobs = planned(tiny_track).jobs
    seconds = {"fit": 10.0, "craft": 30.0, "score": 1.0}
    loads = {job.key: estimate.Load(1.0, seconds[job.stage]) for job in jobs}
    labels = {job.key: job.label for job in jobs}
    urgency = {labels[key]: value for key, value in estimate.urgency(jobs, loads).items()}
    assert urgency["fit surrogate, seed 0"] == 41.0
    assert urgency["craft FGS, seed 0"] == 31.0
    assert urgency["fit naive, seed 0"] == 12.0  # the clean images are scored before the attack's
    assert urgency["score naive on fgs, seed 0"] == 1.0
    done = next(job.key for job in jobs if job.label == "craft FGS, seed 0")
    left = {key: load for key, load in loads.items() if key != done}
    assert estimate.urgency(jobs, left)[next(key for key in labels if "surrogate" in labels[key])] == 10.0


@pytest.mark.parametrize(
    ("defense", "trained"),
    [
        ("naive", True),
        ("ood_interp", True),
        ("distillation", True),
        ("magnet", True),
        ("detector_subnetwork", True),
        ("msp", False),
        ("jpeg", False),
        ("ood_interp_mahalanobis", False),
        ("reject_random", False),
    ],
)
def test_a_fit_that_trains_no_network_is_little_work(
    tiny_track: Track, tiny_data: TrackData, *, defense: str, trained: bool
) -> None:
    made = plan(Selection(tiny_track, suites.load("table1"), (defense,), ("fgs",), (0,), 64))
    fits = [job for job in made.jobs if isinstance(job.task, FitTask) and job.task.defense == defense]
    for job in fits:
        assert (estimate.work(job, tiny_data) > len(tiny_data.train)) is trained
    assert fits
