"""The orders under other choices, and who is compared on which seeds: from records whose rates can be counted."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.records import Record
from leaderboard.arranging import arranged, plain_titles
from leaderboard.cells import per_seed
from leaderboard.paper import INTERP, OOD
from leaderboard.ranking import NAIVE
from leaderboard.table1.order_figure import in_rows, order_figure
from leaderboard.table1.page import write_table1
from leaderboard.table1.sections import resolution, stability
from leaderboard.table1.stability import Choice, choices
from tests.unit.leaderboard.paper_run import WRONG, Make, run

COSTLY = "costly"
FEW_STEPS = {NAIVE: (100, 0, 0), OOD: (0, 1, 0), INTERP: (0, 1, 0)}


def found_in(records: list[Record], *others: Record) -> dict[str, Choice]:
    return {choice.title: choice for choice in choices(records, per_seed(others))}


def test_a_choice_that_turns_the_order_is_seen(make: Make) -> None:
    few = [make(name, "ifgs_3", decided, suite="steps") for name, decided in FEW_STEPS.items()]
    found = found_in(run(make), *few)
    assert list(found) == [
        "of all images",
        "of fooled images",
        "of victim correct images",
        "DeepFool at overshoot 0.02",
        "I-FGS with 3 steps",
    ]
    assert found["I-FGS with 3 steps"].averages[NAIVE] == pytest.approx(4 * 0.80 / 5)  # of the one seed that has all
    assert found["of all images"].order == [INTERP, OOD, NAIVE]
    # Under the other DeepFool, rejected and wrong change places, and so do right and wrong of the naive network.
    swapped = found["DeepFool at overshoot 0.02"].averages
    assert swapped[NAIVE] == pytest.approx((4 * 0.82 + 0.18) / 5)
    assert swapped[OOD] == pytest.approx(4 * 0.43 / 5)


def test_who_has_fewer_seeds_is_in_no_order_and_named(make: Make) -> None:
    records = run(make, WRONG | {COSTLY: (1,), "whole": (10, 11, 12)})
    found = choices(records, per_seed([]))
    assert {choice.seeds for choice in found} == {(0, 1, 2)}
    assert found[0].order == [INTERP, "whole", OOD, NAIVE]
    text = stability(found, records, plain_titles(records))
    table, _, note = text.partition("\n\n")
    assert COSTLY not in table
    assert note.startswith(
        "In no order, for they were run with fewer seeds than the paper's rows: costly (seed 0 alone). "
    )
    assert "[mnist.md](mnist.md)" in note
    assert "In no order" not in stability(choices(run(make), per_seed([])), run(make), plain_titles(run(make)))


def test_a_choice_of_fewer_seeds_is_judged_by_these_for_all(make: Make) -> None:
    records = run(make, WRONG | {"whole": (10, 11, 12)})
    steps = [
        make(name, "ifgs_3", (0, 100 - errors, errors), suite="steps", seed=seed)
        for name, of_seeds in {NAIVE: (90, 92), OOD: (50, 52), INTERP: (4, 6), "whole": (20,)}.items()
        for seed, errors in enumerate(of_seeds)
    ]
    found = found_in(records, *steps)["I-FGS with 3 steps"]
    assert (found.seeds, found.order) == ((0, 1), [INTERP, OOD, NAIVE])
    assert found.averages[NAIVE] == pytest.approx((4 * 0.81 + 0.91) / 5)


def test_the_figure_has_a_row_for_each_defense_of_any_choice() -> None:
    found = [Choice("one", (0,), {NAIVE: 0.9, OOD: 0.5}), Choice("other", (0,), {NAIVE: 0.4, OOD: 0.5, COSTLY: 0.1})]
    assert in_rows(found) == [OOD, NAIVE, COSTLY]
    called = {name: name for name in (OOD, NAIVE, COSTLY)}
    drawn, wider = (
        order_figure(tracks, {"mnist": "MNIST", "cifar10": "CIFAR-10"}, dict.fromkeys(tracks, called))
        for tracks in ({"mnist": found}, {"mnist": found, "cifar10": found[:1]})
    )
    height, taller = (int.from_bytes(data[20:24], "big") for data in (drawn, wider))  # of a PNG's header
    assert taller > height > 0


def test_who_has_fewer_seeds_is_told_apart_on_these_alone(make: Make) -> None:
    records = run(make, {COSTLY: (1,), **WRONG})
    text = " ".join(resolution(records, plain_titles(records)).split())
    assert "| costly (seed 0 alone) | -79.0 | -39.0 | -1.0 | Whoever names seeds" in text  # 80, 40, 2 of seed 0
    assert "run with fewer than the paper's rows: the differences" in text
    assert "Whoever names seeds" not in resolution(run(make), plain_titles(run(make)))


def test_who_has_other_seeds_is_not_said_to_have_fewer(make: Make) -> None:
    records = run(make, WRONG | {COSTLY: (1, 1, 1, 1, 1)})
    other = [r for r in records if r.header.defense != COSTLY or r.header.seed >= 2]  # as many, of which one is shared
    names = plain_titles(other)
    assert "was run with other or fewer than the paper's rows: the differences" in resolution(other, names)
    said = "In no order, for they were run with other or fewer seeds than the paper's rows: costly (seed 2 alone). "
    assert said in stability(choices(other, per_seed([])), other, names)


def test_the_page_names_the_seeds_of_the_papers_rows(make: Make, tmp_path: Path) -> None:
    more = [make(COSTLY, "clean", (990, 0, 10), seed=7)]
    write_table1([arranged([*run(make), *more])], tmp_path)
    page = (tmp_path / "table1.md").read_text()
    assert "\nSeeds 0, 1, 2; suite `table1`" in page
    assert "costly (no such seed)" in page


def test_attacks_of_the_table_s_names_in_other_suites_are_none_of_it(make: Make, tmp_path: Path) -> None:
    adaptive = [
        make(name, attack, (0, 0, 100), seed=seed, suite="adaptive", source="victim")
        for name in WRONG
        for attack in ("fgs", "cw_20")
        for seed in range(3)
    ]
    steps = [make(name, "ifgs_3", (100, 0, 0), suite="steps") for name in WRONG]
    write_table1([run(make), steps], tmp_path / "one")
    write_table1([run(make), steps, adaptive], tmp_path / "other")
    one, other = ((tmp_path / name / "table1.md").read_text() for name in ("one", "other"))
    assert one == other
    assert "I-FGS with 3 steps" in one


def test_what_other_networks_were_attacked_is_marked_and_in_no_order(make: Make, tmp_path: Path) -> None:
    steps = [make(name, "ifgs_3", (90, 0, 10), suite="steps", seed=seed) for name in WRONG for seed in range(3)]
    retrained = [
        replace(record, inputs=dict(record.inputs) | {"victim": "another"}) if record.header.defense == OOD else record
        for record in steps
    ]
    write_table1([run(make), steps], tmp_path / "own")
    write_table1([run(make), retrained], tmp_path / "other")
    own, other = ((tmp_path / name / "table1.md").read_text() for name in ("own", "other"))
    assert "‡" not in own
    assert "| I-FGS with 3 steps " in own
    assert "\n| ifgs_3 ‡ " in other
    assert "\n‡ Of other networks than the table's" in other
    orders = other.split("### Other choices")[1]
    assert "| I-FGS with 3 steps " in orders  # of the networks that are the table's
    assert "+OOD" not in next(line for line in orders.splitlines() if line.startswith("| I-FGS with 3 steps"))


def test_other_networks_of_all_of_the_papers_rows_make_no_order(make: Make, tmp_path: Path) -> None:
    steps = [make(name, "ifgs_3", (90, 0, 10), suite="steps", seed=seed + 3) for name in WRONG for seed in range(3)]
    write_table1([run(make), steps], tmp_path)
    page = (tmp_path / "table1.md").read_text()
    assert "\n| ifgs_3 ‡ " in page
    assert "I-FGS with 3 steps" not in page
