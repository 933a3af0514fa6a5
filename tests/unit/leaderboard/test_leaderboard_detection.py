"""Defenses at equal clean rejection, how well their scores tell images apart, and what they take."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pandas as pd
import pytest
import torch

from bench.records import Record
from leaderboard.arranging import arranged
from leaderboard.costs import costs
from leaderboard.equal_csv import equal_csv
from leaderboard.equal_rejection import apart, equal_rejection

Make = Callable[..., Record]
Row = dict[str, str]


def rows(text: str) -> dict[str, Row]:
    """Return the rows of the one table in a text, by their first cell."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[2:]}


def scored(record: Record, scores: list[float], classes: list[int]) -> Record:
    tensors = {"reject_score": torch.tensor(scores), "class_prediction": torch.tensor(classes)}
    return replace(record, tensors={**record.tensors, **tensors})


def test_each_rejects_at_the_threshold_of_its_own(make: Make) -> None:
    thresholds = {"0.01": 0.5, "0.05": 0.2}
    clean = scored(make("ood", "clean", (4, 0, 0), thresholds=thresholds), [0.0, 0.1, 0.3, 0.4], [3, 3, 3, 3])
    attacked = scored(make("ood", "fgs", (0, 4, 0), thresholds=thresholds), [0.0, 0.3, 0.6, 0.7], [4, 4, 3, 4])
    found = rows(equal_rejection(arranged([clean, attacked])))["+OOD"]
    assert (found["Err at 1%"], found["clean Rej at 1%"]) == ("50.0", "0.0")
    assert (found["Err at 5%"], found["clean Rej at 5%"]) == ("25.0", "50.0")


def test_the_least_err_at_five_per_cent_stands_first(small: list[Record]) -> None:
    found = rows(equal_rejection(arranged(small)))
    assert list(found) == ["reject all", "+OOD", "naive"]


def test_a_row_that_lacks_a_cell_has_no_figure(make: Make) -> None:
    records = [make("naive", "clean", (9, 0, 1)), make("ood", "clean", (9, 1, 0)), make("ood", "fgs", (5, 5, 0))]
    found = rows(equal_rejection(arranged(records)))
    assert list(found) == ["+OOD", "naive"]
    assert found["naive"]["Err at 5%"] == "–"
    assert found["naive"]["clean Rej at 5%"] == "0.0"


def test_seeds_give_intervals(make: Make) -> None:
    records = [make("ood", attack, (8 - seed, seed, 2), seed=seed) for seed in range(3) for attack in ("clean", "fgs")]
    found = rows(equal_rejection(arranged(records)))["+OOD"]
    assert found["Err at 1%"] == "20.0 [20.0, 20.0]"
    assert found["clean Rej at 1%"].startswith("10.0 [")


def test_a_defense_is_compared_with_the_paper_s_best_seed_by_seed(make: Make) -> None:
    wrong = {"ood_interp": (1, 3, 5), "ood": (3, 4, 8), "naive": (1, 3, 5)}
    records = [
        make(defense, attack, (10 - errors[seed], 0, errors[seed]), seed=seed)
        for defense, errors in wrong.items()
        for seed in range(3)
        for attack in ("clean", "fgs")
    ]
    found = rows(equal_rejection(arranged(records)))
    column = "Err at 1%, minus ood_interp's"
    # 20, 10 and 30 points more: 20 ± 4.303 · 10 / √3.
    assert found["+OOD"][column] == "20.0 [-4.8, 44.8]"
    assert found["naive"][column] == "0.0 [0.0, 0.0]"
    assert found["ood_interp"][column] == "–"


def test_without_the_paper_s_best_there_is_nothing_to_compare_with(small: list[Record]) -> None:
    assert "minus" not in equal_rejection(arranged(small)).splitlines()[2]


def test_scores_are_compared_with_the_clean_images(make: Make) -> None:
    clean = scored(make("ood", "clean", (3, 0, 1)), [0.0, 0.1, 0.2, 0.3], [3, 3, 3, 4])
    out = scored(make("ood", "out:notmnist", (0, 0, 4)), [0.15, 0.5, 0.6, 0.7], [1, 1, 1, 1])
    found = rows(apart(arranged([clean, out])))["+OOD"]
    assert found["AUROC notmnist"] == "87.5"
    assert found["FPR95 notmnist"] == "25.0"
    assert found["AURC"] == "6.250"


def test_a_set_that_is_trained_on_is_called_seen(make: Make) -> None:
    clean = make("ood", "clean", (3, 0, 1))
    data = {**clean.header.data, "notmnist": clean.header.data["mnist"]}
    seen = replace(clean, header=clean.header.model_copy(update={"data": data}))
    naive = make("naive", "clean", (3, 0, 1), data=data)
    out = [make(name, "out:notmnist", (0, 2, 2)) for name in ("naive", "ood")]
    found = rows(apart(arranged([seen, naive, *out])))
    assert found["+OOD"]["AUROC notmnist"].endswith(" (seen)")
    assert "seen" not in found["naive"]["AUROC notmnist"]


def test_as_csv_the_figures_are_fractions_with_a_row_for_every_defense(make: Make) -> None:
    wrong = {"naive": (1, 3, 5), "ood_interp": (1, 3, 5), "ood": (3, 4, 8)}
    records = [
        make(defense, attack, (10 - errors[seed], 0, errors[seed]), seed=seed)
        for defense, errors in wrong.items()
        for attack in ("clean", "out:notmnist", "fgs")
        for seed in range(3 if defense != "naive" else 2)
    ]
    found = pd.read_csv(BytesIO(equal_csv(arranged(records))))
    assert found["defense"].tolist() == ["naive", "ood_interp", "ood"]
    assert found["seeds"].tolist() == [2, 3, 3]
    assert found["err_at_5"].tolist() == pytest.approx([0.2, 0.3, 0.5])
    more = [f"err_at_5_minus_ood_interp{end}" for end in ("", "_low", "_high")]
    half = 4.302653 * 0.1 / 3**0.5
    assert found[more].to_numpy()[2].tolist() == pytest.approx([0.2, 0.2 - half, 0.2 + half], abs=1e-6)
    of_two_seeds, of_itself, _ = found[more].isna().to_numpy().tolist()
    assert of_two_seeds == [False, True, True]
    assert of_itself == [True, True, True]
    ends = [f"{name}{end}" for name in ("aurc", "auroc_notmnist", "fpr95_notmnist") for end in ("", "_low", "_high")]
    assert found[ends].notna().all(axis=None)
    assert found["clean_rej_at_1"].tolist() == [0, 0, 0]


def test_as_csv_no_threshold_is_moved_of_those_that_were_attacked(make: Make) -> None:
    records = [make("ood", "clean", (8, 1, 1)), make("ood", "pgd", (5, 0, 5), source="victim")]
    (row,) = pd.read_csv(BytesIO(equal_csv(arranged(records)))).to_dict("records")
    assert {name for name, value in row.items() if not pd.isna(value)} == {"defense", "title", "aurc", "seeds"}


def test_costs_are_multiples_of_the_naive_network_s(make: Make) -> None:
    taken = {"naive": {"networks": 1, "out": 0, "attacks": 0}, "ood": {"networks": 2, "out": 1, "attacks": 0}}

    def of(defense: str, fit: float, seconds: float, seed: int, takes: dict[str, dict[str, int]]) -> Record:
        provenance = {"fits": {defense: fit}, "seconds": seconds, "device": "cpu", "threads": 1 + seed // 2}
        return make(defense, "clean", (10, 0, 0), provenance, seed=seed, taken=takes)

    records = [
        record
        for seed in range(3)
        for record in (
            of("naive", 10.0, 2.0, seed, {"naive": taken["naive"]}),
            of("ood", 25.0, 5.0, seed, taken),
        )
    ]
    page = costs(arranged(records))
    assert "1.0 is 10 s of training a seed and 200.00 ms of inference an image, in each of" in page
    assert page.endswith(": device cpu, processor unknown, instructions unknown, threads 1 or 2.\n")
    found = rows(page)
    assert found["naive"]["training, × naive"] == "1.0"
    assert found["+OOD"] == {
        "defense": "+OOD",
        "networks": "3",
        "out-distribution images": "yes",
        "adversarial images": "no",
        "training, × naive": "3.5",
        "inference, × naive": "2.5",
    }


def test_what_was_measured_elsewhere_than_naive_is_no_multiple_of_it(make: Make) -> None:
    def of(defense: str, **place: object) -> Record:
        taken = {defense: {"networks": 1, "out": 0, "attacks": 0}}
        return make(defense, "clean", (10, 0, 0), {"fits": {defense: 10.0}, "seconds": 2.0} | place, taken=taken)

    records = [of("naive"), of("ood"), of("msp", instructions="AVX512"), of("knn", inputs=[{"threads": 4}])]
    found = {title: row["training, × naive"] for title, row in rows(costs(arranged(records))).items()}
    assert found == {"naive": "1.0", "+OOD": "1.0", "msp": "–", "knn": "–"}
    assert costs(arranged(records)).endswith("instructions unknown, threads unknown.\n")  # the naive network's alone


@pytest.mark.parametrize("provenance", [{}, {"fits": {"other": 1.0}}])
def test_a_cost_that_was_not_measured_is_left_open(make: Make, provenance: dict[str, object]) -> None:
    page = costs([make("ood", "clean", (1, 0, 0), provenance | {"versions": {}})])
    found = rows(page)["+OOD"]
    assert "1.0 is" not in page
    assert found["training, × naive"] == found["inference, × naive"] == "–"
