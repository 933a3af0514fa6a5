"""What a run's table is made of, with rows of the run before or without."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import defenses
from bench import codedigest
from bench.plan import Selection
from bench.session import Ended, Session
from bench.tracks import TRACKS
from tests.conftest import Cli

ONLY = ("--attacks", "fgs", "--limit", "120")
LEFT_OUT = (
    "warning: --add: {} of the last run are of another recipe, limit or code than now, and left out of the table; "
    "run them again with these settings, or choose other folders with --store and --out\n"
)


@pytest.fixture(scope="module", autouse=True)
def fast() -> Iterator[None]:
    """Train for few epochs: these tests are about what becomes of the records."""
    with pytest.MonkeyPatch.context() as patch:
        digits = TRACKS["digits"]
        patch.setitem(
            TRACKS, "digits", replace(digits, limited_epochs=10, recipe=replace(digits.recipe, batch_size=16))
        )
        yield


def rows() -> set[tuple[str, int]]:
    """Return the defenses in the last table, with their seeds."""
    cells = pd.read_csv("results/digits-quick.cells.csv")
    return set(zip(cells.defense, cells.seed, strict=True))


def test_added_rows_stand_beside_those_of_the_last_run(cli: Cli, quick: Path) -> None:
    run = ("run", "--suite", str(quick), *ONLY)
    assert cli(*run, "--defenses", "naive,ood").exit_code == 0
    together = {path.name: path.read_bytes() for path in Path("results").glob("*.csv")}
    fewer = cli(*run, "--defenses", "naive")
    lost = "warning: rows or cells of the last run that this one lacks leave the table: ood"
    assert fewer.stderr == f"{lost}; --add keeps those of ood\n"
    assert rows() == {("naive", 0)}
    assert cli(*run, "--defenses", "ood", "--add").exit_code == 0
    assert {path.name: path.read_bytes() for path in Path("results").glob("*.csv")} == together
    shutil.rmtree("results")
    assert cli("report").exit_code == 0
    assert {path.name: path.read_bytes() for path in Path("results").glob("*.csv")} == together
    other = cli(*run[:-1], "110", "--defenses", "ood", "--add")
    assert other.exit_code == 0
    assert other.stderr == LEFT_OUT.format("naive, ood")
    assert rows() == {("ood", 0)}


def test_a_defense_of_the_last_run_that_cannot_be_loaded_stops_no_other(
    cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ("run", "--suite", str(quick), *ONLY)
    assert cli(*run, "--defenses", "naive,reject_all").exit_code == 0
    monkeypatch.setitem(defenses.ROSTER, "reject_all", "defenses.no_such_module:RejectAll")
    added = cli(*run, "--defenses", "naive", "--add")
    assert added.exit_code == 0
    assert added.stderr == LEFT_OUT.format("reject_all")
    assert rows() == {("naive", 0)}


def test_rows_that_another_run_adds_meanwhile_stay(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ("run", "--suite", str(quick), *ONLY)
    assert cli(*run, "--defenses", "naive").exit_code == 0
    session_run = Session.run

    def slow(session: Session, selection: Selection) -> Ended:
        monkeypatch.setattr(Session, "run", session_run)
        assert cli(*run, "--defenses", "reject_random", "--add").exit_code == 0
        return session_run(session, selection)

    monkeypatch.setattr(Session, "run", slow)
    assert cli(*run, "--defenses", "reject_all", "--add").exit_code == 0
    assert rows() == {("naive", 0), ("reject_random", 0), ("reject_all", 0)}


def test_a_damaged_record_is_left_out_or_made_again(cli: Cli, quick: Path) -> None:
    run = ("run", "--suite", str(quick), *ONLY, "--defenses")
    assert cli(*run, "naive,reject_all").exit_code == 0
    for path in Path("store/score").iterdir():
        manifest = json.loads((path / "manifest.json").read_text())
        if (manifest["meta"]["defense"], manifest["meta"]["attack"]) == ("reject_all", "fgs"):
            (path / "manifest.json").write_bytes(b"{}")
    added = cli(*run, "reject_random", "--add")
    assert added.exit_code == 0
    assert added.stderr == (
        "warning: --add: records of the last run that are damaged or missing (1) are left out of the table; the "
        "command that made them makes them again\n"
    )
    assert cli(*run, "reject_all", "--add").exit_code == 0
    cells = pd.read_csv("results/digits-quick.cells.csv")
    assert len(cells[cells.defense == "reject_all"]) == len(cells[cells.defense == "reject_random"])


@pytest.mark.parametrize("seeds", ["1", "1-1"])
def test_of_a_defense_whose_code_has_changed_nothing_of_before_is_kept(
    cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch, seeds: str
) -> None:
    run = ("run", "--suite", str(quick), *ONLY)
    assert cli(*run, "--defenses", "naive,ood").exit_code == 0
    known = codedigest.as_loaded
    monkeypatch.setattr(codedigest, "as_loaded", lambda name: "0" * 64 if name == "defenses.ood" else known(name))
    added = cli(*run, "--defenses", "ood", "--seeds", seeds, "--add")
    assert added.exit_code == 0
    assert added.stderr == (LEFT_OUT.format("ood") if seeds == "1-1" else "")
    assert rows() == {("naive", 0), ("ood", int(seeds == "1-1"))}


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (("--limit", "110"), "limit"),
        (("--epochs", "9"), "number of epochs"),
        (("--epochs", "9", "--precision", "bf16"), "number of epochs and precision"),
    ],
)
def test_before_a_table_of_other_settings_is_replaced_it_is_said(
    cli: Cli, quick: Path, option: tuple[str, ...], named: str
) -> None:
    run = ("run", "--suite", str(quick), *ONLY, "--defenses", "naive")
    assert cli(*run).stderr == ""
    assert cli(*run).stderr == ""
    dry = cli(*run, *option, "--dry-run")
    assert dry.stderr == (
        f"warning: the last run was of another {named}: its table, of naive, is replaced; the same command as then "
        "writes it again, other folders for --store and --out keep both\n"
    )
