"""The wheel holds what a user needs, says the version of the changelog, and runs from an empty folder."""

import os
import re
import subprocess
import sys
from email.parser import HeaderParser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"attacks_cfg", "bench", "defenses", "leaderboard"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without the network."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = out.glob("*.whl")
    return found


def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path, file: str) -> str:
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f".dist-info/{file}"))
        return archive.read(name).decode()


def newest(changelog: str) -> str:
    """Return the version of the first heading that has one."""
    found = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, flags=re.MULTILINE)
    assert found is not None
    return found[1]


def test_it_holds_the_four_packages_and_nothing_else(wheel: Path) -> None:
    tops = {name.split("/", maxsplit=1)[0] for name in names(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_it_holds_every_module_of_the_packages(wheel: Path) -> None:
    modules = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert modules - names(wheel) == set()


def test_it_holds_the_suites_and_the_numbers_of_papers(wheel: Path) -> None:
    suites = {f"attacks_cfg/{path.name}" for path in (ROOT / "attacks_cfg").glob("*.toml")}
    assert "attacks_cfg/table1.toml" in suites
    assert {*suites, "leaderboard/paper_table1.csv", "leaderboard/originals.csv"} <= names(wheel)


def test_it_leaves_published_tables_and_tests_out(wheel: Path) -> None:
    assert [name for name in names(wheel) if name.startswith(("leaderboard/published", "tests"))] == []


def test_its_version_is_the_newest_of_the_changelog(wheel: Path) -> None:
    version = HeaderParser().parsestr(metadata(wheel, "METADATA"))["Version"]
    assert version == newest((ROOT / "CHANGELOG.md").read_text())


def test_the_newest_version_stands_first() -> None:
    assert newest("# Changelog\n\n## [0.2.0] - 2031-01-01\n\n## [0.1.0] - 2030-01-01\n") == "0.2.0"


def test_it_carries_the_licence_and_the_command(wheel: Path) -> None:
    assert "MIT" in metadata(wheel, "licenses/LICENSE")
    assert "rejectbench = bench.__main__:main" in metadata(wheel, "entry_points.txt")


def test_it_runs_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with ZipFile(wheel) as archive:
        archive.extractall(site)
    command = [sys.executable, "-c", "import bench; print(bench.__file__)"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    where = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=True)
    assert where.stdout.startswith(str(site))
    command = [sys.executable, "-m", "bench", "list"]
    done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"digits", "naive", "ood", "ood_interp", "table1"} <= set(re.findall(r"\w+", done.stdout))
    assert list(empty.iterdir()) == []
