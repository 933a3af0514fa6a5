"""What a run survives: kill -9, Ctrl-C, a second run beside it, damage, a full disk."""

import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Completed, call, environment, start, tables

KILLS = 5
JOBS = 7
BATCHES = 4  # an epoch of the small run

KILLED = """
import os, signal, sys
from bench import checkpoints
from bench.__main__ import main
from bench.console import Terminal

checkpoints.EVERY = 0.0  # an epoch of the small run takes no time
left = int(sys.argv.pop(1))


def advanced(self, work):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)


Terminal.advanced = advanced
main()
"""
"""The program, killed after so many batches, in the middle of the next."""

PATIENT = """
from bench import checkpoints
from bench.__main__ import main

checkpoints.EVERY = float("inf")
main()
"""
"""The program as it is where an epoch takes no time, however busy the machine: only finished networks are kept."""


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a path exists or the process has ended."""
    while not path.exists() and process.poll() is None:
        time.sleep(0.01)


def script(folder: Path, text: str, *arguments: str) -> Completed:
    """Run a changed program in a folder until it ends."""
    command = [sys.executable, "-c", text, *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


def manifests(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("store/*/*/manifest.json")}


def test_kill_9_at_random_moments_loses_nothing_and_repeats_nothing(
    tmp_path: Path, small: tuple[str, ...], undisturbed: Path
) -> None:
    moments = random.Random(20)  # noqa: S311  no secret
    for _ in range(KILLS):
        finished = manifests(tmp_path)
        process = start(tmp_path, *small)
        wait_for(tmp_path / "store", process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=moments.uniform(0.2, 3.0))
        process.kill()
        process.communicate()
        after = manifests(tmp_path)
        assert {path: after[path] for path in finished} == finished
        if len(after) == JOBS:
            break
    finished = manifests(tmp_path)
    result = call(tmp_path, *small)
    assert result.returncode == 0, result.stderr
    after = manifests(tmp_path)
    assert {path: after[path] for path in finished} == finished
    assert f"{JOBS - len(finished)} jobs done, {len(finished)} kept" in result.stdout
    assert tables(tmp_path) == tables(undisturbed)


def test_kill_9_in_the_middle_of_a_fit_repeats_no_epoch_that_was_kept(
    tmp_path: Path, small: tuple[str, ...], undisturbed: Path
) -> None:
    printed = []
    for batches in (7 * BATCHES + 2, 1 + 14 * BATCHES + 1):  # epochs that were kept are told in one go, as a batch is
        result = script(tmp_path, KILLED, str(batches), *small)
        assert result.returncode == -signal.SIGKILL
        assert result.stderr == ""
        printed.append(result.stdout)
    assert "goes on" not in printed[0]
    assert "\nfit naive, seed 0: goes on after epoch 7 of 24\n" in printed[1]
    result = call(tmp_path, *small)
    assert result.returncode == 0, result.stderr
    assert "\nfit naive, seed 0: goes on after epoch 21 of 24\n" in result.stdout
    assert tables(tmp_path) == tables(undisturbed)
    for file in undisturbed.glob("store/fit/*/tensors.safetensors"):
        assert (tmp_path / file.relative_to(undisturbed)).read_bytes() == file.read_bytes()
    assert list((tmp_path / "store/checkpoints").iterdir()) == []


def test_ctrl_c_is_one_line_and_the_next_run_goes_on(tmp_path: Path, small: tuple[str, ...], undisturbed: Path) -> None:
    # A shell that starts the tests in the background has them ignore SIGINT, and a child would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(tmp_path, *small)
    signal.signal(signal.SIGINT, before)
    wait_for(tmp_path / "store/fit", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert (
        errors
        == "error: interrupted; finished jobs are kept, and what was downloaded; the same command goes on from there\n"
    )
    assert call(tmp_path, *small).returncode == 0
    assert tables(tmp_path) == tables(undisturbed)


def test_two_runs_at_once_on_one_store_both_end_right(
    tmp_path: Path, small: tuple[str, ...], undisturbed: Path
) -> None:
    runs = [start(tmp_path, *small, "--out", f"results{number}") for number in (1, 2)]
    printed = [process.communicate()[0] for process in runs]
    assert [process.returncode for process in runs] == [0, 0]
    for text in printed:
        told = re.search(r"(\d+) jobs done, (\d+) kept", text)
        assert told is not None
        assert int(told[1]) + int(told[2]) == JOBS
    for number in (1, 2):
        (tmp_path / f"results{number}").rename(tmp_path / "results")
        assert tables(tmp_path) == tables(undisturbed)
        shutil.rmtree(tmp_path / "results")


def test_a_flipped_byte_is_named_and_mended(tmp_path: Path, small: tuple[str, ...], undisturbed: Path) -> None:
    shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
    file = next((tmp_path / "store/craft").glob("*/tensors.safetensors"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    result = call(tmp_path, *small)
    assert result.returncode == 0
    assert result.stderr == (
        f"warning: {file.relative_to(tmp_path)}: its bytes are not those that were written; "
        "it is made again, with what depends on it\n"
    )
    assert "2 jobs done, 5 kept" in result.stdout
    assert tables(tmp_path) == tables(undisturbed)


@pytest.fixture
def full_disk(tmp_path: Path) -> Path:
    """A folder on a file system with room for one fit, with what is kept while it is made, and not for two."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=900k", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("no right to mount a small file system here")
    return folder


def test_a_full_disk_is_one_line_and_leaves_finished_results_intact(
    tmp_path: Path, full_disk: Path, small: tuple[str, ...], undisturbed: Path
) -> None:
    shutil.copytree(undisturbed / "results", tmp_path / "results")
    try:
        result = script(tmp_path, PATIENT, *small, "--store", str(full_disk))
        finished = list(full_disk.glob("*/*/manifest.json"))
    finally:
        subprocess.run(["umount", full_disk], check=True)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "No space left on device; free some space" in result.stderr
    assert str(full_disk) in result.stderr
    assert 0 < len(finished) < JOBS
    assert tables(tmp_path) == tables(undisturbed)


def test_a_read_only_folder_is_one_line_before_any_work(
    tmp_path: Path, full_disk: Path, small: tuple[str, ...]
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", full_disk], check=True)
    try:
        result = call(tmp_path, *small, "--out", str(full_disk))
    finally:
        subprocess.run(["umount", full_disk], check=True)
    assert result.returncode == 1
    assert result.stderr == (f"error: --out {full_disk}: Read-only file system; choose a folder that can be written\n")
    assert result.stdout == ""
