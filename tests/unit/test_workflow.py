"""The CI workflow fits GitHub's schema, and what it runs exists."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.tracks import TRACKS

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
OFFICIAL = re.compile(r"actions/[a-z-]+@v\d+")


def validator(path: Path, schema: str = "vendor.github-workflows") -> subprocess.CompletedProcess[str]:
    """Validate offline: the schema is part of the package."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def workflow() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text())
    return parsed


def steps(jobs: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in jobs.values() for step in job["steps"]]


def extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return set(project["optional-dependencies"])


def nox_sessions() -> set[str]:
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("session" in ast.unparse(mark) for mark in node.decorator_list)
    }


def missing_extra(words: list[str]) -> bool:
    """Whether a ``pip install -e TARGET`` names an extra that pyproject does not have."""
    found = re.fullmatch(r"\.(?:\[(\w+)\])?", words[-1])
    return found is None or (found[1] is not None and found[1] not in extras())


def missing_program(words: list[str]) -> bool:
    """Whether a ``python -m MODULE run TRACK`` names a module or a track that does not exist."""
    if words[:2] != ["python", "-m"] or find_spec(words[2]) is None or words[3] != "run":
        return True
    return any(name not in TRACKS for name in words[4].split(","))


def missing_file(words: list[str]) -> bool:
    """Whether ``cat FILE >> TARGET`` reads a file that no track writes."""
    return words[1] not in {f"results/{name}.md" for name in TRACKS}


def missing_session(words: list[str]) -> bool:
    """Whether ``nox --no-venv -s SESSION...`` names a session that the noxfile does not have."""
    sessions = words[3 : words.index("--")] if "--" in words else words[3:]
    return words[1:3] != ["--no-venv", "-s"] or not set(sessions) <= nox_sessions()


def missing_tests(words: list[str]) -> bool:
    """Whether ``pytest PATH...`` names a path that does not exist."""
    return not all((ROOT / word).exists() for word in words[1:] if not word.startswith("-"))


CHECKS = {
    "pip": missing_extra,
    "python": missing_program,
    "cat": missing_file,
    "nox": missing_session,
    "pytest": missing_tests,
}


def is_broken(command: str) -> bool:
    words = shlex.split(command)
    return words[0] not in CHECKS or CHECKS[words[0]](words)


@pytest.mark.parametrize("schema", ["vendor.github-workflows", "custom.github-workflows-require-timeout"])
def test_workflow_fits_the_schema(schema: str) -> None:
    done = validator(WORKFLOW, schema)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("found", "planted"),
    [
        ("runs-on: ubuntu-latest", "run-on: ubuntu-latest"),
        ("pull_request:", "pull_requests:"),
        ("contents: read", "contents: reed"),
        ("timeout-minutes: 20", "timeout-minutes: [20]"),
    ],
)
def test_a_broken_workflow_is_refused(tmp_path: Path, found: str, planted: str) -> None:
    broken = tmp_path / "ci.yml"
    text = WORKFLOW.read_text()
    assert found in text
    broken.write_text(text.replace(found, planted, 1))
    assert validator(broken).returncode == 1


def test_a_cpu_trains_for_table_one_as_briefly_as_may_be_published() -> None:
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    values = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    found = {track: int(epochs) for track, epochs in ast.literal_eval(values["CPU_EPOCHS"]).items()}
    assert found == {track.name: track.cpu_epochs for track in TRACKS.values() if track.cpu_epochs is not None}


def test_it_runs_on_pushes_and_pull_requests() -> None:
    # YAML 1.1 reads the bare word "on" as a boolean.
    triggers = next(value for key, value in workflow().items() if str(key) == "True")
    assert set(triggers) == {"push", "pull_request"}


def test_what_it_runs_exists() -> None:
    commands = [line for step in steps(workflow()["jobs"]) for line in step.get("run", "").splitlines()]
    assert len(commands) >= 6
    assert [command for command in commands if is_broken(command)] == []


@pytest.mark.parametrize(
    "command",
    [
        "pip install -e '.[tests]'",
        "python -m bench run digit",
        "python -m benchmark run digits",
        "nox --no-venv -s lint typos",
        "cat results/leaderboard.md",
        "pytest tests/units",
        "make all",
    ],
)
def test_a_command_without_its_object_is_noticed(command: str) -> None:
    assert is_broken(command)


def test_actions_are_official_and_pinned_to_a_major_version() -> None:
    used = [step["uses"] for step in steps(workflow()["jobs"]) if "uses" in step]
    assert used
    assert [name for name in used if not OFFICIAL.fullmatch(name)] == []


def test_only_publishing_may_write() -> None:
    parsed = workflow()
    assert parsed["permissions"] == {"contents": "read"}
    granted = {name: job["permissions"] for name, job in parsed["jobs"].items() if "permissions" in job}
    writers = {name: given for name, given in granted.items() if "write" in given.values()}
    assert writers == {"publish": {"pages": "write", "id-token": "write"}}


def test_only_main_publishes() -> None:
    job = workflow()["jobs"]["publish"]
    assert "github.ref == 'refs/heads/main'" in job["if"]
    assert set(job["needs"]) == set(workflow()["jobs"]) - {"publish"}
