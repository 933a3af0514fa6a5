"""The whole way: real digits, the paper's defenses and a control, the whole suite, from nothing."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from bench import records, suites
from tests.e2e.conftest import call, tables

TARGETS = 2
DEFENSES = ("naive", "ood", "ood_interp", "ood_interp_matched")  # of the whole roster, which takes minutes
RUN = ("run", "--all", "--defenses", ",".join(DEFENSES))
JOBS = 47


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    result = call(folder, *RUN)
    assert result.returncode == 0, result.stderr
    assert f"{JOBS} jobs done, 0 kept" in result.stdout
    told = [line.partition(" is left out: ")[0] for line in result.stderr.splitlines()]
    assert told == ["warning: track 'mnist'", "warning: track 'cifar10'"]
    return folder


@pytest.fixture(scope="module")
def rows(home: Path) -> list[dict[str, str]]:
    with (home / "results/digits.csv").open() as file:
        return list(csv.DictReader(file))


def rate(rows: list[dict[str, str]], defense: str, attack: str, name: str) -> float:
    found = [r for r in rows if (r["defense"], r["attack"], r["denominator"]) == (defense, attack, "all")]
    assert len(found) == 1
    return float(found[0][name])


def test_every_cell_is_there(rows: list[dict[str, str]]) -> None:
    attacks = [attack.name for attack in suites.load("table1").attacks]
    expected = {(d, a, m) for d in DEFENSES for a in attacks for m in ("all", "fooled", "victim_correct")}
    expected |= {(d, a, "all") for d in DEFENSES for a in ("clean", "out:letters", "out:photos")}
    assert Counter((r["defense"], r["attack"], r["denominator"]) for r in rows) == Counter(expected)


def test_the_naive_network_is_accurate_and_the_attacks_fool_their_source(rows: list[dict[str, str]]) -> None:
    assert rate(rows, "naive", "clean", "acc") >= 0.95
    for attack in ("fgs", "ifgs", "tfgs", "deepfool", "deepfool_min", "cw"):
        assert rate(rows, "naive", attack, "source_err") >= 0.75, attack
        assert rate(rows, "naive", attack, "rej") == 0


def test_the_defended_reject_letters_that_they_never_saw(rows: list[dict[str, str]]) -> None:
    for defense in ("ood", "ood_interp"):
        assert rate(rows, defense, "out:letters", "rej") >= 0.9
        assert rate(rows, defense, "clean", "acc") >= 0.85


def test_no_cw_image_is_black_and_every_budget_is_kept(home: Path) -> None:
    found = {}
    for path in (home / "store/craft").iterdir():
        manifest = json.loads((path / "manifest.json").read_text())
        from bench.store import read_artifact  # noqa: PLC0415

        found[manifest["meta"]["attack"]] = read_artifact(path).tensors()
    assert len(found["cw"]["label"]) == 100 * TARGETS
    assert found["cw"]["images"].flatten(1).amax(1).min() > 0.1
    assert (found["cw"]["l2"][~found["cw"]["reached_kappa"]] == 0).all()
    for attack in ("fgs", "ifgs", "tfgs"):
        assert found[attack]["linf"].max() <= 0.2 + 1e-6
        assert torch.equal(found[attack]["index"], found["fgs"]["index"])
    for tensors in found.values():
        assert tensors["images"].min() >= 0
        assert tensors["images"].max() <= 1


def test_all_defenses_are_scored_on_the_same_images(home: Path) -> None:
    seen: dict[str, set[bytes]] = {}
    for path in (home / "store/score").iterdir():
        record = records.load(path)
        shown = record.tensors["exhibits"].numpy().tobytes() + record.tensors["index"].numpy().tobytes()
        seen.setdefault(record.header.attack, set()).add(shown)
    assert {len(images) for images in seen.values()} == {1}


def test_the_second_run_makes_nothing_and_the_same_bytes(home: Path) -> None:
    before = tables(home, "digits")
    result = call(home, *RUN)
    assert result.returncode == 0
    assert f"0 jobs done, {JOBS} kept" in result.stdout
    assert tables(home, "digits") == before


def test_the_index_names_what_was_left_out_and_why(home: Path) -> None:
    index = (home / "results/README.md").read_text()
    assert "[Leaderboard](digits.md)" in index
    assert "put mnist.npz in the Keras layout into data, or run: python -m bench data fetch mnist" in index


def test_dates_are_in_the_provenance_alone(home: Path) -> None:
    provenance = json.loads((home / "results/digits.provenance.json").read_text())
    assert len(provenance["records"]) == 36
    created = provenance["records"][0]["created"]
    for data in tables(home, "digits").values():
        assert created[:10].encode() not in data
