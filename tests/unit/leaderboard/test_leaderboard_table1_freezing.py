"""The commits that Table I's page names: what they froze is what is run today."""

import ast
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from bench.tracks import TRACKS
from leaderboard.table1.freezing import FROZEN, frozen

ROOT = Path(__file__).parents[3]
SUITE = "attacks_cfg/table1.toml"


def at_commit(commit: str, path: str) -> str:
    """Return a file as a commit has it; skip where the history is not at hand."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("needs git")
    done = subprocess.run([git, "show", f"{commit}:{path}"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs the history up to {commit}")
    return done.stdout


def attacks(text: str, track: str) -> dict[str, Mapping[str, Any]]:
    """Return a suite's attacks as they are on a track, by name."""
    found = {}
    for attack in tomllib.loads(text)["attack"]:
        of_track = attack.pop("track", {}).get(track, {})
        found[attack["name"]] = attack | of_track
    return found


def recipe(text: str, track: str) -> dict[str, object]:
    """Return a track's recipe out of the source of ``bench/tracks.py``; what shortens limited runs is left out."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    keywords = [{keyword.arg: keyword.value for keyword in call.keywords} for call in calls]
    of_track = next(found for found in keywords if "name" in found and ast.literal_eval(found["name"]) == track)
    made = of_track["recipe"]
    assert isinstance(made, ast.Call)
    return {str(k.arg): ast.literal_eval(k.value) for k in made.keywords if k.arg != "limited_epochs"}


def test_every_column_of_the_paper_has_its_commit() -> None:
    assert FROZEN.keys() == {track.paper for track in TRACKS.values() if track.paper}
    assert "`fc43605a`" in frozen("mnist", briefly=False)
    assert (ROOT / "docs" / "trials" / "open_settings.py").exists()


@pytest.mark.parametrize("track", FROZEN)
def test_attacks_and_recipe_are_as_they_were_frozen(track: str) -> None:
    then, now = at_commit(FROZEN[track], SUITE), (ROOT / SUITE).read_text(encoding="utf-8")
    assert attacks(then, track) == attacks(now, track)
    assert tomllib.loads(then)["permutation"] == tomllib.loads(now)["permutation"]
    assert recipe(at_commit(FROZEN[track], "bench/tracks.py"), track) == asdict(TRACKS[track].recipe)


def test_a_changed_value_is_noticed() -> None:
    earlier = at_commit(f"{FROZEN['cifar10']}~1", SUITE)
    assert attacks(earlier, "cifar10") != attacks((ROOT / SUITE).read_text(encoding="utf-8"), "cifar10")
