"""The command line, where what a user types cannot be: one clear line, and nothing written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from bench import session

Cli = Callable[..., Result]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "digit"], "unknown track 'digit'; did you mean 'digits'"),
        (["run", "digits", "--all", "--defenses", "naive"], "--all is every track and every defense"),
        (["run", "digit", "--all"], "unknown track 'digit'; did you mean 'digits'"),
        (["run", ",", "--all"], "the list of tracks is empty"),
        (["run", "--defenses", "naive,odd"], "unknown defense 'odd'; did you mean 'ood'"),
        (["run", "--defenses", ","], "the list of defenses is empty"),
        (["run", "--attacks", "fsg"], "unknown attack 'fsg'; did you mean 'fgs'"),
        (["run", "--suite", "tabel1"], "unknown suite 'tabel1', did you mean 'table1'"),
        (["run", "--suite", "gone.toml"], "gone.toml: No such file"),
        (["run", "--device", "gpu"], "--device 'gpu' is no device; use auto, cpu or cuda"),
        (["run", "--device", "meta"], "--device 'meta' is not supported"),
        (["run", "--precision", "fp8"], "--precision 'fp8' is unknown; use float32 or bf16"),
        (["run", "--seeds", "0"], "--seeds '0' names none; use how many, such as 3, or the first and the last"),
        (["report"], "holds no run"),
    ],
)
def test_a_name_that_nobody_knows_is_one_clear_line(cli: Cli, arguments: list[str], told: str) -> None:
    result = cli(*arguments)
    assert result.exit_code == 1
    assert told in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not Path("results").exists()


def test_a_limit_that_leaves_out_a_class_is_one_clear_line(cli: Cli) -> None:
    result = cli("run", "--limit", "20")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: --limit 20: leaves no image of class 0 of 'digits' to train or validate on; use a larger one\n"
    )


@pytest.mark.parametrize("arguments", [["--limit", "-5"], ["--every"], ["--limit", "abc"], ["--limit", "1.5"]])
def test_a_flag_that_cannot_be_is_named(cli: Cli, arguments: list[str]) -> None:
    result = cli("run", *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("epsilon = 0.2", "epsilon = -1", "epsilon"),
        ("epsilon = 0.2", 'epsilon = "abc"', "epsilon"),
        ("epsilon = 0.2", "epsilom = 0.2", "epsilom"),
        ("steps = 5", "steps = 0", "steps"),
        ('kind = "fgs"', 'kind = "fgsm"', "fgsm"),
    ],
)
def test_a_suite_that_cannot_be_used_names_file_and_key(cli: Cli, quick: Path, old: str, new: str, told: str) -> None:
    Path("mine.toml").write_text(quick.read_text().replace(old, new))
    result = cli("run", "--suite", "mine.toml")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: mine.toml: attack ")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_empty_suite_is_named(cli: Cli) -> None:
    Path("mine.toml").write_text('title = "Mine"\npermutation = 1\n')
    assert "mine.toml: an empty suite" in cli("run", "--suite", "mine.toml").stderr


@pytest.mark.parametrize("option", ["--store", "--out"])
def test_a_folder_that_cannot_be_written_is_named_before_any_work(cli: Cli, option: str) -> None:
    Path("file").write_text("")
    result = cli("run", option, "file/folder")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {option} file/folder: ")
    assert "jobs" not in result.stdout


@pytest.mark.parametrize("option", ["--store", "--out", "--data-dir"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_file_in_place_of_a_folder_is_named(cli: Cli, option: str, more: list[str]) -> None:
    Path("file").write_text("")
    result = cli("run", option, "file", *more)
    assert result.exit_code == 1
    assert result.stderr == f"error: {option} file: is a file; choose a folder\n"


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (KeyboardInterrupt(), 130, "interrupted; finished jobs are kept"),
        (OSError(28, "No space left on device", "store/fit"), 1, "store/fit: No space left on device; free some space"),
        (PermissionError(13, "Permission denied", "store"), 1, "store: Permission denied; make it usable"),
    ],
)
def test_an_interrupted_run_ends_in_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, told: str
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(session.Session, "run", fail)
    result = cli("run")
    assert result.exit_code == code
    assert result.stderr.startswith("error: ")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_where_nobody_reads_any_more_a_command_ends_quietly(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(session.Session, "run", fail)
    result = cli("run")
    assert (result.exit_code, result.stderr) == (1, "")
