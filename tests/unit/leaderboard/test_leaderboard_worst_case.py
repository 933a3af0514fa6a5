"""The worst case over attacks, against counting by hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from bench.intervals import wilson
from bench.records import Record
from leaderboard.arranging import arranged
from leaderboard.figures import by_defense
from leaderboard.worst_case import worst_case, worst_cases

Make = Callable[..., Record]


def of_sources(record: Record, sources: list[int]) -> Record:
    """Return a record whose images are made of these source images."""
    return replace(record, tensors={**record.tensors, "index": torch.tensor(sources)})


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")][2:]


@pytest.fixture
def attacked(make: Make) -> list[Record]:
    """Return records in which FGS errs on sources 3 and 4 of five, C&W on 1 and 3 of three, with two targets each."""
    fgs = make("ood", "fgs", (2, 1, 2))
    cw = of_sources(make("ood", "cw", (2, 2, 2)), [0, 1, 3, 0, 1, 3])
    return arranged([make("ood", "clean", (4, 1, 0)), fgs, cw])


def test_an_image_is_lost_where_one_attack_works(attacked: list[Record]) -> None:
    found = worst_case(by_defense(attacked)["ood"], ["fgs", "cw"])
    assert found is not None
    # Of sources 0, 1 and 3, FGS errs on 3, C&W on 1 and 3.
    assert (found.images, found.strongest) == (3, "cw")
    assert (found.err.value, found.err_of_strongest) == pytest.approx((2 / 3, 2 / 3))
    assert (found.err.low, found.err.high) == wilson(2, 3)


def test_two_attacks_take_more_than_either(make: Make) -> None:
    fgs = of_sources(make("ood", "fgs", (3, 0, 1)), [0, 1, 2, 3])
    cw = of_sources(make("ood", "cw", (3, 0, 1)), [3, 2, 1, 0])
    found = worst_case(by_defense([fgs, cw])["ood"], ["fgs", "cw"])
    assert found is not None
    assert (found.err.value, found.err_of_strongest, found.strongest) == (0.5, 0.25, "fgs")


def test_a_rejection_saves_an_image(make: Make) -> None:
    (row,) = rows(worst_cases(arranged([make("ood", name, (1, 3, 0)) for name in ("fgs", "cw")])))
    assert row == ["+OOD", "4", f"0.0 [0.0, {100 * wilson(0, 4).high:.1f}]", "–", "0.0"]


def test_seeds_are_averaged_and_their_images_summed(make: Make) -> None:
    records = [make("ood", name, (10 - n, 0, n), seed=n) for n in range(3) for name in ("fgs", "cw")]
    (row,) = rows(worst_cases(arranged(records)))
    # 0, 10 and 20 per cent: 10 ± 4.303 · 10 / √3, which no share goes below 0 of.
    assert row == ["+OOD", "30", "10.0 [0.0, 34.8]", "FGS", "10.0"]


def test_the_least_stands_first_and_who_lacks_a_cell_last(make: Make) -> None:
    records = [make("msp", "fgs", (4, 0, 0)), make("naive", "fgs", (1, 0, 3)), make("naive", "cw", (1, 0, 3))]
    records += [make("ood", "fgs", (3, 0, 1)), make("ood", "cw", (3, 0, 1))]
    found = rows(worst_cases(arranged(records)))
    assert [row[0] for row in found] == ["+OOD", "naive", "msp"]
    assert found[2][1:] == ["–"] * 4


def test_one_attack_has_no_worst_case_beside_it(make: Make) -> None:
    assert not worst_cases(arranged([make("ood", "fgs", (3, 0, 1))]))


def test_attacks_without_an_image_in_common_have_no_worst_case(make: Make) -> None:
    records = [make("ood", "fgs", (1, 0, 1)), of_sources(make("ood", "cw", (1, 0, 1)), [7, 8])]
    assert worst_case(by_defense(records)["ood"], ["fgs", "cw"]) is None
