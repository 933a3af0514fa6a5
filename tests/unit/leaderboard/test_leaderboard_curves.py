"""The figure of a track: who is drawn and how, and that its labels can be read."""

from collections.abc import Callable, Iterable
from itertools import combinations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from bench.records import Record
from defenses import ROSTER
from leaderboard.arranging import arranged
from leaderboard.cells import across_seeds, per_seed
from leaderboard.curves import SHARES, curves, err_by_rejection, figure
from leaderboard.equal_rejection import ONE_THRESHOLD
from leaderboard.figures import by_defense
from leaderboard.looks import BEST, KNOWN, LOOKS, ORDER, PAPER, looks
from leaderboard.markdown import markdown
from leaderboard.parts import Part, parts

Make = Callable[..., Record]
OTHERS = [name for name in ORDER if name in ROSTER]


def part(make: Make, defenses: Iterable[str]) -> Part:
    """Return a part in which every defense is worse than the one before it; the paper's come last."""
    records = [
        make(name, attack, (60 - worse, 0, worse), defense_title=f"the defense known as {name}")
        for worse, name in enumerate(defenses)
        for attack in ("clean", "fgs")
    ]
    records = arranged(records)
    return parts(records, per_seed(records))[0]


def labels(drawn: Figure) -> list[str]:
    (legend,) = drawn.legends
    return [text.get_text().removeprefix("the defense known as ") for text in legend.get_texts()]


def test_of_a_long_roster_the_paper_s_and_the_best_are_drawn_in_colour_and_the_rest_in_grey(make: Make) -> None:
    drawn = figure(part(make, [*OTHERS, *PAPER]))
    rest = len(OTHERS) - BEST
    assert labels(drawn) == [*PAPER, *OTHERS[:BEST], f"{rest} others"]
    for axes in drawn.axes:
        colours = [line.get_color() for line in axes.lines]
        assert colours == [*(KNOWN[name].colour for name in [*PAPER, *OTHERS[:BEST]]), *["0.8"] * rest]
    assert labels(figure(part(make, ["naive", "msp"]))) == ["naive", "msp"]


def test_the_labels_of_a_long_roster_stand_apart_and_within_the_figure(make: Make) -> None:
    drawn = figure(part(make, [*OTHERS, *PAPER]))
    drawn.draw_without_rendering()
    texts = [
        *drawn.legends[0].get_texts(),
        *(label for axes in drawn.axes for label in (axes.xaxis.label, axes.yaxis.label)),
    ]
    boxes = [text.get_window_extent() for text in texts]
    whole = drawn.bbox
    assert len(boxes) == len(PAPER) + BEST + 1 + 4
    assert all(whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1 for box in boxes)
    assert not [(one, other) for one, other in combinations(boxes, 2) if one.overlaps(other)]


def test_a_defense_looks_the_same_whoever_is_drawn_beside_it() -> None:
    alone = {name: looks([name])[name] for name in [*PAPER, *OTHERS]}
    assert looks([*reversed(OTHERS), "theirs", *PAPER]).items() >= alone.items()
    assert len({*alone.values()}) == len(alone)
    assert len({look.colour for look in PAPER.values()} - {look.colour for look in LOOKS}) == len(PAPER)


def test_every_name_that_has_a_look_is_one_of_the_roster() -> None:
    assert {*KNOWN} <= {*ROSTER}
    assert len({*ORDER}) == len(ORDER) <= len(LOOKS)


def test_defenses_from_elsewhere_are_told_apart_too() -> None:
    theirs = [f"theirs{number}" for number in range(len(LOOKS))]
    assert {*looks(theirs).values()} == {*LOOKS}
    assert looks([*theirs, "one more"])["one more"] in LOOKS
    assert looks(["theirs0"]) == {"theirs0": looks(theirs)["theirs0"]}


def test_equal_records_give_equal_bytes(make: Make) -> None:
    first, second = (curves(part(make, ["naive", "ood", "msp"])) for _ in range(2))
    assert first == second


def test_err_by_rejection_is_the_mean_over_attacks_of_what_is_wrong_and_accepted(make: Make) -> None:
    records = {attack: make("ood", attack, (2, 4, 4)) for attack in ("clean", "fgs")} | {
        "cw": make("ood", "cw", (1, 0, 1))
    }
    clean = records["clean"].tensors["reject_score"]
    shares, found = err_by_rejection(by_defense([*records.values()])["ood"], ["fgs", "cw"], 0)
    for share, rejected, err in zip(SHARES, shares, found, strict=True):
        threshold = torch.quantile(clean.double(), 1 - share, interpolation="higher")
        assert rejected == float((clean > threshold).double().mean()) <= share
        expected = []
        for attack in ("fgs", "cw"):
            tensors = records[attack].tensors
            accepted = tensors["reject_score"] <= threshold
            expected.append(((tensors["class_prediction"] != tensors["label"]) & accepted).double().mean())
        assert err == pytest.approx(float(np.mean(expected))), share


def test_who_never_rejects_is_a_point_that_can_be_seen(make: Make) -> None:
    records = [make(name, attack, (50, 6, 4)) for name in ("naive", "ood") for attack in ("clean", "fgs")]
    for record in records[:2]:
        record.tensors["reject_score"].fill_(-torch.inf)
    left, _ = figure(parts(arranged(records), per_seed(records))[0]).axes
    naive, ood = left.lines
    assert {*np.asarray(naive.get_xdata())} == {0.0}
    assert (naive.get_marker(), naive.get_markevery()) == ("o", None)
    assert len({*np.asarray(ood.get_xdata())}) > 1


def test_where_the_defense_itself_is_attacked_no_threshold_is_moved(make: Make) -> None:
    records = arranged(
        [
            *(make(name, "clean", clean) for name, clean in {"naive": (60, 0, 0), "ood": (54, 6, 0)}.items()),
            *(make(name, "fgs", (30, 15, 15), source="victim") for name in ("naive", "ood")),
        ]
    )
    left, right = figure(parts(records, per_seed(records))[0]).axes
    drawn = [np.asarray(line.get_xydata()) for line in (*left.lines, *right.lines)]
    assert [points.tolist() for points in drawn[:2]] == [[[0, 25]], [[pytest.approx(10), 25]]]
    assert all(len(points) > 1 for points in drawn[2:])
    assert [line.get_marker() for line in left.lines] == ["o", "o"]  # a line without marks, of one point, is not seen
    cells = per_seed(records)
    document = markdown(records, cells, across_seeds(cells), parts(records, cells), "x")
    section = document.partition("## At equal clean rejection\n")[2].partition("\n## ")[0]
    assert ONE_THRESHOLD in section
    assert "|" not in section
