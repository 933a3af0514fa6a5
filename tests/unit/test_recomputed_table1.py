"""The page of Table I, its claims and its orders, again from the stored predictions."""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from scipy.stats import t

from tests import recompute
from tests.again import DENOMINATORS, PUBLISHED, RATES, TRACKS, Again, again
from tests.reading import Row, by, matches, printed, rows, sections, shows, table

ROWS = ("naive", "ood", "ood_interp")
ATTACKS = ("fgs", "ifgs", "tfgs", "deepfool", "cw")
DECIDE = 3  # seeds, the fewest that decide a claim
DROP, SAFE = 0.04, {"mnist": 0.95, "cifar10": 0.75}
EQUAL = "where both reject 5% of the clean validation images"
OTHERS = {
    "DeepFool at overshoot 0.02": ("deepfool", "deepfool_min", "table1"),
    "I-FGS with 3 steps": ("ifgs", "ifgs_3", "steps"),
    "I-FGS with 10 steps": ("ifgs", "ifgs_10", "steps"),
    "I-FGS with 20 steps": ("ifgs", "ifgs_20", "steps"),
}

LESS, MORE = (-math.inf, 0.0), (0.0, math.inf)
CHOSEN = (
    ("alpha30", "acc", LESS),
    ("alpha70", "acc", LESS),
    ("alpha30", "rej", MORE),
    ("alpha70", "rej", MORE),
    ("tenth", "err", MORE),
    ("triple", "acc", LESS),
    ("random", "err", MORE),
    ("pixels", "err", MORE),
)

Values = dict[int, float]
"""A figure by seed."""

each_track = pytest.mark.parametrize("track", SAFE)


def parts(track: str) -> dict[str, str]:
    """Return what the page says of a track, by heading."""
    text = (PUBLISHED / "table1.md").read_text(encoding="utf-8")
    (part,) = (part for part in sections(text, "##").values() if f"({track}.md)" in part)
    return sections(part, "###")


def of(found: Again, defense: str, rate: str, attacks: Sequence[str], denominator: str = "all") -> Values:
    """Return a rate's mean over attacks by seed, of those seeds that have them all."""
    cells = {seed: [found.cells.get((defense, a, denominator, seed)) for a in attacks] for seed in found.seeds}
    whole = {seed: [each[rate] for each in of_seed if each] for seed, of_seed in cells.items()}
    return {seed: float(np.mean(each)) for seed, each in whole.items() if len(each) == len(attacks)}


def claimed(track: str) -> list[Row]:
    return table(parts(track)["What the paper claims"])


def differing(found: Again, one: str, other: str, rate: str, attacks: Sequence[str] = ATTACKS) -> Values:
    return less(of(found, one, rate, attacks), of(found, other, rate, attacks))


def less(one: Values, other: Values) -> Values:
    return {seed: one[seed] - other[seed] for seed in one.keys() & other.keys()}


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


def reach(values: Iterable[float], errors: Callable[[int], float]) -> tuple[float, ...]:
    """Return the mean of seeds' values and the ends of an interval by Student's t, if there are enough for one."""
    each = [*values]
    if len(each) < DECIDE:
        return (float(np.mean(each)),)
    half = t.ppf(0.975, len(each) - 1) * np.std(each, ddof=1) * errors(len(each))
    return (float(np.mean(each)), float(np.mean(each) - half), float(np.mean(each) + half))


def of_mean(seeds: int) -> float:
    return math.sqrt(1 / seeds)


def one_more(seeds: int) -> float:
    return math.sqrt(1 + 1 / seeds)


def says(text: str, values: Sequence[float]) -> bool:
    """Whether a cell shows a mean and its interval, which may be below zero."""
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", text)]
    return len(numbers) == len(values) and all(
        abs(number - 100 * value) < 0.0501 for number, value in zip(numbers, values, strict=True)
    )


@each_track
def test_every_figure_beside_the_papers(track: str) -> None:
    found, paper = again(track), printed(track)
    written = by([row for row in rows(PUBLISHED / "table1.csv") if row["track"] == track], "defense", "attack", "rate")
    assert set(written) == {(*names, rate) for names, row in paper.items() for rate in RATES if row[rate]}
    for (defense, attack, rate), row in written.items():
        mean, low, high = found.average(defense) if attack == "average" else found.over(defense, attack, rate)
        assert matches(row["ours"], mean), row
        assert matches(row["difference"], mean - float(paper[defense, attack][rate]) / 100), row
        if (
            attack != "average" or len(found.seeds) > 1
        ):  # of one seed a bootstrap's, which the leaderboard's tests compare
            assert matches(row["low"], low), row
            assert matches(row["high"], high), row
        of_seeds = of(found, defense, rate, ATTACKS if attack == "average" else [attack])
        _, *ends = reach(of_seeds.values(), one_more)
        expected = (max(ends[0], 0.0), min(ends[1], 1.0)) if ends else (math.nan, math.nan)
        assert matches(row["more_low"], expected[0]), row
        assert matches(row["more_high"], expected[1]), row


@each_track
def test_what_the_table_tells_apart(track: str) -> None:
    found = again(track)
    titles = {title: defense for defense, title in found.titles.items()}
    shown = table(parts(track)["What the table tells apart"])
    assert len(shown) == sum(not found.about[defense, "clean"]["control"] for defense in found.defenses)
    for row in shown:
        defense = titles[row.pop("defense").partition(" (seed")[0]]
        assert row.keys() == {f"minus {found.titles[other]}" for other in ROWS}
        for other in ROWS:
            values = differing(found, defense, other, "err").values()
            text = row[f"minus {found.titles[other]}"]
            assert text == "–" if other == defense else says(text, reach(values, of_mean)), (defense, other)


Expected = tuple[str, Values, float, float]
"""What a claim measures, its figure by seed, and between which bounds the claim has it."""


def expected_claims(track: str) -> list[Expected]:
    """Return the claims that are about +OOD+interp, but those about its choices."""
    found, inf = again(track), math.inf
    interp, matched, ood = "ood_interp", "ood_interp_matched", "ood"
    at_equal = less(where_both_reject(track, matched, ATTACKS), where_both_reject(track, ood, ATTACKS))
    safe = {seed: 1 - err for seed, err in of(found, interp, "err", ATTACKS).items()}
    return [
        ("average Err minus naive's", differing(found, interp, "naive", "err"), -inf, 0),
        ("average Err minus +OOD's", differing(found, interp, ood, "err"), -inf, 0),
        ("average Rej minus +OOD's", differing(found, interp, ood, "rej"), 0, inf),
        ("average Rej minus +OOD's", differing(found, matched, ood, "rej"), 0, inf),
        (f"average Err minus +OOD's, {EQUAL}", at_equal, -inf, 0),
        ("naive's clean Acc minus +OOD's", differing(found, "naive", ood, "acc", ["clean"]), -inf, DROP),
        ("naive's clean Acc minus +OOD+interp's", differing(found, "naive", interp, "acc", ["clean"]), -inf, DROP),
        ("1 − average Err of +OOD+interp", safe, SAFE[track], inf),
    ]


def expected_of_choices(track: str) -> list[Expected]:
    """Return the claims about +OOD+interp's choices, by its variants: the table's, else those of the controls' run."""
    expected, apart = [], f"{track}-controls"
    for name, rate, bounds in CHOSEN:
        variant, attacks = f"ood_interp_{name}", ATTACKS if rate == "err" else ["clean"]
        kind = "average Err" if rate == "err" else f"clean {rate.title()}"
        elsewhere = variant not in again(track).titles and apart in TRACKS and variant in again(apart).titles
        found, mark = (again(apart), " ‡") if elsewhere else (again(track), "")
        measured = f"{kind} of {found.titles.get(variant, variant)} minus +OOD+interp's{mark}"
        expected.append((measured, differing(found, variant, "ood_interp", rate, attacks), *bounds))
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
    shown = [row for row in claimed(track) if not row["claim"].startswith("at κ = ")]
    expected = [*expected_claims(track), *expected_of_choices(track), *expected_of_squeezing(track)]
    assert [row["measured"] for row in shown] == [measured for measured, *_ in expected]
    for row, (measured, values, above, below) in zip(shown, expected, strict=True):
        if not values:
            assert (row["ours"], row["seeds"], row["verdict"]) == ("–", "–", "**not measured**"), row
            continue
        estimate = reach(values.values(), of_mean)
        assert row["seeds"] == str(len(values)), row
        assert row["verdict"].startswith(f"**{verdict(estimate, above, below)}**"), row
        bootstrapped = measured.startswith("1 − ") and len(values) == 1
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


def verdict(estimate: Sequence[float], above: float, below: float) -> str:
    """Return how a claim comes out that a figure lies between two bounds."""
    if len(estimate) == 1:
        return "undecided"
    _, low, high = estimate
    if above < low and high < below:
        return "holds"
    return "does not hold" if high < above or low > below else "undecided"


def test_the_orders_under_other_choices() -> None:
    found, steps = again("mnist"), again("mnist-steps")
    floor = found.over("naive", "clean", "acc")[0] - DROP
    below = {defense for defense in found.defenses if found.over(defense, "clean", "acc")[0] < floor}
    ranked = [d for d in found.defenses if not found.about[d, "clean"]["control"]]
    shown = by(table(parts("mnist")["Other choices"]), "choice")
    wanted = {f"of {name.replace('_', ' ')} images": name for name in DENOMINATORS}
    assert set(shown) == {(title,) for title in (*wanted, *OTHERS)}
    for (title,), row in shown.items():
        err: dict[str, Values] = {}
        for defense in ranked:
            if title in wanted:
                err[defense] = of(found, defense, "err", ATTACKS, wanted[title])
                continue
            usual, other, suite = OTHERS[title]
            rest = of(found, defense, "err", [attack for attack in ATTACKS if attack != usual])
            swapped = of(found if suite == "table1" else steps, defense, "err", [other])
            err[defense] = {seed: (4 * rest[seed] + swapped[seed]) / 5 for seed in rest.keys() & swapped.keys()}
        whole = {d: float(np.mean([*v.values()])) for d, v in err.items() if set(found.seeds) <= v.keys()}
        order = sorted(whole, key=lambda defense: whole[defense])
        told = re.findall(r"(.+?) ([\d.]+)(?:, |$)", row["order"])
        assert int(row["seeds"]) == len(found.seeds)
        assert [name for name, _ in told] == [found.titles[d] + " †" * (d in below) for d in order], title
        assert all(shows(text, whole[defense]) for (_, text), defense in zip(told, order, strict=True)), title
