"""A defense from outside the repository, and the program as an installed wheel."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import call, tables

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder with an installed package of one file: the documented example, brought by an entry point."""
    folder = tmp_path / "plugin"
    metadata = folder / "mydefense-1.0.dist-info"
    metadata.mkdir(parents=True)
    example = re.search(r"```python\n(.*?)```", (ROOT / "docs/adding-a-defense.md").read_text(), re.DOTALL)
    assert example is not None
    source = example[1]
    assert len(source.splitlines()) <= 60
    (folder / "mydefense.py").write_text(source)
    name = re.search(r"class (\w+)\(Defense\)", source)
    assert name is not None
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mydefense\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[rejectbench.defenses]\nmine = mydefense:{name[1]}\n")
    return folder


def test_an_outside_defense_is_in_the_table_and_refitted_when_edited(
    tmp_path: Path, plugin: Path, small: tuple[str, ...]
) -> None:
    arguments = [*small, "--defenses", "naive,mine"]
    first = call(tmp_path, *arguments, PYTHONPATH=str(plugin))
    assert first.returncode == 0, first.stderr
    assert "\ndigits,quick,mine,fgs,all," in tables(tmp_path)[".csv"].decode()
    again = call(tmp_path, *arguments, PYTHONPATH=str(plugin))
    assert " 0 jobs done" in again.stdout
    file = plugin / "mydefense.py"
    file.write_text(file.read_text() + "\n# A comment changes nothing.\n")
    assert " 0 jobs done" in call(tmp_path, *arguments, PYTHONPATH=str(plugin)).stdout
    file.write_text(file.read_text() + "\nEDITED = True\n")
    edited = call(tmp_path, *arguments, PYTHONPATH=str(plugin))
    assert " 5 jobs done" in edited.stdout  # its fit and its four cells, nothing of the others'


def test_a_built_wheel_runs_from_an_empty_folder(tmp_path: Path, small: tuple[str, ...], undisturbed: Path) -> None:
    wheels, site, empty = tmp_path / "wheels", tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", str(site)]
    subprocess.run([*pip, *map(str, wheels.iterdir())], check=True, capture_output=True)
    where = "import bench, defenses, leaderboard, attacks_cfg; print(bench.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        cwd=empty,
        env={"PYTHONPATH": str(site), "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.startswith(str(site))
    result = call(empty, *small, PYTHONPATH=str(site))
    assert result.returncode == 0, result.stderr
    installed, checkout = (
        {name: data.partition(b"## Environment")[0] for name, data in tables(home).items()}
        for home in (empty, undisturbed)
    )
    assert installed == checkout  # but for the commit, which a wheel has none of
