"""The command line, as a user types it: what it prints, what it writes, how it ends."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import defenses
from bench import records
from bench.cli import app
from bench.tracks import TRACKS

Cli = Callable[..., Result]

LIMIT = "120"
FEW = ("--defenses", "naive,ood", "--attacks", "fgs,cw", "--limit", LIMIT)


@pytest.fixture(scope="module", autouse=True)
def fast() -> Iterator[None]:
    """Train for few epochs: these tests are about what surrounds the training."""
    with pytest.MonkeyPatch.context() as patch:
        digits = TRACKS["digits"]
        patch.setitem(
            TRACKS, "digits", replace(digits, limited_epochs=10, recipe=replace(digits.recipe, batch_size=16))
        )
        patch.delenv("REJECTBENCH_DATA", raising=False)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, quick: Path) -> Path:
    """A folder in which a small run has ended well."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(app, ["run", "--suite", str(quick), *FEW])
    assert result.exit_code == 0, result.output
    (folder / "first.txt").write_text(result.stdout)
    return folder


@pytest.fixture
def at_home(home: Path, quick: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call the program in that folder."""
    monkeypatch.chdir(home)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments))

    return call


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in {".md", ".csv"}}


def test_a_run_prints_the_leaderboard_and_writes_the_tables(home: Path) -> None:
    printed = (home / "first.txt").read_text()
    assert printed.startswith("digits: 16 jobs, 0 finished before, about ")
    assert "16 jobs done, 0 kept" in printed
    assert "average Err" in printed
    assert f"limited to the first {LIMIT} of every split: not comparable" in printed
    assert "results/digits-quick.md" in printed
    assert "━" not in printed  # no progress bar where there is no terminal
    names = {path.name for path in (home / "results").iterdir()}
    assert names == {
        "README.md",
        "digits-quick.md",
        "digits-quick.csv",
        "digits-quick.cells.csv",
        "digits-quick.leaderboard.csv",
        "digits-quick.equal.csv",
        "digits-quick.costs.md",
        "digits-quick.png",
        "digits-quick.images.png",
        "digits-quick.provenance.json",
    }


def test_the_same_run_again_makes_nothing_and_writes_the_same_bytes(home: Path, at_home: Cli, quick: Path) -> None:
    before = tables(home / "results")
    result = at_home("run", "--suite", str(quick), *FEW)
    assert "0 jobs done, 16 kept" in result.stdout
    assert tables(home / "results") == before


def test_a_report_is_made_from_records_alone(home: Path, at_home: Cli) -> None:
    result = at_home("report", "--out", "elsewhere")
    assert result.exit_code == 0
    assert tables(home / "elsewhere") == tables(home / "results")
    provenance = "digits-quick.provenance.json"
    assert (home / "elsewhere" / provenance).read_bytes() == (home / "results" / provenance).read_bytes()


def test_the_rates_are_those_of_the_stored_predictions(home: Path) -> None:
    cells = pd.read_csv(home / "results/digits-quick.cells.csv")
    seen = 0
    for path in sorted((home / "store/score").iterdir()):
        record = records.load(path)
        label, prediction = record.tensors["label"].numpy(), record.tensors["prediction"].numpy()
        row = cells[
            (cells.defense == record.header.defense)
            & (cells.attack == record.header.attack)
            & (cells.denominator == "all")
        ].iloc[0]
        assert row.n == len(label)
        assert row.acc == pytest.approx(np.mean(label == prediction), abs=1e-6)
        assert row.rej == pytest.approx(np.mean(prediction == -1), abs=1e-6)
        assert row.acc + row.rej + row.err == pytest.approx(1, abs=2e-6)
        seen += 1
    assert seen == 2 * 5


def test_a_dry_run_prints_the_plan_and_changes_nothing(at_home: Cli, home: Path, quick: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    result = at_home("run", "--suite", str(quick), "--limit", LIMIT, "--defenses", "naive,ood,ood_interp", "--dry-run")
    lines = result.stdout.splitlines()
    assert sum(line.startswith("  done ") for line in lines) == 16
    assert any(line.startswith("  to do") and line.endswith("fit +OOD+interp, seed 0") for line in lines)
    assert lines[0].endswith("to go on cpu, in float32")
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_all_is_the_whole_roster_on_the_track_named(cli: Cli, quick: Path) -> None:
    planned = cli("run", "digits", "--all", "--suite", str(quick), "--limit", LIMIT, "--dry-run").stdout.splitlines()
    assert [line.partition(":")[0] for line in planned if not line.startswith(" ")] == ["digits"]
    fits = [line.partition("  fit ")[2] for line in planned if "  fit " in line]
    wanted = {name: f"{defenses.load(name).title}, seed 0" for name in defenses.ROSTER}
    assert {title for name, title in wanted.items() if name not in defenses.VARIANTS} <= set(fits)
    assert not {wanted[name] for name in defenses.VARIANTS} & set(fits)


def test_lists_and_data(cli: Cli) -> None:
    listed = cli("list").stdout
    for name in ("digits", "mnist", "naive", "+OOD+interp", "table1", "deepfool_min"):
        assert name in listed
    told = cli("data").stdout
    assert "embedded: scikit-learn" in told
    assert "missing" in told
    assert "python -m bench data fetch mnist" in told


def test_records_suites_and_data_sets_are_validated(at_home: Cli, home: Path, quick: Path) -> None:
    record = next((home / "store/score").iterdir())
    good = at_home("validate", str(quick), str(record), str(record / "manifest.json"))
    assert good.exit_code == 0
    assert "suite 'quick', 3 attacks" in good.stdout
    assert good.stdout.count("record of '") == 2
    (home / "x.toml").write_text("title = 3\n")
    (home / "letters.npz").write_bytes(b"")
    (home / "notes.txt").write_text("")
    fit = next((home / "store/fit").iterdir())
    bad = at_home("validate", "x.toml", "letters.npz", "notes.txt", "gone.json", str(fit), str(quick))
    assert bad.exit_code == 1
    errors = bad.stderr.splitlines()
    assert len(errors) == 5
    assert all(line.startswith("error: ") for line in errors)
    for line, told in zip(
        errors, ("x.toml", "letters", "neither a suite", "no such file", "not a record"), strict=True
    ):
        assert told in line


def test_missing_data_of_a_track_that_is_not_named_are_none_unless_strict(
    cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("defenses.ROSTER", {"naive": "defenses.naive:Naive"})
    only = ("--all", "--suite", str(quick), "--limit", LIMIT, "--attacks", "fgs")
    lenient, strict = cli("run", *only), cli("run", *only, "--strict")
    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    for result, kind in ((lenient, "warning"), (strict, "error")):
        told = [line.partition(":")[0] for line in result.stderr.splitlines() if "is left out" in line]
        assert told == [kind] * (len(TRACKS) - 1)


def test_invalid_data_are_an_error_after_the_other_tracks(cli: Cli, quick: Path) -> None:
    Path("data").mkdir()
    Path("data/mnist.npz").write_bytes(b"PK\x03\x04 cut off")
    result = cli("run", "digits,mnist", "--suite", str(quick), *FEW, "--defenses", "naive", "--attacks", "fgs")
    assert result.exit_code == 1
    assert Path("results/digits-quick.md").exists()
    assert result.stderr.count("\n") == 1
    assert "data/mnist.npz" in result.stderr
    assert "digits-quick.md" in Path("results/README.md").read_text()


def test_a_later_trouble_leaves_an_earlier_table_in_the_index(cli: Cli, quick: Path) -> None:
    only = ("--suite", str(quick), "--limit", LIMIT, "--defenses", "naive", "--attacks", "fgs")
    assert cli("run", *only).exit_code == 0
    before = tables(Path("results"))
    assert cli("run", "mnist").exit_code == 1
    after = tables(Path("results"))
    assert {name: after[name] for name in before if name != "README.md"} == {
        name: before[name] for name in before if name != "README.md"
    }
    assert b"[Leaderboard](digits-quick.md)" in after["README.md"]
    assert b"`mnist`" in after["README.md"]


def test_a_table_says_that_its_networks_trained_for_other_epochs(cli: Cli, quick: Path) -> None:
    only = ("--suite", str(quick), "--limit", LIMIT, "--defenses", "naive", "--attacks", "fgs")
    pages = []
    for epochs in ("2", "10"):
        assert cli("run", *only, "--epochs", epochs).exit_code == 0
        pages.append(Path("results/digits-quick.md").read_text())
    assert pages[0].count(", seed 0, networks trained for 2 epochs in place of 10") == pages[0].count("), seed 0") > 0
    assert "networks trained for" not in pages[1]


def test_a_broken_plugin_is_named_and_the_others_run(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("defenses.ROSTER", {"naive": "defenses.naive:Naive", "broken": "no_such_module:X"})
    assert "not usable: defense 'broken'" in cli("list").stdout
    result = cli("run", "--all", "--suite", str(quick), "--limit", LIMIT, "--attacks", "fgs")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: left out: defense 'broken' (no_such_module:X) cannot be imported")
    assert "naive" in Path("results/digits-quick.md").read_text()


def test_a_broken_defense_is_named_and_the_others_are_ranked(
    cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(defenses.load("ood")):  # type: ignore[misc]
        title = "broken"

        def dustbin(self, fitting: object) -> None:
            raise ValueError("no\ndustbin")

    monkeypatch.setitem(defenses.ROSTER, "broken", "defenses.ood:OutDistribution")
    load = defenses.load
    monkeypatch.setattr(defenses, "load", lambda name: Broken if name == "broken" else load(name))
    only = ("--suite", str(quick), "--limit", LIMIT, "--attacks", "fgs", "--defenses", "naive,broken")
    result = cli("run", *only)
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "error: fit broken, seed 0: defense 'broken' failed: ValueError: no dustbin (traceback: store/logs/"
    )
    assert "naive" in Path("results/digits-quick.md").read_text()
    report = json.loads(Path("store/report.json").read_text())
    assert report["runs"][0]["status"] == "failed"


def test_a_damaged_report_or_record_is_named(at_home: Cli, home: Path, tmp_path: Path) -> None:
    import shutil  # noqa: PLC0415

    store = tmp_path / "store"
    shutil.copytree(home / "store", store)
    record = next((store / "score").iterdir())
    shutil.rmtree(record)
    gone = at_home("report", "--store", str(store), "--out", str(tmp_path / "out"))
    assert gone.exit_code == 1
    mend = "`python -m bench run digits --suite` with the file of 'quick' makes it again"
    assert f"{record}: missing; {mend}" in gone.stderr
    (store / "report.json").write_text("{")
    before = at_home("run", "--store", str(store), "--out", str(tmp_path / "out"))
    assert before.exit_code == 1
    assert "jobs" not in before.stdout
    damaged = at_home("report", "--store", str(store))
    assert damaged.exit_code == 1
    assert "report.json: damaged, or of another version; delete it and run again" in damaged.stderr
