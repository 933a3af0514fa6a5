"""What a Markdown table says beside its figures: cautions, the paper's numbers, harmless names."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from bench.records import DataOrigin, Record
from leaderboard import paper
from leaderboard.arranging import arranged
from leaderboard.cells import across_seeds, per_seed
from leaderboard.markdown import markdown
from leaderboard.parts import parts
from leaderboard.text import distance, inline, percent, section

Make = Callable[..., Record]


def document(records: list[Record]) -> str:
    records = arranged(records)
    cells = per_seed(records)
    return markdown(records, cells, across_seeds(cells), parts(records, cells), "mnist")


def top(text: str) -> str:
    return text.partition("## Leaderboard")[0]


def test_controls_stand_beside_their_attack(make: Make) -> None:
    cells: dict[str, dict[str, object]] = {
        "fgs": {"epsilon": 0.2},
        "fgs_noise": {"epsilon": 0.2, "control": "noise"},
        "ifgs": {"epsilon": 0.2},
    }
    records = [
        make(defense, attack, (0, 10 - n, n), parameters=parameters, in_average="control" not in parameters)
        for n, defense in enumerate(("naive", "ood"))
        for attack, parameters in cells.items()
    ]
    text = section(document(records), "Attacks or noise")
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert lines[0] == ["images", "L2", "naive", "+OOD"]
    assert [line[0] for line in lines[2:]] == ["FGS", "fgs_noise"]
    assert lines[3][3].startswith("90.0 [")
    of_longer_name = [make("naive", "ifgs_3", (5, 0, 5)), make("naive", "ifgs", (5, 0, 5))]
    control = make("naive", "ifgs_3_noise", (5, 0, 5), parameters={"epsilon": 0.2, "control": "noise"})
    text = section(document([*of_longer_name, control]), "Attacks or noise")
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")][1:] == [
        "ifgs_3",
        "ifgs_3_noise",
    ]
    assert "Weak attack" not in top(document([make("naive", "fgs_noise", (9, 0, 1), parameters={"control": "noise"})]))
    assert "## Attacks or noise" not in document([make("naive", "fgs", (0, 5, 5))])


def test_controls_made_on_each_defense_itself_have_the_distances_of_each(make: Make) -> None:
    about: dict[str, dict[str, Any]] = {
        "pgd": {"parameters": {"epsilon": 0.2}},
        "pgd_noise": {"parameters": {"epsilon": 0.2, "control": "noise"}, "in_average": False},
    }
    records = [
        make(defense, attack, (0, images - 1, 1), source="victim", **header)
        for defense, images in (("naive", 10), ("ood", 20))
        for attack, header in about.items()
    ]
    text = section(document(records), "Attacks or noise")
    assert "Images made on the defense itself are others for each: their L2 stands behind its Rej." in text
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert [line[:2] for line in lines[2:]] == [["pgd", "–"], ["pgd_noise", "–"]]
    for line in lines[2:]:
        assert [cell.partition("L2")[2] for cell in line[2:]] == [" 0.550", " 1.050"]


def test_of_images_that_defenses_share_the_distance_is_over_the_most_seeds(make: Make) -> None:
    records = [
        make(defense, attack, (0, 10 + 10 * seed, 0), seed=seed, parameters=parameters, in_average=False)
        for defense, seeds in (("naive", (0,)), ("ood", (0, 1)))
        for attack, parameters in (("fgs", {}), ("fgs_noise", {"control": "noise"}))
        for seed in seeds
    ]
    text = section(document(records), "Attacks or noise")
    assert [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| ")][1:] == ["0.800"] * 2
    assert "their L2 stands" not in text


def test_a_sound_full_run_needs_no_caution(small: list[Record]) -> None:
    assert "\n>" not in document(small)


def test_a_limited_run_says_so_on_top(make: Make) -> None:
    text = top(document([make("naive", "clean", (9, 0, 1), limit=10)]))
    assert "> **LIMITED to the first 10 of every split: not comparable, not for publication.**" in text


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("device", "cuda", "device cpu (11 records), cuda (1 records)"),
        ("threads", 8, "threads 2 (11 records), 8 (1 records)"),
        ("versions", {"torch": "2.9.0"}, "foolbox 3.3.4 (11 records), unknown (1 records); torch 2.6.0 (11 records)"),
    ],
)
def test_mixed_environments_are_listed(small: list[Record], entry: str, value: object, said: str) -> None:
    small[2] = replace(small[2], provenance={**small[2].provenance, entry: value})
    assert f"> **Mixed environments**: the records were not all computed alike: {said}" in top(document(small))


def test_another_platform_alone_is_shown_and_no_caution(small: list[Record]) -> None:
    small[2] = replace(small[2], provenance={**small[2].provenance, "platform": "Darwin arm64", "versions": {}})
    text = document([replace(record, provenance={**record.provenance, "versions": None}) for record in small])
    assert "Mixed environments" not in text
    assert "Darwin arm64 (1 records), Linux x86_64 (11 records)" in text


def test_data_notes_stand_on_top(make: Make) -> None:
    data = {"mnist": DataOrigin(digest="ab" * 32, origin="here", notes=("a subset was used",))}
    assert "> **Data mnist**: a subset was used" in top(document([make("naive", "clean", (9, 0, 1), data=data)]))


@pytest.mark.parametrize(
    ("tensor", "value", "said"),
    [
        ("fooled", 0, "it fools its own source for 0.0% of its images only"),
        ("l2", 0, "it leaves half of its images or more as they were (median distance 0)"),
        ("linf", 0, "it leaves half of its images or more as they were (median distance 0)"),
    ],
)
def test_a_weak_attack_is_called_weak(make: Make, tensor: str, value: int, said: str) -> None:
    record = make("naive", "fgs", (5, 0, 5))
    text = document([replace(record, tensors={**record.tensors, tensor: torch.full((10,), value)})])
    assert f"> **Weak attack FGS**: {said}; a low Err on it says little." in top(text)


def test_an_attack_on_the_defenses_themselves_is_weak_or_they_are_strong(make: Make) -> None:
    ours = [make(name, "fgs", (5, 0, 5), source="victim", seed=seed) for name in ("naive", "ood") for seed in (0, 1)]
    assert "Weak attack" not in top(document(ours))
    held = {"fooled": torch.zeros(10), "l2": torch.zeros(10)}
    ours[3] = replace(ours[3], tensors={**ours[3].tensors, **held})
    said = (
        "in some seed it fools its victim for less than 50% of its images (+OOD); it leaves half of its images or "
        "more as they were, at a median distance of 0 (+OOD); a low Err there may mean either."
    )
    assert f"> **Weak attack FGS, or strong defenses**: {said}" in top(document(ours))


def test_the_paper_s_figures_stand_beside_ours(small: list[Record]) -> None:
    text = document(small)
    fgs = text.split("### FGS")[1].split("###")[0]
    assert [cell.strip() for cell in fgs.splitlines()[5].split("|")[-4:-1]] == ["19.15", "65.19", "15.66"]
    assert paper.SOURCE in text


def test_the_paper_s_figures_do_not_stand_beside_attacks_on_the_defenses_themselves(make: Make) -> None:
    records = [make("naive", "clean", (9, 0, 1)), make("naive", "fgs", (5, 0, 5), source="victim")]
    clean, fgs = document(records).split("## Attack by attack")[1].split("### ")[1:3]
    assert "paper Err" in clean
    assert "paper Err" not in fgs


def test_the_paper_s_average_stands_beside_one_over_the_same_attacks_only(small: list[Record], make: Make) -> None:
    assert "paper average Err" not in document(small)
    others = [make(name, attack, (1, 0, 1)) for name in ("naive", "ood") for attack in ("ifgs", "tfgs", "deepfool")]
    leaderboard = section(document(small + others), "Leaderboard").splitlines()
    assert [line.split("|")[4].strip() for line in leaderboard[:4:2]] == ["paper average Err", "42.17"]


@pytest.mark.parametrize(
    "changed", [{"track": "digits"}, {"track": "no such track"}, {"limit": 2000}, {"architecture": "resnet10t"}]
)
def test_the_paper_s_figures_stand_beside_no_run_of_another_kind(
    small: list[Record], make: Make, changed: dict[str, object]
) -> None:
    others = [make(name, attack, (1, 0, 1)) for name in ("naive", "ood") for attack in ("ifgs", "tfgs", "deepfool")]
    of_paper = small + others
    assert document(of_paper).count("paper average Err") == 1
    text = document([replace(record, header=record.header.model_copy(update=changed)) for record in of_paper])
    assert "paper Acc" not in text
    assert "paper average Err" not in text
    assert paper.SOURCE not in text


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_the_paper_s_averages_are_those_of_its_attacks(name: str) -> None:
    column = paper.column(name)
    for defense in ("naive", "ood", "ood_interp"):
        errs = [float(column[defense, attack].err) for attack in ("fgs", "ifgs", "tfgs", "deepfool", "cw")]
        assert sum(errs) / 5 == pytest.approx(float(column[defense, paper.AVERAGE].err), abs=0.006)
        assert column[defense, "clean"].acc


def test_rates_of_a_paper_row_sum_to_one_hundred() -> None:
    for name in ("mnist", "cifar10"):
        for cell in paper.column(name).values():
            if cell.acc and cell.rej:
                assert float(cell.acc) + float(cell.rej) + float(cell.err) == pytest.approx(100, abs=0.011)


def test_names_from_elsewhere_cannot_break_a_table(make: Make) -> None:
    text = document([make("naive", "clean", (9, 0, 1), defense_title="a | b\n<script>")])
    assert "| a \\| b \\<script> |" in text


def test_two_defenses_of_one_title_are_told_apart(make: Make) -> None:
    twins = [make(name, "clean", (9, 0, 1), defense_title="twin") for name in ("first", "second")]
    assert "twin (first)" in document(twins)


def test_the_attack_table_shows_what_an_attack_asks_for(small: list[Record]) -> None:
    rows = section(document(small), "The attacks").splitlines()
    fgs, cw = ([cell.strip() for cell in row.split("|")[1:-1]] for row in rows[2:])
    assert fgs[:8] == ["FGS", "surrogate", "20", "50.0", "–", "–", "1.050", "0.105"]
    assert cw[:8] == ["C&W", "surrogate", "8", "50.0", "25.0", "0.0", "0.450", "0.045"]
    assert cw[9] == 'confidence 20.0, targets \\["least_likely","most_likely_other"]'


def test_figures_that_are_missing_show_a_dash() -> None:
    assert percent(None) == percent(float("nan")) == distance(float("nan")) == "–"
    assert (percent(1), percent(0.12345)) == ("100.0", "12.3")


def test_text_is_made_harmless_on_one_line() -> None:
    assert inline("a\n `b` [c] *d*") == "a \\`b\\` \\[c] \\*d\\*"


def test_a_section_ends_at_the_next_heading() -> None:
    assert section("# t\n\n## A\n\none\n\n### sub\n\n## B\n\ntwo\n", "A") == "one\n\n### sub"
    assert section("# t\n", "A") == ""
