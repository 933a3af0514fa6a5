"""What others published of a defense, beside what it does here."""

import math
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files

import pytest
import torch

import defenses
from bench import suites
from bench.records import Record
from bench.tracks import TRACKS
from leaderboard import originals
from leaderboard.arranging import arranged
from leaderboard.figures import Cell

Make = Callable[..., Record]


def with_classes(record: Record, classes: list[int]) -> Record:
    return replace(record, tensors={**record.tensors, "class_prediction": torch.tensor(classes)})


def test_every_figure_names_a_track_a_defense_and_an_attack_that_there_is() -> None:
    attacks = {attack.name for attack in suites.load("table1").attacks}
    rows = [row for track in TRACKS for row in originals.published(track)]
    assert len(rows) == len(files("leaderboard").joinpath("originals.csv").read_text().splitlines()) - 1 > 0
    for row in rows:
        kind, _, of = row["figure"].partition(":")
        assert row["defense"] in defenses.ROSTER
        assert of in {"auroc": set(TRACKS[row["track"]].out_tests), "detected": attacks, "acc": {"clean"}}[kind]
        assert row["source"]
        assert row["why"]
        assert bool(row["theirs"]) == bool(row["setting"])


def test_detected_is_a_share_of_what_the_network_gets_wrong(make: Make) -> None:
    # Accepted and right, rejected, accepted and wrong: of the three with a wrong class, two are rejected.
    record = with_classes(make("msp", "fgs", (1, 3, 1)), [3, 3, 4, 4, 4])
    assert originals.detected({Cell("fgs", 0): record}, 0, "fgs") == pytest.approx(2 / 3)


def test_acc_is_of_all_clean_images(make: Make) -> None:
    record = make("distillation", "clean", (7, 1, 2))
    assert originals.figure("acc", "clean")({Cell("clean", 0): record}, 0) == pytest.approx(0.7)
    (row,) = [line for line in originals.originals(arranged([record])).splitlines() if line.startswith("| distill")]
    assert [cell.strip() for cell in row.split("|")][2:5] == ["Acc, clean", "–", "70.0"]


def test_where_the_network_is_right_there_is_nothing_to_detect(make: Make) -> None:
    record = with_classes(make("msp", "fgs", (2, 0, 0)), [3, 3])
    assert math.isnan(originals.detected({Cell("fgs", 0): record}, 0, "fgs"))


def test_the_table_has_ours_beside_theirs(make: Make) -> None:
    records = [make("msp", "clean", (9, 1, 0)), make("msp", "out:notmnist", (0, 3, 1))]
    table = originals.originals(arranged(records))
    (row,) = [line for line in table.splitlines() if line.startswith("| msp")]
    assert "AUROC notMNIST" in row
    assert "| 85 (" in row
    # Nine clean scores of -1 and one of 1 against three of 1 and one of -0.5: 27 + 3/2 + 9 of 40 pairs.
    assert "| 93.8 |" in " ".join(row.split())
    assert "Hendrycks" in row


def test_an_attack_that_was_not_run_has_no_row(make: Make) -> None:
    table = originals.originals(
        arranged([make("msp", "clean", (9, 1, 0)), make("feature_squeezing", "fgs", (1, 1, 1))])
    )
    assert [line.split("|")[2].strip() for line in table.splitlines() if "Aldahdooh" in line] == ["detected, FGS"]


def test_a_run_without_such_a_defense_has_no_table(make: Make) -> None:
    assert originals.originals(arranged([make("naive", "clean", (9, 1, 0))])) == ""
