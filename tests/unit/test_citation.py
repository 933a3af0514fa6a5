"""What the project says of how to cite it: valid CFF, of this version and licence, with the works of the README."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CITATION = ROOT / "CITATION.cff"
DEMANDED = {"authors", "cff-version", "message", "title"}
"""What CFF 1.2.0 demands of a file; of a reference it demands authors, title and type."""


def cited() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load(CITATION.read_text())
    return parsed


def is_valid(path: Path) -> bool:
    """Validate offline: the schema is part of the package."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def bibtex(text: str) -> list[dict[str, str]]:
    """Return the fields of every BibTeX entry in a document."""
    entries = re.findall(r"^@\w+\{\w+,\n(.*?)^\}$", text, flags=re.MULTILINE | re.DOTALL)
    return [dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry, flags=re.MULTILINE)) for entry in entries]


def plain(text: str) -> str:
    """Return BibTeX's text without braces and accents' commands, and without the accents."""
    return re.sub(r"[{}]|\\'", "", text).replace("é", "e")


def test_it_is_of_the_version_and_licence_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = cited()
    assert {name: citation[name] for name in ("title", "version", "license")} == {
        "title": project["name"],
        "version": project["version"],
        "license": project["license"],
    }


def test_it_holds_what_cff_demands() -> None:
    citation = cited()
    assert set(citation) >= DEMANDED
    assert citation["cff-version"] == "1.2.0"
    for reference in citation["references"]:
        assert set(reference) >= {"authors", "title", "type"}
    assert is_valid(CITATION)


@pytest.mark.parametrize("demanded", sorted(DEMANDED))
def test_one_that_lacks_it_is_refused(tmp_path: Path, demanded: str) -> None:
    citation = cited()
    del citation[demanded]
    broken = tmp_path / CITATION.name
    broken.write_text(yaml.safe_dump(citation))
    assert not is_valid(broken)


def test_the_entries_of_the_readme_are_its_references() -> None:
    own, *entries = bibtex((ROOT / "README.md").read_text())
    citation = cited()
    assert (own["title"], own["version"]) == (citation["title"], citation["version"])
    assert plain(own["author"]) == citation["authors"][0]["name"]
    told = [
        (
            plain(entry["title"]),
            [name.split()[-1] for name in plain(entry["author"]).split(" and ")],
            int(entry["year"]),
        )
        for entry in entries
    ]
    references = [
        (reference["title"], [plain(author["family-names"]) for author in reference["authors"]], reference["year"])
        for reference in citation["references"]
    ]
    assert told == references
