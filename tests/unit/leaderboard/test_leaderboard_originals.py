"""What others published of a defense, beside what it does here."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

import defenses
from bench import suites
from bench.records import Record
from bench.tracks import TRACKS
from leaderboard import originals
from leaderboard.arranging import arranged
from leaderboard.equal_rejection import Cell

Make = Callable[..., Record]


def with_classes(record: Record, classes: list[int]) -> Record:
    return replace(record, tensors={**record.tensors, "class_prediction": torch.tensor(classes)})


def test_every_figure_names_a_defense_and_an_attack_that_there_is() -> None:
    attacks = {attack.name for attack in suites.load("table1").attacks} | {originals.AVERAGE}
    for track, known in TRACKS.items():
        for row in originals.published(track):
            kind, _, of = row["figure"].partition(":")
            assert row["defense"] in defenses.ROSTER
            assert of in {"auroc": set(known.out_tests), "detected": attacks, "clean_acc": {""}}[kind]
            assert row["source"]
            assert row["why"]
            assert bool(row["theirs"]) == bool(row["setting"])


def test_detected_is_a_share_of_what_the_network_gets_wrong(make: Make) -> None:
    # Accepted and right, rejected, accepted and wrong: of the three with a wrong class, two are rejected.
    record = with_classes(make("msp", "fgs", (1, 3, 1)), [3, 3, 4, 4, 4])
    assert originals.detected({Cell("fgs", 0): record}, 0, ["fgs"]) == pytest.approx(2 / 3)


def test_where_the_network_is_right_there_is_nothing_to_detect(make: Make) -> None:
    record = with_classes(make("msp", "fgs", (2, 0, 0)), [3, 3])
    assert math.isnan(originals.detected({Cell("fgs", 0): record}, 0, ["fgs"]))


def test_the_table_has_ours_beside_theirs(make: Make) -> None:
    records = [make("msp", "clean", (9, 1, 0)), make("msp", "out:notmnist", (0, 3, 1))]
    table = originals.originals(arranged(records))
    (row,) = [line for line in table.splitlines() if line.startswith("| msp")]
    assert "AUROC notmnist" in row
    assert "| 85 (" in row
    assert "Hendrycks" in row


def test_a_run_without_such_a_defense_has_no_table(make: Make) -> None:
    assert originals.originals(arranged([make("naive", "clean", (9, 1, 0))])) == ""
