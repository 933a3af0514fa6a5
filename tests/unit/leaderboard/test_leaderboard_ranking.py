"""Who ranks where, and who does not."""

from collections.abc import Callable

import pytest

from bench.records import DataOrigin, Record
from leaderboard.arranging import arranged, titles
from leaderboard.averages import clean_difference
from leaderboard.cells import across_seeds, per_seed
from leaderboard.markdown import markdown
from leaderboard.parts import every_row, parts
from leaderboard.ranking import Standing, standings
from leaderboard.tables import for_terminals
from leaderboard.text import section

Make = Callable[..., Record]


def ranked(records: list[Record]) -> dict[str, Standing]:
    records = arranged(records)
    return {row.defense: row for row in standings(records, across_seeds(per_seed(records)))}


def document(records: list[Record]) -> str:
    records = arranged(records)
    cells = per_seed(records)
    return markdown(records, cells, across_seeds(cells), parts(records, cells), "mnist")


def defense(make: Make, name: str, correct: int, wrong: int, **header: object) -> list[Record]:
    """Return a defense with so many of 1000 clean images right and so many of 100 attacked ones wrong."""
    clean = make(name, "clean", (correct, 0, 1000 - correct), **header)
    return [clean, make(name, "fgs", (100 - wrong, 0, wrong), **header)]


def test_rows_rank_by_average_err_and_ties_by_name(make: Make) -> None:
    rows = [("naive", 990, 80), ("zeta", 990, 20), ("alpha", 990, 20), ("best", 990, 10)]
    found = ranked([record for row in rows for record in defense(make, *row)])
    assert {name: row.rank for name, row in found.items()} == {"best": 1, "alpha": 2, "zeta": 3, "naive": 4}


def test_a_row_more_than_four_points_below_naive_ranks_after_the_others(make: Make) -> None:
    rows = [("naive", 990, 80), ("at_floor", 950, 30), ("below", 949, 1)]
    records = [record for row in rows for record in defense(make, *row)]
    found = ranked(records)
    assert [(name, row.rank, row.below_floor) for name, row in found.items()] == [
        ("at_floor", 1, False),
        ("naive", 2, False),
        ("below", 3, True),
    ]
    assert "| 3 †" in document(records)
    assert "† Its clean Acc is more than 4 points below naive's" in document(records)


def test_which_side_of_the_floor_is_open_where_the_seeds_differ_by_as_much(make: Make) -> None:
    records = []
    for seed, (near, far) in enumerate([(940, 900), (950, 901), (960, 902)]):
        for name, correct in (("naive", 990), ("near", near), ("far", far), ("best", 989)):
            records += defense(make, name, correct, 10, seed=seed)
    told = "Not decided: whether the clean Acc of near lies more than 4 points below naive's; the 95% interval of the"
    assert f"{told} difference, over the seeds, holds 4 points." in document(records)
    assert f"{told} difference, over the test images alone, holds 4 points." in document(records[:8])  # of one seed


def test_a_difference_over_the_images_is_paired(make: Make) -> None:
    records = [make("naive", "clean", (90, 0, 10)), make("ood", "clean", (86, 4, 10)), make("naive", "fgs", (1, 0, 0))]
    found = clean_difference(records, "naive", "ood")
    assert found is not None
    half = 1.959964 * (0.04 * 0.96 / 100) ** 0.5  # four of a hundred images differ, and all alike
    assert (found.value, found.low, found.high) == pytest.approx((0.04, 0.04 - half, 0.04 + half))
    both = [*records, make("naive", "clean", (90, 0, 10), seed=1), make("ood", "clean", (90, 0, 10), seed=1)]
    mean = clean_difference(both, "naive", "ood")
    assert mean is not None
    assert (mean.value, mean.high - mean.low) == pytest.approx((0.02, half))
    assert clean_difference(records, "naive", "msp") is None


def test_who_was_trained_on_adversarial_images_is_marked(make: Make) -> None:
    seen = {"trained": {"networks": 1, "out": 0, "attacks": 1}}
    records = [
        *defense(make, "naive", 990, 80),
        *defense(make, "trained", 990, 10, taken=seen),
        *defense(make, "standing", 900, 10, taken={"standing": {"networks": 0, "out": 0, "attacks": 0}} | seen),
    ]
    text = document(records)
    assert "| 1 ‡" in text
    assert "| 3 † ‡" in text
    assert "‡ It, or what it stands on, was trained on adversarial images." in text


def test_what_a_row_rejects_of_a_set_that_filled_its_dustbin_is_called_seen(make: Make) -> None:
    data = {name: DataOrigin(digest="ab" * 32, origin=name) for name in ("mnist", "notmnist")}
    records = [
        make(name, attack, counts, data=data)
        for name in ("naive", "ood", "reject_all")
        for attack, counts in {"clean": (9, 0, 1), "out:notmnist": (0, 9, 1), "out:kmnist": (0, 9, 1)}.items()
    ]
    text = document(records)
    for heading in ("Leaderboard", "Controls"):
        assert "| Rej on notmnist | Rej on kmnist |" in " ".join(section(text, heading).split())
    marked = [line.split("|")[2].strip() for line in section(text, "Leaderboard").splitlines() if "(seen) |" in line]
    assert marked == ["+OOD"]
    assert "(seen) |" not in section(text, "Controls")
    assert "- (seen) Such a row was trained on other images of that set" in text
    rows = for_terminals([*ranked(records).values()], titles(arranged(records)))
    shown = rows.set_index("defense")["Rej on notmnist"]
    assert [name for name, rej in shown.items() if rej.endswith("(seen)")] == ["+OOD"]
    assert "- (seen)" not in document(records[:3])  # of naive, which trains on none


def test_controls_are_unranked_and_exempt_from_the_floor(make: Make) -> None:
    records = defense(make, "naive", 990, 80) + defense(make, "reject_all", 0, 0)
    control = ranked(records)["reject_all"]
    assert (control.rank, control.below_floor, control.control) == (None, False, True)
    leaderboard, controls = document(records).split("## Controls")
    assert "reject all" not in leaderboard
    assert "reject all" in controls.split("## Attack by attack")[0]


def test_the_average_is_unweighted_over_the_attacks_that_count(make: Make) -> None:
    records = [
        make("naive", "clean", (9, 0, 1)),
        make("naive", "fgs", (50, 0, 50)),
        make("naive", "cw", (0, 1, 3)),
        make("naive", "extra", (0, 0, 100), in_average=False),
    ]
    average = ranked(records)["naive"].average
    assert average is not None
    assert average.value == pytest.approx((0.5 + 0.75) / 2)
    assert "Average Err over FGS; C&W;" in document(records)


def test_the_average_over_two_seeds_is_their_mean_and_range(make: Make) -> None:
    records = [record for seed, wrong in ((0, 10), (1, 30)) for record in defense(make, "naive", 900, wrong, seed=seed)]
    average = ranked(records)["naive"].average
    assert average is not None
    assert (average.value, average.low, average.high) == pytest.approx((0.2, 0.1, 0.3))
    assert "the range of the two seeds" in document(records)


def test_what_other_test_images_would_change_stands_beside_intervals_over_seeds(make: Make) -> None:
    records = [
        record
        for seed in (0, 1, 2)
        for name, wrong in (("naive", 50), ("ood", 2))
        for record in defense(make, name, 990, wrong + seed, seed=seed)
    ]
    found = ranked(records)
    for name, wrong in (("naive", 50), ("ood", 2)):
        # By hand, the images that are wrong in one seed are wrong in the next: nothing averages out.
        share = (wrong + 1) / 100
        assert found[name].other_images == pytest.approx(1.96 * (share * (1 - share) / 100) ** 0.5, rel=0.15)
    least, most = (100 * (found[name].other_images or 0) for name in ("ood", "naive"))
    said = f"by up to {least:.1f} points in the row that they move least, {most:.1f} in the one"
    assert said in document(records)
    assert "Three values may lie close together by chance" in document(records)
    assert "Not in the intervals" not in document(records[:4])  # one seed's interval is of the images
    four = [*records, *defense(make, "naive", 990, 50, seed=3), *defense(make, "ood", 990, 2, seed=3)]
    assert "Three values" not in document(four)


@pytest.mark.parametrize("lost", ["clean", "fgs"])
def test_a_row_that_lacks_a_cell_is_shown_last_without_a_rank(make: Make, lost: str) -> None:
    partial = [record for record in defense(make, "partial", 990, 0) if record.header.attack != lost]
    records = defense(make, "naive", 990, 80) + partial
    row = ranked(records)["partial"]
    assert (row.rank, list(ranked(records))) == (None, ["naive", "partial"])
    assert (row.average is None) == (lost == "fgs")
    assert ("incomplete" in document(records)) == (lost == "fgs")
    assert "A row without a rank lacks figures" in document(records)


def test_who_has_fewer_seeds_is_compared_on_these_alone(make: Make) -> None:
    records = [record for seed in (0, 1) for record in defense(make, "naive", 990, 40 + 40 * seed, seed=seed)]
    records += defense(make, "ood", 990, 60) + defense(make, "reject_all", 990, 0)
    text = document(records)
    whole, _, alone = text.partition("## Leaderboard of seed 0 alone")
    assert "| 1      | naive     | 60.0 [40.0, 80.0] |" in whole
    assert "+OOD" not in whole
    assert "| 1      | naive     | 40.0 [" in alone
    assert "| 2      | +OOD      | 60.0 [" in alone
    assert alone.index("reject all") < alone.index("## At equal clean rejection")
    assert "with fewer seeds: where such a one stands beside others, its seeds stand" in text.partition("## ")[0]
    for heading in ("At equal clean rejection", "How well the scores tell images apart", "Attack by attack"):
        rows = section(text, heading).splitlines()
        assert any(line.startswith("| +OOD (seed 0) ") for line in rows), heading
        assert any(line.startswith("| naive ") for line in rows), heading
    assert "Leaderboard of" not in document([record for record in records if record.header.seed == 0])


def test_of_several_lesser_choices_of_seeds_the_larger_comes_first_and_none_is_ranked_among_the_others(
    make: Make,
) -> None:
    records = [record for seed in (0, 1, 2) for record in defense(make, "naive", 990, 40, seed=seed)]
    records += [record for seed in (0, 1) for record in defense(make, "ood", 990, 20 + 20 * seed, seed=seed)]
    records += defense(make, "msp", 990, 10) + defense(make, "reject_all", 990, 0)
    records = arranged(records)
    split = parts(records, per_seed(records))
    assert [(part.seeds, [row.defense for row in part.rows]) for part in split] == [
        ((0, 1, 2), ["naive"]),
        ((0, 1), ["ood", "naive"]),
        ((0,), ["msp", "ood", "naive", "reject_all"]),
    ]
    rows = [(row.defense, row.rank, row.seeds, row.average and row.average.value) for row in every_row(split)]
    assert rows == [
        ("naive", 1, (0, 1, 2), pytest.approx(0.4)),
        ("ood", None, (0, 1), pytest.approx(0.3)),
        ("msp", None, (0,), 0.1),
        ("reject_all", None, (0,), 0.0),
    ]
    shown = for_terminals(every_row(split), titles(records))
    assert shown["defense"].tolist() == ["naive", "+OOD (seeds 0, 1)", "msp (seed 0)", "reject all (seed 0)"]
    assert shown["rank"].tolist() == ["1", "–", "–", "control"]


def test_an_average_must_hold_every_seed(make: Make) -> None:
    records = [record for seed in (0, 1) for record in defense(make, "naive", 990, 80, seed=seed)]
    records += defense(make, "ood", 990, 10)
    assert ranked(records)["ood"].average is None


def test_without_naive_nothing_is_held_to_its_floor_and_the_reader_is_told(make: Make) -> None:
    records = defense(make, "ood", 100, 10)
    assert ranked(records)["ood"].rank == 1
    assert "no row is checked for its clean Acc" in document(records)


def test_without_an_attack_that_counts_there_is_no_average(make: Make) -> None:
    text = document([make("naive", "clean", (9, 0, 1))])
    assert "No attack that counts in the average was run" in text
    assert "No attack was run." in text


def test_a_table_of_controls_alone_has_no_ranked_rows(make: Make) -> None:
    assert ranked(defense(make, "reject_all", 0, 0))["reject_all"].rank is None
    assert "## Controls" in document(defense(make, "reject_all", 0, 0))
