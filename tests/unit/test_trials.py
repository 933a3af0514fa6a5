"""The scripts of the trials in the documents: they can be imported with the program as it is, and do nothing then."""

import importlib.util
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "docs" / "trials").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_of_a_trial_can_be_imported(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location(f"trial_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.main)
    assert capsys.readouterr() == ("", "")


def test_every_table_of_a_trial_has_its_script() -> None:
    tables = {path.stem for path in SCRIPTS[0].parent.glob("*.csv")}
    assert tables
    assert {name.removesuffix("_counts") for name in tables} <= {path.stem for path in SCRIPTS}
