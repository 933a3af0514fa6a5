"""Robustness with rejection: what is lost to errors, and to rejections of what is hardly changed."""

from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.intervals import wilson
from bench.records import Record
from leaderboard.arranging import arranged
from leaderboard.attack_sections import attack_headers
from leaderboard.robustness import asked_by, robustness
from leaderboard.tables import write_track
from leaderboard.text import section

Make = Callable[..., Record]
PGD: dict[str, Any] = {"source": "victim", "attack_title": "PGD", "parameters": {"epsilon": 0.2}}
INNER = {"rejected_050": 0.1, "rejected_010": 0.02, "rejected_200": 0.4}


def towards(epsilon: float) -> dict[str, Any]:
    parameters = {"epsilon": epsilon, "targets": ["rejection"]}
    return {"source": "victim", "attack_title": "towards", "parameters": parameters, "in_average": False}


def rejecting(record: Record, images: list[int]) -> Record:
    """Return the record with these images rejected and all others right."""
    prediction = torch.full((10,), 3)
    prediction[images] = -1
    return replace(record, tensors={**record.tensors, "prediction": prediction})


def run(make: Make, defense: str, wrong: int, rejected: dict[str, list[int]], seed: int = 0) -> list[Record]:
    """Return records of ten images, of which PGD fools the last and others have some rejected."""
    records = [
        make(defense, "clean", (10, 0, 0), seed=seed),
        make(defense, "pgd", (10 - wrong, 0, wrong), seed=seed, **PGD),
    ]
    for name, epsilon in INNER.items():
        made = make(defense, name, (10, 0, 0), seed=seed, **towards(epsilon))
        records.append(rejecting(made, rejected.get(name, [])))
    return records


def shown(records: list[Record], weakly: Collection[str] = ()) -> list[list[str]]:
    lines = [line for line in robustness(arranged(records), weakly).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_an_image_is_lost_to_an_error_or_to_a_rejection_within_alpha(make: Make) -> None:
    of_ood = {"rejected_010": [0, 9], "rejected_050": [1, 2], "rejected_200": [3, 4, 5, 6]}  # the last lies beyond ε
    records = run(make, "naive", 5, {}) + run(make, "ood", 2, of_ood)
    heads, _, *rows = shown(records)
    assert heads == ["defense", "images", "α 0", "α 0.1", "α 0.5"]
    shares = [[cell.split()[0] for cell in row] for row in rows]
    assert shares == [["+OOD", "10", "80.0", "70.0", "50.0"], ["naive", "10", "50.0", "50.0", "50.0"]]
    low, high = wilson(8, 10)
    assert rows[0][2] == f"80.0 [{100 * low:.1f}, {100 * high:.1f}]"


def test_within_the_whole_budget_a_rejection_is_lost_too(make: Make) -> None:
    records = run(make, "ood", 0, {})
    whole = rejecting(make("ood", "rejected_100", (10, 0, 0), **towards(PGD["parameters"]["epsilon"])), [0, 1, 2])
    heads, _, row = shown([*records, whole])
    assert heads[2:] == ["α 0", "α 0.1", "α 0.5", "α 1"]
    assert [cell.split()[0] for cell in row[2:]] == ["100.0", "100.0", "100.0", "70.0"]


def test_the_least_alpha_comes_first_in_whatever_order_a_suite_names_its_attacks(make: Make) -> None:
    records = [
        make("ood", "pgd", (10, 0, 0), **PGD),
        make("ood", "rejected_040", (10, 0, 0), **towards(0.08)),
        make("ood", "cw", (10, 0, 0), source="victim", in_average=False),  # without a budget
        make("ood", "rejected_010", (10, 0, 0), **towards(0.02)),
    ]
    for order in permutations(records):
        asked = asked_by(attack_headers(order))
        assert asked is not None
        assert [*asked.inner.values()] == [("rejected_010",), ("rejected_040",)]


def test_an_error_that_an_attack_towards_the_rejection_makes_is_one(make: Make) -> None:
    records = run(make, "ood", 0, {})
    wrong = make("ood", "rejected_010", (9, 0, 1), **towards(0.02))
    records = [wrong if record.header.attack == "rejected_010" else record for record in records]
    assert [cell.split()[0] for cell in shown(records)[2]] == ["+OOD", "10", "100.0", "90.0", "90.0"]


def test_a_row_that_an_attack_is_weak_against_is_marked(make: Make, tmp_path: Path) -> None:
    write_track(run(make, "naive", 8, {}) + run(make, "ood", 3, {}), tmp_path, "plain")
    assert "§" not in (tmp_path / "plain.md").read_text(encoding="utf-8").partition("## What the words mean")[0]
    records = run(make, "naive", 8, {}) + run(make, "ood", 3, {})
    resisting = ("ood", "pgd")
    kept = {"fooled": torch.arange(10) < 3}  # of ten: too few for an attack that is not weak
    records = [
        replace(record, tensors={**record.tensors, **kept})
        if (record.header.defense, record.header.attack) == resisting
        else record
        for record in records
    ]
    write_track(records, tmp_path, "weak")
    text = (tmp_path / "weak.md").read_text(encoding="utf-8")
    assert "| +OOD §" in section(text, "Robustness with rejection")
    assert "| naive §" not in text
    assert "\n\n§ An attack of the average is weak against it" in section(text, "Robustness with rejection")
    leaderboard = section(text, "Leaderboard")
    assert "| 1 § " in leaderboard
    assert "\n- § An attack of this average is weak against it" in leaderboard
    marks = (tmp_path / "weak.leaderboard.csv").read_text().splitlines()
    assert [line.rpartition(",")[2] for line in marks[1:]] == [
        "weakly attacked; trained on out-distribution images",
        "",
    ]


def test_a_control_asks_for_nothing(make: Make) -> None:
    records = run(make, "ood", 2, {})
    about = towards(0.02)
    about["parameters"] |= {"control": "noise"}
    control = rejecting(make("ood", "rejected_010_noise", (10, 0, 0), **about), [*range(10)])
    assert shown([*records, control]) == shown(records)


def test_over_seeds_it_has_their_mean_and_interval(make: Make) -> None:
    records = [record for seed, wrong in enumerate((1, 2, 3)) for record in run(make, "ood", wrong, {}, seed)]
    _, _, row = shown(records)
    assert row[1:3] == ["30", "80.0 [55.2, 100.0]"]


def test_a_defense_that_lacks_a_record_has_none(make: Make) -> None:
    records = run(make, "naive", 5, {}) + run(make, "ood", 2, {})[:-1]
    records = [record for record in records if (record.header.defense, record.header.attack) != ("ood", "rejected_010")]
    assert [row for row in shown(records) if row[0] == "+OOD"] == [["+OOD", "–", "–", "–", "–"]]


@pytest.mark.parametrize(
    "without", [lambda name: name.startswith("rejected"), lambda name: name == "pgd"], ids=["inner", "outer"]
)
def test_a_suite_that_does_not_ask_has_no_such_section(
    make: Make, tmp_path: Path, without: Callable[[str], bool]
) -> None:
    records = run(make, "naive", 5, {})
    write_track(records, tmp_path, "whole")
    write_track([record for record in records if not without(record.header.attack)], tmp_path, "part")
    heading = "## Robustness with rejection"
    assert heading in (tmp_path / "whole.md").read_text(encoding="utf-8")
    assert heading not in (tmp_path / "part.md").read_text(encoding="utf-8")


def test_an_average_over_images_of_other_networks_has_no_such_section(make: Make) -> None:
    other = make("naive", "fgs", (5, 0, 5))
    assert robustness(arranged([*run(make, "naive", 5, {}), other]), ()) == ""


def test_several_budgets_have_no_common_alpha(make: Make) -> None:
    other = make("naive", "pgd_more", (5, 0, 5), **PGD | {"parameters": {"epsilon": 0.3}})
    assert robustness(arranged([*run(make, "naive", 5, {}), other]), ()) == ""
