"""The gate on speed: what counts as slower, what is compared, and what the processes answer."""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.speed import gate
from tests.speed.gate import Impossible, Timings, Worker
from tests.speed.pairing import LEAST, TOLERANCE, verdict
from tests.speed.workloads import WORKLOADS


def timings(slowdown: float, noise: float, seed: int, rounds: int = LEAST) -> tuple[list[float], list[float]]:
    """Return paired timings of a machine whose speed drifts by half, with noise of its own on each."""
    drawn = random.Random(seed)  # noqa: S311  noise, no secret
    drift = [1 + 0.5 * drawn.random() for _ in range(rounds)]
    return (
        [slowdown * speed * drawn.lognormvariate(0, noise) for speed in drift],
        [speed * drawn.lognormvariate(0, noise) for speed in drift],
    )


def test_a_slowdown_by_a_third_is_found_through_the_noise_of_a_busy_machine() -> None:
    assert all(verdict(*timings(1.3, noise=0.03, seed=seed)).slower for seed in range(200))
    assert all(verdict(*timings(1.3, noise=0.1, seed=seed, rounds=gate.MOST_ROUNDS)).slower for seed in range(200))


def test_equal_work_is_never_called_slower() -> None:
    for noise in (0.0, 0.03, 0.1, 0.3):
        assert not any(verdict(*timings(1.0, noise=noise, seed=seed)).slower for seed in range(500)), noise


def test_a_slowdown_within_the_tolerance_passes_however_certain() -> None:
    found = verdict([1 + TOLERANCE / 2] * LEAST, [1.0] * LEAST)
    assert found.ratio == pytest.approx(1 + TOLERANCE / 2)
    assert not found.slower
    assert not found.undecided


def test_what_may_be_slower_gets_more_rounds() -> None:
    found = verdict([1.0, 1.4, 1.1, 1.5] * 3, [1.0] * 12)
    assert found.undecided
    assert found.low < 1 + TOLERANCE < found.high


FGS = next(workload for workload in WORKLOADS if workload.name == "fgs")


class Clock:
    """A worker whose seconds are listed; an empty list cannot be done."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.known = seconds

    def seconds(self, name: str) -> float:
        if name not in self.known:
            raise Impossible(f"{name} is unknown")
        return self.known[name]


@pytest.mark.parametrize(("old", "slower"), [(1.0, True), (1.3, False), (2.0, False)])
def test_old_and_new_are_compared_in_the_same_rounds(old: float, slower: bool) -> None:  # noqa: FBT001
    found = gate.timed(FGS, Clock({"fgs": 1.3}), Clock({"fgs": old}), Clock({"Foolbox fgs": 2.6}))
    assert len(found.new) == len(found.old) == len(found.reference) == LEAST
    assert found.compared is not None
    assert found.compared.slower is slower
    assert found.relative == pytest.approx(0.5)
    assert ("SLOWER" in gate.told(found)) is slower


@pytest.mark.parametrize(("again", "slower"), [(1.0, True), (1.3, False)])
def test_what_is_slower_must_be_so_in_other_processes_too(
    again: float,
    slower: bool,  # noqa: FBT001  a parameter's value
    capsys: pytest.CaptureFixture[str],
) -> None:
    beside = Clock({"Foolbox fgs": 2.6})
    found = gate.confirmed(
        FGS,
        (Clock({"fgs": 1.3}), Clock({"fgs": 1.0}), beside),
        lambda: (Clock({"fgs": 1.3}), Clock({"fgs": again}), beside),
    )
    assert found.compared is not None
    assert found.compared.slower is slower
    assert "SLOWER, 11 rounds; again in new processes" in capsys.readouterr().out


def test_what_is_as_fast_is_not_timed_again() -> None:
    same = Clock({"fgs": 1.0, "Foolbox fgs": 1.0})
    found = gate.confirmed(FGS, (same, same, same), lambda: pytest.fail("timed again"))
    assert found.compared is not None
    assert not found.compared.slower


def test_what_the_earlier_commit_cannot_do_is_timed_alone() -> None:
    found = gate.timed(FGS, Clock({"fgs": 1.0}), Clock({}), Clock({"Foolbox fgs": 4.0}))
    assert found.compared is None
    assert found.relative == pytest.approx(0.25)
    assert "nothing to compare with" in gate.told(found)


def test_slower_work_fails_the_gate_and_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    slow, same = Timings([1.3] * 11, [1.0] * 11, [1.0] * 11), Timings([1.0] * 11, [1.0] * 11, [2.0] * 11)
    monkeypatch.setattr(gate, "compare", lambda names, commit: {"fgs": same, "deepfool": slow})
    assert gate.main(["--baseline", "HEAD", "--record", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: slower than ")
    assert told.rstrip().endswith(": deepfool")
    assert "| fgs" in (tmp_path / "README.md").read_text()
    monkeypatch.setattr(gate, "compare", lambda names, commit: {"fgs": same})
    assert gate.main(["--baseline", "HEAD"]) == 0


def test_unknown_work_is_refused_with_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        gate.main(["--only", "fgs,deepfol"])
    assert caught.value.code == 2
    assert "unknown deepfol; known: training, fgs" in capsys.readouterr().err


@pytest.fixture(scope="module")
def tree() -> Iterator[Path]:
    with gate.checked_out("HEAD") as tree:
        yield tree
    assert not tree.exists()


def test_the_worktree_of_the_earlier_commit_has_its_packages_alone(tree: Path) -> None:
    assert {path.name for path in tree.iterdir() if path.name != ".git"} == set(gate.PACKAGES)


def test_a_worker_times_the_packages_of_that_worktree(tree: Path, tmp_path: Path) -> None:
    worker = Worker(tree, tmp_path)
    try:
        with pytest.raises(Impossible):
            worker.seconds("nonsense")
        assert worker.seconds("planning") > 0
    finally:
        worker.close()


def test_a_worktrees_packages_go_before_this_checkouts(tree: Path, tmp_path: Path) -> None:
    code = "import bench, tests.speed.workloads as w; print(bench.__file__); print(w.__file__)"
    environment = gate.packages_of(tree)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    packages, workloads = map(Path, done.stdout.split())
    assert packages.is_relative_to(tree)
    assert workloads.is_relative_to(gate.ROOT)
