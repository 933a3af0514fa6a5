"""Attacks on the defense itself, and the documents' way to a fitted one."""

import csv
import re
from pathlib import Path

import pytest
import torch

from bench import attacks, data
from bench.suites import load
from defenses.base import REJECT, RejectingClassifier
from tests.e2e.conftest import call

DOCS = Path(__file__).parents[2] / "docs"
DEFENSES = ("naive", "ood")
ATTACKS = (
    "fgs",
    "ifgs",
    "pgd",
    "deepfool",
    "deepfool_min",
)  # the suite's but C&W, which takes longer than the rest together
RUN = ("run", "digits", "--suite", "adaptive", "--limit", "100")
CHOSEN = ("--defenses", ",".join(DEFENSES), "--attacks", ",".join(ATTACKS))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    result = call(folder, *RUN, *CHOSEN)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def rows(home: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (home / "results/digits-adaptive.csv").open() as file:
        return {(r["defense"], r["attack"]): r for r in csv.DictReader(file) if r["denominator"] == "all"}


def block(document: str, language: str, holds: str) -> str:
    """Return the one code block of a document that holds a text."""
    text = (DOCS / document).read_text()
    found = [
        code for code in re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if holds in code
    ]
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def taken(home: Path, monkeypatch: pytest.MonkeyPatch) -> RejectingClassifier:
    """The fitted +OOD, as docs/adding-a-defense.md takes one from the store."""
    code = block("adding-a-defense.md", "python", "of_last_run")
    assert "seed=0" in code
    monkeypatch.chdir(home)
    names: dict[str, object] = {}
    code = code.replace("seed=0", 'seed=0, suite="adaptive"').replace("maxlogit", "ood")
    exec(code, names)  # noqa: S102  the document's own code
    classifier = names["classifier"]
    assert isinstance(classifier, RejectingClassifier)
    return classifier


def test_every_attack_meets_the_defense_that_is_scored(rows: dict[tuple[str, str], dict[str, str]]) -> None:
    for defense in DEFENSES:
        for attack in ATTACKS:
            row = rows[defense, attack]
            assert row["n"] == str(round(200 * 100 / 360))  # as large a share of the suite's images as of all
            assert row["err"] == row["source_err"], (defense, attack)


def test_deepfool_and_pgd_aim_past_the_dustbin_into_which_the_gradient_s_sign_climbs(
    rows: dict[tuple[str, str], dict[str, str]],
) -> None:
    for defense in DEFENSES:
        assert float(rows[defense, "deepfool_min"]["err"]) >= 0.95
        assert float(rows[defense, "pgd"]["err"]) >= 0.95
    for attack in ("fgs", "ifgs"):
        assert float(rows["naive", attack]["err"]) >= 0.95
        assert float(rows["ood", attack]["rej"]) >= 0.5


def test_the_documents_take_a_fitted_defense_and_attack_it(taken: RejectingClassifier) -> None:
    test = data.load("digits").splits["test"]
    x, labels = test.images[:100], test.labels[:100]
    right = taken.predict(x) == labels
    assert right.float().mean() >= 0.5
    assert (taken.predict(data.load("letters").splits["test"].images[:50]) == REJECT).all()
    smallest = next(attack for attack in load("adaptive").attacks if attack.name == "deepfool_min")
    attack = attacks.make("deepfool", **smallest.params)
    names = {"classifier": taken, "attack": attack, "x": x[right], "labels": labels[right], "K": 10}
    exec(block("adding-a-suite.md", "python", "WithRejectClass"), names)  # noqa: S102  the document's own code
    success, images = names["success"], names["images"]
    assert isinstance(success, torch.Tensor)
    assert isinstance(images, torch.Tensor)
    predicted = taken.predict(images)
    assert torch.equal(success, (predicted != labels[right]) & (predicted != REJECT))
    assert success.float().mean() >= 0.95
