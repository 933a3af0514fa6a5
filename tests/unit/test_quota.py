"""How much memory and how many processors a process may take: the machine's, or less where a control group says."""

import errno
import os
from pathlib import Path

import pytest

from bench import quota

MACHINE = 8 << 30  # bytes


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Give the process a machine, and control groups that are looked for in the test's own folder."""
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": MACHINE // 4096, "SC_PAGE_SIZE": 4096}.__getitem__)
    monkeypatch.setattr(quota, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(quota, "GROUPS", tmp_path / "groups")


def within(folder: Path, groups: str, limits: dict[str, str]) -> None:
    """Put the process into control groups, with files of limits."""
    (folder / "own").write_text(groups)
    for name, limit in limits.items():
        (folder / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "groups" / name).write_text(limit)


def test_without_control_groups_it_is_the_machines() -> None:
    assert quota.memory() == MACHINE


@pytest.mark.parametrize(
    ("groups", "limits", "memory"),
    [
        ("0::/\n", {"memory.max": "3000\n"}, 3000),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "5000\n"}, 5000),
        ("0::/a/b\n", {"a/b/memory.max": "4000\n", "a/memory.max": "5000\n"}, 4000),
        ("0::/\n", {"memory.max": "max\n"}, MACHINE),
        ("4:cpu,memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "6000\n"}, 6000),
        ("4:memory:/docker/f00\n", {"memory/memory.limit_in_bytes": "7000\n"}, 7000),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, MACHINE),
        ("4:cpu:/a\n", {"cpu/a/memory.limit_in_bytes": "1\n"}, MACHINE),
    ],
    ids=["own", "around", "least", "unlimited", "v1", "out-of-sight", "v1-unlimited", "another"],
)
def test_a_control_group_limits_it(tmp_path: Path, groups: str, limits: dict[str, str], memory: int) -> None:
    within(tmp_path, groups, limits)
    assert quota.memory() == memory


def test_a_system_that_does_not_tell_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf")
    assert quota.memory() is None


@pytest.mark.parametrize("error", [ValueError("unrecognized configuration name"), OSError(errno.EINVAL, "Invalid")])
def test_a_system_without_these_names_is_as_large_as_its_control_groups_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(name: str) -> int:
        raise error

    monkeypatch.setattr(os, "sysconf", failing)
    assert quota.memory() is None
    within(tmp_path, "0::/\n", {"memory.max": "3000\n"})
    assert quota.memory() == 3000


@pytest.mark.parametrize(
    ("groups", "limits", "processors"),
    [
        ("0::/\n", {}, None),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "250000 100000\n", "cpu.max": "8 2"}, 2.5),
        ("4:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "50000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 0.5),
        ("4:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, None),
        ("4:memory:/a\n", {"memory/a/cpu.max": "50000 100000\n"}, None),
    ],
    ids=["none", "unlimited", "around", "v1", "v1-unlimited", "another"],
)
def test_a_control_group_limits_its_processors(
    tmp_path: Path, groups: str, limits: dict[str, str], processors: float | None
) -> None:
    within(tmp_path, groups, limits)
    assert quota.processors() == processors
