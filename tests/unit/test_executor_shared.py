"""The executor where several processes run one plan at once."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench import stages
from bench.plan import Job
from bench.stages import Result
from tests.unit.workshop import Workshop, dependents, outcome_label


@pytest.fixture
def shop(tmp_path: Path, quick: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    workshop = Workshop(tmp_path / "store", quick)
    monkeypatch.setattr(stages, "run", workshop.work)
    return workshop


def test_two_at_once_share_the_jobs_and_do_none_twice(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "run", slow(shop))
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(shop.go_on) for _ in range(2)]
        outcomes = [end.result() for end in ends]
    assert sorted(shop.done) == sorted(shop.labels())
    made = [set(outcome.made) for outcome in outcomes]
    assert all(made)
    assert not made[0] & made[1]
    assert made[0] | made[1] == set(shop.plan.by_key)
    assert outcomes[0].artifacts == outcomes[1].artifacts


def test_of_two_at_once_both_learn_of_a_failure(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.failing = {"fit +OOD, seed 0"}
    monkeypatch.setattr(stages, "run", slow(shop))
    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(shop.go_on) for _ in range(2)]
        failures = [end.result().failures for end in ends]
    assert failures[0] == failures[1]
    assert {outcome_label(shop, key) for key in failures[0]} == dependents(shop, "fit +OOD, seed 0")


def test_what_is_most_urgent_is_done_first_once_it_can_be(shop: Workshop) -> None:
    wanted = shop.job("craft FGS, seed 0")
    needed = [shop.job("fit surrogate, seed 0"), wanted]
    executor = shop.executor()
    executor.run(shop.plan, executor.survey(shop.plan), {job.key: 1.0 for job in needed} | {wanted.key: 2.0})
    assert shop.done[:2] == [job.label for job in needed]
    assert sorted(shop.done) == sorted(shop.labels())


def slow(shop: Workshop) -> Callable[..., Result]:
    """Return the workshop's work, done slowly enough for two to meet."""

    def work(job: Job, *rest: object) -> Result:
        time.sleep(0.05)
        return shop.work(job)

    return work
