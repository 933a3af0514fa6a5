"""The page of Table I and its orders, again from the stored predictions."""

import math
import re

import numpy as np

from tests.again import DENOMINATORS, PUBLISHED, RATES, again
from tests.reading import by, matches, printed, rows, shows, table
from tests.table1 import ATTACKS, DROP, ROWS, Values, differing, each_track, of, of_mean, one_more, parts, reach, says

OTHERS = {
    "DeepFool at overshoot 0.02": ("deepfool", "deepfool_min", "table1"),
    "I-FGS with 3 steps": ("ifgs", "ifgs_3", "steps"),
    "I-FGS with 10 steps": ("ifgs", "ifgs_10", "steps"),
    "I-FGS with 20 steps": ("ifgs", "ifgs_20", "steps"),
}


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


@each_track
def test_what_is_counted_of_the_images_that_fool(track: str) -> None:
    found, paper = again(track), printed(track)
    titles = {attack: meta["attack_title"] for attack, meta in found.attacks.items()} | {"average": "average"}
    shown = by(table(parts(track)["Of the images that fool the attacked network"]), "images")
    assert set(shown) == {(titles[attack],) for attack in (*ATTACKS, "average")}
    for attack in (*ATTACKS, "average"):
        for defense in ROWS:
            row, title = shown[titles[attack],], found.titles[defense]
            assert row[f"{title}: paper"] == paper[defense, attack]["err"]
            for counted, denominator in (("of all", "all"), ("of those that fool", "fooled")):
                text = row[f"{title}: {counted}"]
                values = [
                    *of(found, defense, "err", ATTACKS if attack == "average" else [attack], denominator).values()
                ]
                mean, *ends = reach(values, of_mean)
                if ends:
                    assert says(text.strip("*"), (mean, max(ends[0], 0.0), min(ends[1], 1.0))), (attack, defense)
                else:
                    assert shows(text.strip("*").partition(" [")[0], mean)
                _, *ends = reach(values, one_more)
                figure = float(paper[defense, attack]["err"]) / 100
                assert (text.startswith("**")) == (bool(ends) and not ends[0] - 5e-5 <= figure <= ends[1] + 5e-5)


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
