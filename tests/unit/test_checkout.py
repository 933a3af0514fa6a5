"""A checkout has the bytes that were committed, and work in it adds nothing that is not meant to be."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.publishing import LOCK

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "leaderboard" / "published"

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="there is no git"),
    pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout"),
]


def attributes(*paths: Path) -> dict[str, dict[str, str]]:
    """Return what git is told of each path, by its name in the repository: of its text, and of its ends of lines."""
    names = "\0".join(str(path.relative_to(ROOT)) for path in paths)
    command = ["git", "check-attr", "-z", "--stdin", "text", "eol"]
    done = subprocess.run(command, cwd=ROOT, input=names, capture_output=True, text=True, check=True)
    words = done.stdout.split("\0")
    found: dict[str, dict[str, str]] = {}
    for name, attribute, value in zip(words[::3], words[1::3], words[2::3], strict=False):
        found.setdefault(name, {})[attribute] = value
    return found


def test_what_is_published_stays_as_it_is_and_scripts_keep_their_ends_of_lines() -> None:
    published = attributes(*(path for path in PUBLISHED.rglob("*") if path.is_file()))
    assert len(published) > 0
    assert {name for name, told in published.items() if told["text"] != "unset"} == set()
    texts = attributes(ROOT / ".ci" / "run", ROOT / "README.md", ROOT / "bench" / "cli.py")
    assert [(told["text"], told["eol"]) for told in texts.values()] == 3 * [("auto", "lf")]


def test_the_lock_of_the_published_records_is_no_change_of_theirs() -> None:
    command = ["git", "check-ignore", "--quiet", str(PUBLISHED / "records" / LOCK)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
