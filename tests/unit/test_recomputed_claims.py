"""The claims on the page of Table I, again from the stored predictions."""

import json
import math
from collections.abc import Sequence

import numpy as np

from tests import recompute
from tests.again import PUBLISHED, TRACKS, again
from tests.reading import Row, by, printed, table
from tests.table1 import (
    ATTACKS,
    DROP,
    SAFE,
    Values,
    differing,
    each_track,
    less,
    of,
    of_mean,
    one_more,
    parts,
    reach,
    says,
)

EQUAL = "where both reject 5% of the clean validation images"
LESS, MORE = (-math.inf, 0.0), (0.0, math.inf)
CHOSEN = (
    ("alpha30", "acc", LESS),
    ("alpha70", "acc", LESS),
    ("alpha30", "rej", MORE),
    ("alpha70", "rej", MORE),
    ("tenth", "err", MORE, "naive"),
    ("tenth", "err", MORE),
    ("triple", "acc", LESS),
    ("random", "err", MORE),
    ("pixels", "err", MORE),
)


def claimed(track: str) -> list[Row]:
    return table(parts(track)["What the paper claims"])


def where_both_reject(track: str, defense: str, attacks: Sequence[str]) -> Values:
    """Return the mean Err by seed where a defense has the threshold that rejects 5% of the validation images."""
    entries = json.loads((PUBLISHED / "records/report.json").read_text())["runs"]
    keys = next(entry["records"] for entry in entries if (entry["track"], entry["suite"]) == (track, "table1"))
    wrong: dict[int, list[float]] = {}
    for folder in (PUBLISHED / "records/score" / key for key in keys):
        meta = json.loads((folder / "manifest.json").read_text())["meta"]
        if meta["defense"] == defense and meta["attack"] in attacks:
            image = recompute.images(folder)
            accepted = image["reject_score"] <= meta["thresholds"]["0.05"]
            wrong.setdefault(meta["seed"], []).append((accepted & (image["class_prediction"] != image["label"])).mean())
    return {seed: float(np.mean(each)) for seed, each in wrong.items() if len(each) == len(attacks)}


Expected = tuple[str, Values, float, float]
"""What a claim measures, its figure by seed, and between which bounds the claim has it."""


def expected_claims(track: str) -> list[Expected]:
    """Return the claims that are about +OOD+interp, but those about its choices."""
    found, inf = again(track), math.inf
    interp, matched, ood = "ood_interp", "ood_interp_matched", "ood"
    small = ["deepfool", "deepfool_min", "cw"]
    at_equal = less(where_both_reject(track, matched, ATTACKS), where_both_reject(track, ood, ATTACKS))
    safe = {seed: 1 - err for seed, err in of(found, interp, "err", ATTACKS).items()}
    return [
        ("average Err minus naive's", differing(found, interp, "naive", "err"), -inf, 0),
        ("average Err minus +OOD's", differing(found, interp, ood, "err"), -inf, 0),
        ("average Rej of +OOD+interp", of(found, interp, "rej", ATTACKS), 0.5, inf),
        ("average Rej of +OOD", of(found, ood, "rej", ATTACKS), 0.5, inf),
        ("average Rej minus +OOD's", differing(found, interp, ood, "rej"), 0, inf),
        ("average Rej minus +OOD's", differing(found, matched, ood, "rej"), 0, inf),
        *(
            (
                f"Rej on {found.attacks[a]['attack_title']} minus +OOD's",
                differing(found, interp, ood, "rej", [a]),
                0,
                inf,
            )
            for a in small
        ),
        (f"average Err minus +OOD's, {EQUAL}", at_equal, -inf, 0),
        ("naive's clean Acc minus +OOD's", differing(found, "naive", ood, "acc", ["clean"]), -inf, DROP),
        ("naive's clean Acc minus +OOD+interp's", differing(found, "naive", interp, "acc", ["clean"]), -inf, DROP),
        ("1 − average Err of +OOD+interp", safe, SAFE[track], inf),
    ]


def expected_of_choices(track: str) -> list[Expected]:
    """Return the claims about +OOD+interp's choices, by its variants: the table's, else those of the controls' run."""
    expected, apart = [], f"{track}-controls"
    for name, rate, bounds, *other in CHOSEN:
        variant, attacks = f"ood_interp_{name}", ATTACKS if rate == "err" else ["clean"]
        kind = "average Err" if rate == "err" else f"clean {rate.title()}"
        elsewhere = variant not in again(track).titles and apart in TRACKS and variant in again(apart).titles
        found, mark = (again(apart), " ‡") if elsewhere else (again(track), "")
        measured = f"{kind} of {found.titles.get(variant, variant)} minus {(*other, '+OOD+interp')[0]}'s{mark}"
        expected.append((measured, differing(found, variant, (*other, "ood_interp")[0], rate, attacks), *bounds))
    return expected


def expected_of_squeezing(track: str) -> list[Expected]:
    """Return the claims about +OOD+interp beside feature squeezing."""
    found, pair, expected = again(track), ("ood_interp", "feature_squeezing"), []
    clean = [of(found, name, "rej", ["clean"]) for name in pair]
    both = clean[0].keys() & clean[1].keys()
    shares = " and ".join(f"{100 * np.mean([each[seed] for seed in both]):.1f}" if both else "–" for each in clean)
    for attacks, bounds in (
        (["fgs", "ifgs", "deepfool"], LESS),
        *([(["fgs"], MORE)] if track == "mnist" else []),
        (["cw"], MORE),
    ):
        at_equal = less(*(where_both_reject(track, name, attacks) for name in pair))
        own, measured = differing(found, *pair, "err", attacks), "Err minus feature squeezing's"
        expected.append((f"{measured}, where they reject {shares}% of the clean images", own, *bounds))
        expected.append((f"{measured}, {EQUAL}", at_equal, *bounds))
    return expected


@each_track
def test_the_papers_claims(track: str) -> None:
    shown = [row for row in claimed(track) if "one more run after" not in row["measured"]]
    expected = [*expected_claims(track), *expected_of_choices(track), *expected_of_squeezing(track)]
    assert [row["measured"] for row in shown] == [measured for measured, *_ in expected]
    for row, (measured, values, above, below) in zip(shown, expected, strict=True):
        if not values:
            assert (row["ours"], row["seeds"], row["verdict"]) == ("–", "–", "**not measured**"), row
            continue
        estimate = reach(values.values(), of_mean)
        assert row["seeds"] == str(len(values)), row
        assert row["verdict"].startswith(f"**{verdict(estimate, above, below)}**"), row
        bootstrapped = measured.startswith(("1 − ", "average Rej of")) and len(values) == 1
        assert says(row["ours"].partition(" [")[0] if bootstrapped else row["ours"], estimate), row


def test_the_papers_figures_of_kappa() -> None:
    shown = by([row for row in claimed("mnist") if row["claim"].startswith("at κ = ")], "claim")
    for attack, page, kappa, share in (("cw_0", "mnist-kappa", 0, 0.97), ("cw", "mnist", 20, 0.2249)):
        values = again(page).of_seeds("naive", attack, "acc")
        mean, low, high = reach(values, one_more)
        row = shown[f"at κ = {kappa} the naive network classifies {100 * share:.0f}% of C&W's images correctly",]
        assert row["measured"].endswith(f", one more run after {len(values)}")
        assert says(row["ours"], (mean, max(low, 0.0), min(high, 1.0))), row
        assert row["verdict"] == ("**agrees**" if low <= share <= high else "**differs**")
    assert len(shown) == 2


def test_the_clean_accuracy_that_the_paper_prints() -> None:
    found, paper = again("mnist"), printed("mnist")
    shown = by([row for row in claimed("mnist") if row["claim"].startswith("the same clean accuracy")], "measured")
    for defense, title in (("ood", "+OOD"), ("ood_interp", "+OOD+interp")):
        drops = differing(found, "naive", defense, "acc", ["clean"])
        row = shown[f"naive's clean Acc minus {title}'s, one more run after {len(drops)}",]
        mean, low, high = reach(drops.values(), one_more)
        assert says(row["ours"], (mean, low, high)), row
        drop = (float(paper["naive", "clean"]["acc"]) - float(paper[defense, "clean"]["acc"])) / 100
        assert row["claim"] == f"the same clean accuracy, to {100 * drop:.2f} points"
        assert row["verdict"] == ("**agrees**" if low - 1e-4 <= drop <= high + 1e-4 else "**differs**")
    assert len(shown) == 2


def verdict(estimate: Sequence[float], above: float, below: float) -> str:
    """Return how a claim comes out that a figure lies between two bounds."""
    if len(estimate) == 1:
        return "undecided"
    _, low, high = estimate
    if above < low and high < below:
        return "holds"
    return "does not hold" if high < above or low > below else "undecided"
