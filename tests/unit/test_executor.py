"""The executor: what is kept, what is made, what a failure stops."""

from pathlib import Path
from typing import Any

import pytest

from bench import executor as executor_module
from bench import provenance, stages
from bench.executor import Executor
from bench.plan import Job, Plan
from bench.stages import Means, Result
from bench.store import TENSORS
from tests.unit.workshop import CPU, Workshop, dependents, outcome_label


@pytest.fixture
def shop(tmp_path: Path, quick: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    workshop = Workshop(tmp_path / "store", quick)
    monkeypatch.setattr(stages, "run", workshop.work)
    return workshop


def test_the_first_run_does_everything_and_the_second_nothing(shop: Workshop) -> None:
    first = shop.run()
    assert shop.done == shop.labels()
    assert first.made == [job.key for job in shop.plan.jobs]
    second = shop.run()
    assert shop.done == []
    assert second.made == []
    assert second.artifacts == first.artifacts
    assert shop.listener.heard == []


def test_a_run_that_was_killed_goes_on_where_it_stood(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    for stop in (1, 4, 9):
        count = 0

        def work(job: Job, *rest: object, stop: int = stop) -> Result:
            nonlocal count
            count += 1
            if count == stop:
                raise KeyboardInterrupt
            return shop.work(job, *rest)

        monkeypatch.setattr(stages, "run", work)
        with pytest.raises(KeyboardInterrupt):
            shop.go_on()
    monkeypatch.setattr(stages, "run", shop.work)
    shop.go_on()
    assert shop.done == shop.labels()


@pytest.mark.parametrize("label", ["fit naive, seed 0", "craft FGS, seed 0", "score +OOD on fgs, seed 0"])
def test_a_damaged_file_is_named_and_made_again_with_what_depends_on_it(shop: Workshop, label: str) -> None:
    shop.run()
    file = shop.store.path(shop.job(label).stage, shop.job(label).key) / TENSORS
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    outcome = shop.run()
    assert set(shop.done) == dependents(shop, label)
    assert shop.listener.heard[0] == f"corrupt {file}: its bytes are not those that were written"
    assert not outcome.failures
    assert shop.run().made == []


def test_a_survey_changes_nothing(shop: Workshop) -> None:
    shop.run()
    job = shop.job("fit naive, seed 0")
    (shop.store.path(job.stage, job.key) / TENSORS).write_bytes(b"damaged")
    before = sorted(shop.store.root.rglob("*"))
    survey = shop.executor().survey(shop.plan)
    assert sorted(shop.store.root.rglob("*")) == before
    assert survey.damaged == [job]
    assert set(shop.plan.by_key) - set(survey.current) == {other.key for other in shop.plan.needing(job)} | {job.key}


def test_what_another_process_has_mended_meanwhile_is_not_thrown_away(shop: Workshop) -> None:
    shop.run()
    job = shop.job("fit naive, seed 0")
    file = shop.store.path(job.stage, job.key) / TENSORS
    whole = file.read_bytes()
    file.write_bytes(b"damaged")
    late = shop.executor()
    survey = late.survey(shop.plan)
    file.write_bytes(whole)
    shop.done.clear()
    shop.listener.heard.clear()
    outcome = late.run(shop.plan, survey)
    assert shop.done == []
    assert not any(line.startswith("corrupt") for line in shop.listener.heard)
    assert set(outcome.artifacts) == set(shop.plan.by_key)


def test_a_store_that_cannot_be_read_stops_the_run_and_a_defense_s_own_file_its_job(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(job: Job, *rest: object) -> Result:
        if job.label == "fit +OOD, seed 0":
            raise OSError(5, "Input/output error", str(file))
        return shop.work(job, *rest)

    monkeypatch.setattr(stages, "run", work)
    file = tmp_path / "mine.txt"
    assert shop.go_on().failures[shop.job("fit +OOD, seed 0").key].startswith("OSError: [Errno 5] Input/output error")
    file = shop.store.path("fit", "a key") / TENSORS
    with pytest.raises(OSError, match="Input/output error"):
        shop.go_on()


def test_what_somebody_s_code_raises_is_one_line_and_a_traceback_in_a_file(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(job: Job, *rest: object) -> Result:
        if job.label == "fit +OOD, seed 0":
            raise IndexError("somewhere\ndeep")
        return shop.work(job, *rest)

    monkeypatch.setattr(stages, "run", work)
    job = shop.job("fit +OOD, seed 0")
    log = shop.store.root / "logs" / f"{job.key[:12]}.txt"
    assert shop.run().failures[job.key] == f"IndexError: somewhere deep (traceback: {log})"
    assert "in work" in log.read_text()


def test_an_error_of_the_operating_system_stops_the_run(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(job: Job, *rest: object) -> Result:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stages, "run", full)
    with pytest.raises(OSError, match="No space"):
        shop.run()


def test_a_file_that_a_defense_lacks_stops_only_what_needs_it(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stages.run

    def lacking(job: Job, *rest: Any) -> Result:
        if job.label == "fit +OOD, seed 0":
            raise FileNotFoundError(2, "No such file or directory", "weights.bin")
        return run(job, *rest)

    monkeypatch.setattr(stages, "run", lacking)
    failures = shop.run().failures
    assert set(failures) == {shop.job(label).key for label in dependents(shop, "fit +OOD, seed 0")}
    reason = failures[shop.job("fit +OOD, seed 0").key]
    assert "FileNotFoundError: [Errno 2] No such file or directory: 'weights.bin' (traceback: " in reason


def test_the_environments_of_all_that_went_into_a_job_are_in_its_provenance(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dict(provenance.environment(CPU))
    monkeypatch.setattr(provenance, "environment", lambda device: own)
    shop.run()
    job = shop.job("score naive on fgs, seed 0")
    shop.store.discard(job.stage, job.key)
    monkeypatch.setattr(provenance, "environment", lambda device: own | {"threads": 99})
    found = shop.run().artifacts[job.key].provenance
    assert found["threads"] == 99
    assert found["inputs"] == [own | {"commit": provenance.commit()}]


def test_a_failure_stops_only_what_needs_it(shop: Workshop) -> None:
    shop.failing = {"fit +OOD, seed 0"}
    outcome = shop.run()
    stopped = dependents(shop, "fit +OOD, seed 0")
    assert set(shop.done) == set(shop.labels()) - stopped
    assert {outcome_label(shop, key) for key in outcome.failures} == stopped
    assert "failed fit +OOD, seed 0: it broke" in shop.listener.heard
    assert outcome.failures[shop.job("score +OOD on clean, seed 0").key] == "needs 'fit +OOD, seed 0', which failed"
    shop.failing = set()
    shop.run()
    assert set(shop.done) == stopped


def test_other_data_make_everything_stale(shop: Workshop) -> None:
    shop.run("data")
    shop.run("other data")
    assert shop.done == shop.labels()
    shop.run("other data")
    assert shop.done == []


def test_another_test_set_leaves_all_but_its_own_cells(shop: Workshop) -> None:
    shop.run()
    shop.executor(photos="other").run(shop.plan, shop.executor(photos="other").survey(shop.plan))
    assert shop.done[len(shop.labels()) :] == [label for label in shop.labels() if "out:photos" in label] != []


def test_an_input_that_came_out_different_makes_what_depends_on_it_stale(shop: Workshop) -> None:
    shop.run()
    job = shop.job("fit surrogate, seed 0")
    shop.store.discard(job.stage, job.key)
    shop.run()
    assert shop.done == [job.label]
    shop.store.discard(job.stage, job.key)
    shop.made_of = "two"
    shop.run()
    assert set(shop.done) == dependents(shop, job.label)


def test_what_another_process_finishes_meanwhile_is_taken(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Workshop(shop.store.root, Path(__file__).parents[1] / "data" / "quick.toml")
    surveyed = Executor.survey

    def survey(self: Executor, made: Plan) -> executor_module.Survey:
        found = surveyed(self, made)
        if self.observer is shop.listener:
            other.go_on()
        return found

    monkeypatch.setattr(Executor, "survey", survey)
    shop.done.clear()
    outcome = shop.go_on()
    assert outcome.made == []
    assert set(outcome.artifacts) == set(shop.plan.by_key)


def test_progress_is_passed_on(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(job: Job, inputs: object, data: object, means: Means) -> Result:
        means.advance(3.0)
        means.advance(4.0)
        return shop.work(job)

    monkeypatch.setattr(stages, "run", work)
    outcome = shop.run()
    label = shop.labels()[0]
    assert shop.listener.heard[:4] == [f"started {label}", "advanced 3.0", "advanced 4.0", f"finished {label}"]
    provenance = outcome.artifacts[shop.plan.jobs[0].key].provenance
    assert provenance["work"] == 7.0
    assert set(provenance) >= {"created", "seconds", "device", "threads", "platform", "versions"}
