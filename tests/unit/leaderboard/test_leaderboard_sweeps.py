"""Err by the value of a parameter: what a sweep is, its table, its figure, and which shows an attack weak."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.records import Record
from leaderboard.arranging import arranged
from leaderboard.board import leaderboard
from leaderboard.cautions import cautions
from leaderboard.cells import across_seeds, per_seed
from leaderboard.looks import PAPER
from leaderboard.parts import parts
from leaderboard.sweep_figure import sweep_figure
from leaderboard.sweeps import sweep_section, sweeps
from leaderboard.tables import write_track

Make = Callable[..., Record]
EPSILONS = {"pgd_small": 0.1, "pgd_large": 1.0, "pgd_middle": 0.3}


def swept(
    make: Make, wrong: Mapping[str, Sequence[int]], source: str = "victim", epsilons: Mapping[str, float] = EPSILONS
) -> list[Record]:
    """Return records of each defense's wrong images, of a hundred, under the attacks in their order."""
    records = []
    for defense, errors in wrong.items():
        records.append(make(defense, "clean", (100, 0, 0)))
        for (attack, epsilon), count in zip(epsilons.items(), errors, strict=True):
            parameters = {"epsilon": epsilon, "stepsize": epsilon / 20, "steps": 60}
            title = f"PGD, {attack}"
            decided = (100 - count, 0, count)
            records.append(make(defense, attack, decided, attack_title=title, parameters=parameters, source=source))
    return arranged(records)


def told(records: list[Record]) -> list[str]:
    return [
        caution for caution in cautions(records, per_seed(records)) if caution.startswith("**Weak attack PGD, made")
    ]


def test_attacks_of_one_name_that_differ_in_a_value_are_a_sweep_from_the_least_value(make: Make) -> None:
    (found,) = sweeps(swept(make, {"naive": [10, 100, 60]}))
    assert (found.title, found.parameter, found.symbol, found.source) == ("PGD", "epsilon", "ε", "victim")
    assert found.attacks == ("pgd_small", "pgd_middle", "pgd_large")
    assert found.values == (0.1, 0.3, 1.0)


@pytest.mark.parametrize("parameter", ["steps", "overshoot", "confidence"])
def test_any_parameter_of_strength_is_swept(make: Make, parameter: str) -> None:
    at = {f"attack_{value}": {"epsilon": 0.2, parameter: value} for value in (3, 1, 2)}
    made = [make("naive", attack, (2, 0, 2), parameters=of, attack_title=f"A, {attack}") for attack, of in at.items()]
    (found,) = sweeps(made)
    assert (found.title, found.parameter, found.values) == ("A", parameter, (1, 2, 3))
    assert found.attacks == ("attack_1", "attack_2", "attack_3")


@pytest.mark.parametrize(
    "changed",
    [
        {"parameters": {"epsilon": 0.1}},  # a value twice
        {"parameters": {"epsilon": 0.2, "steps": 4}},  # another attack's parameters
        {"parameters": {"epsilon": 0.2, "control": "noise"}},
        {"parameters": {"epsilon": 0.2}, "source": "twin"},
        {"parameters": {"epsilon": 0.2}, "attack_title": "Another attack"},
    ],
)
def test_what_differs_in_more_than_a_value_is_none(make: Make, changed: dict[str, object]) -> None:
    def fgs(name: str, **about: object) -> Record:
        return make("naive", name, (2, 0, 2), **{"attack_title": "FGS, so", **about})

    two = [fgs(f"fgs_{epsilon}", parameters={"epsilon": epsilon}) for epsilon in (0.1, 0.3)]
    third: dict[str, object] = {"parameters": {"epsilon": 0.2}}
    assert len(sweeps([*two, fgs("fgs_0.2", **third)])) == 1
    assert sweeps([*two, fgs("fgs_0.2", **third | changed)]) == []
    assert sweeps(two) == []
    assert sweeps([*two, fgs("fgs", **third)]) == []


def test_the_table_has_a_column_for_each_value_and_the_page_its_figure(make: Make, tmp_path: Path) -> None:
    records = swept(make, {"naive": [10, 100, 60], "ood": [5, 95, 40]})
    section = sweep_section(records, across_seeds(per_seed(records)), "mnist")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("|")]
    assert lines[0] == ["defense", "ε 0.1", "ε 0.3", "ε 1"]
    assert [[cell.split(" ")[0] for cell in line] for line in lines[2:]] == [
        ["naive", "10.0", "60.0", "100.0"],
        ["+OOD", "5.0", "40.0", "95.0"],
    ]
    assert "### PGD, made on the defense itself" in section
    write_track(records, tmp_path, "mnist")
    assert section in (tmp_path / "mnist.md").read_text()
    assert section.endswith("![Err by ε](mnist.sweep.png)")
    assert (tmp_path / "mnist.sweep.png").read_bytes().startswith(b"\x89PNG")


def test_a_suite_without_a_sweep_has_neither_section_nor_figure(make: Make, tmp_path: Path) -> None:
    write_track([make("naive", attack, (9, 0, 1)) for attack in ("clean", "fgs", "cw")], tmp_path, "mnist")
    assert "## Err by ε" not in (tmp_path / "mnist.md").read_text()
    assert not (tmp_path / "mnist.sweep.png").exists()


def test_the_figure_has_a_panel_for_each_sweep_and_a_line_for_each_defense_that_ranks(make: Make) -> None:
    of_surrogate = {attack.replace("pgd", "ifgs"): epsilon for attack, epsilon in EPSILONS.items()}
    wrong = {"naive": [10, 100, 60], "ood": [5, 95, 40], "reject_all": [0, 0, 0]}
    transferred = [
        record for record in swept(make, wrong, "surrogate", of_surrogate) if record.header.attack != "clean"
    ]
    records = arranged([*swept(make, wrong), *transferred])
    drawn = sweep_figure(parts(records, per_seed(records))[0], sweeps(records))
    assert len(drawn.axes) == 2
    for axes in drawn.axes:
        errors = {line.get_color(): np.asarray(line.get_ydata()).tolist() for line in axes.lines}
        assert errors == {PAPER["naive"].colour: [10, 60, 100], PAPER["ood"].colour: [5, 40, 95]}
        assert axes.get_xscale() == "log"
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["naive", "+OOD"]


def test_of_an_attack_towards_the_rejection_what_is_rejected_is_shown_and_nothing_called_weak(make: Make) -> None:
    records = [make("naive", "clean", (9, 0, 1))]
    for number, epsilon in enumerate((0.1, 0.3, 1.0)):
        parameters = {"epsilon": epsilon, "targets": ["rejection"]}
        decided = (9 - 3 * number, 3 * number, 0)
        title = f"towards the rejection, {number}"
        records.append(
            make("naive", f"a_{number}", decided, source="victim", parameters=parameters, attack_title=title)
        )
    records = arranged(records)
    section = sweep_section(records, across_seeds(per_seed(records)), "mnist")
    assert section.startswith("## Rej by ε\n\nRej, in per cent")
    assert [cell.split()[0] for cell in section.splitlines()[8].split("|")[1:-1]] == ["naive", "0.0", "33.3", "66.7"]
    assert cautions(records, per_seed(records)) == []
    drawn = sweep_figure(parts(records, per_seed(records))[0], sweeps(records))
    assert drawn.axes[0].get_ylabel() == "Rej, %"


def test_an_attack_that_errs_less_within_more_or_not_always_within_all_is_called_weak(make: Make) -> None:
    assert told(swept(make, {"naive": [50, 100, 90], "ood": [52, 98, 50]})) == []
    (falls,) = told(swept(make, {"naive": [50, 100, 90], "ood": [54, 99, 51]}))
    assert "errs less within a larger ε (+OOD);" in falls
    assert "errs for less than" not in falls
    (loses,) = told(swept(make, {"naive": [50, 97, 90], "ood": [54, 99, 54]}))
    assert "errs for less than 98% of its images within ε 1 (naive);" in loses
    assert "errs less" not in loses


def test_of_several_budgets_the_largest_alone_is_judged_by_itself(make: Make) -> None:
    records = swept(make, {"naive": [50, 100, 90]})
    none = torch.zeros(100, dtype=torch.bool)
    records = [replace(record, tensors={**record.tensors, "fooled": none}) for record in records]
    weak = [said for said in cautions(records, per_seed(records)) if "or strong defenses" in said]
    assert len(weak) == 1
    assert "PGD, pgd_large" in weak[0]


def test_an_attack_that_another_network_s_images_outdo_is_called_weak(make: Make) -> None:
    of_surrogate = {attack.replace("pgd", "ifgs"): epsilon for attack, epsilon in EPSILONS.items()}
    weak, strong = {"naive": [10, 100, 60], "ood": [0, 100, 20]}, {"naive": [19, 99, 65], "ood": [5, 80, 31]}
    whole = swept(make, weak)
    transferred = [
        record for record in swept(make, strong, "surrogate", of_surrogate) if record.header.kind == "attack"
    ]
    (caution,) = told(arranged([*whole, *transferred]))
    assert "it errs less within some ε than PGD made on the surrogate (+OOD); with a better search" in caution
    right = torch.arange(100) < 90  # 11 more err at one value, none of which the defense gets right anyway
    wrong_anyway = [
        replace(record, tensors={**record.tensors, "victim_correct": right}) if record.header.source else record
        for record in transferred
    ]
    assert told(arranged([*whole, *wrong_anyway])) == []


def test_that_holds_of_attacks_on_the_defense_itself_and_of_the_whole_range_alone(make: Make) -> None:
    wrong = {"ood": [90, 5, 60]}  # what transfers may well be rejected the more the larger it is
    assert told(swept(make, wrong, "surrogate")) == []
    rising = {"ood": [10, 80, 60]}
    assert told(swept(make, rising))
    assert told(swept(make, rising, epsilons=EPSILONS | {"pgd_large": 0.9})) == []


def test_a_leaderboard_says_what_its_average_is_worth(make: Make) -> None:
    def notes(records: list[Record]) -> str:
        part, *_ = parts(records, per_seed(records))
        return leaderboard(part, comparable=False)

    records = swept(make, {"naive": [10, 100, 60]})
    assert "is over the values of a parameter" in notes(records)
    assert "is a lower bound" in notes(records)
    assert "is a lower bound" not in notes(swept(make, {"naive": [10, 100, 60]}, "surrogate"))
    assert "without a budget" not in notes(records)
    more = make("naive", "deepfool", (0, 0, 100), source="victim", parameters={"overshoot": 0.02})
    mixed = arranged([*records, more])
    assert "is over the values of a parameter" not in notes(mixed)
    assert "\n- deepfool, made on the defense itself, without a budget: an Err" in notes(mixed)
    elsewhere = make("naive", "deepfool", (0, 0, 100), parameters={"overshoot": 0.02})
    assert "without a budget" not in notes(arranged([*records, elsewhere]))
