"""What stands on top of the published pages, and their leaderboards, again from the stored predictions."""

import re
from collections.abc import Container

import numpy as np
import pytest

from tests.again import TRACKS, Again, again, seeds_text
from tests.reading import board, by, page, printed, sections, shows, table, weakly

FLOOR = 0.04  # how far below naive's a clean Acc ranks after the others
ALIKE = 0.02  # by how much an attack may err less within a larger budget unsaid
WEAK = 0.5  # the Err on its own source under which an attack is called weak

each_track = pytest.mark.parametrize("track", TRACKS)


@each_track
def test_what_stands_on_top(track: str) -> None:
    found = again(track)
    top = page(track).partition("\n## ")[0]
    attacks = {attack: meta for attack, meta in found.attacks.items() if meta["kind"] == "attack"}
    (epochs,) = {meta.get("epochs") for meta in found.about.values()}
    briefly = f", networks trained for {epochs} epochs in place of 40" if epochs else ""
    ran = f"{seeds_text(found.seeds)}{briefly}, {len(found.defenses)} defenses, {len(attacks)} attacks."
    assert f"`), {ran} " in top
    (clean,) = {int(figures["n"]) for (_, attack, *_), figures in found.cells.items() if attack == "clean"}
    assert f" {clean} clean test images a seed." in top
    said = dict(re.findall(r"Weak attack (.+?)\*\*: it fools its own source for ([\d.]+)% of", top))
    lesser = {a for a in attacks if track.endswith("-epsilon") and not a.endswith("_all")}  # of several budgets
    meant = {a: meta for a, meta in attacks.items() if "control" not in meta["parameters"] and a not in lesser}
    meant = {a: meta for a, meta in meant.items() if meta["parameters"].get("targets") != ["rejection"]}
    by_surrogate = {a: meta for a, meta in meant.items() if meta["source"] != "victim"}
    strength = {meta["attack_title"]: min(found.of_seeds("naive", a, "source_err")) for a, meta in by_surrogate.items()}
    assert said.keys() == {title for title, share in strength.items() if share < WEAK}
    assert all(shows(text, strength[title]) for title, text in said.items())
    resisting = dict(re.findall(r"Weak attack (.+?), or strong.+?less than 50% of its images \((.+?)\); a low", top))
    by_victim = {a: meta["attack_title"] for a, meta in meant.items() if a not in by_surrogate}
    for attack, title in by_victim.items():
        names = [n for d, n in found.defenses.items() if min(found.of_seeds(d, attack, "source_err")) < WEAK]
        assert resisting.pop(title, "") == "; ".join(names)
    assert not resisting
    budgets = [(meta["parameters"].get("epsilon"), a) for a, meta in attacks.items() if meta["source"] == "victim"]
    falling = set[str]()
    for defense, name in found.defenses.items() if track.endswith("-epsilon") else ():
        of_seeds = np.array([found.of_seeds(defense, attack, "err") for _, attack in sorted(budgets)])
        if (np.maximum.accumulate(of_seeds) - of_seeds).max() > ALIKE:
            falling.add(name)
    (told,) = re.findall(r"errs less within a larger ε \((.+?)\); ", top) or [""]
    assert {*filter(None, told.split("; "))} == falling


@each_track
def test_the_leaderboards_that_people_read(track: str) -> None:
    for heading, seeds in again(track).boards().items():
        found = again(track, seeds)
        shown = board(track, heading)
        written = by(shown, "defense")
        assert set(written) == {(title,) for title in found.defenses.values()}
        outs = [attack for attack, meta in found.attacks.items() if meta["kind"] == "out"]
        for defense, title in found.defenses.items():
            row = dict(written[title,])
            expected = {f"average {rate.title()}": found.average(defense, rate) for rate in ("err", "rej", "acc")}
            expected |= {f"clean {rate.title()}": found.over(defense, "clean", rate) for rate in ("acc", "rej")}
            expected |= {f"Rej on {out.removeprefix('out:')}": found.over(defense, out, "rej") for out in outs}
            assert row.pop("paper average Err", "") in {
                "",
                printed(track).get((defense, "average"), {"err": "–"})["err"],
            }
            assert row.keys() - {"rank", "defense"} == expected.keys()
            for name in [name for name in expected if name.startswith("average") and len(found.seeds) == 1]:
                value = expected.pop(name)[0]  # its interval is a bootstrap's: of Err it is compared in the CSV
                assert shows(row[name].partition(" ")[0], value), row
            for out in outs:
                assert row[f"Rej on {out.removeprefix('out:')}"].endswith("(seen)") == found.sees(defense, out), row
            assert all(shows(row[column], *triple) for column, triple in expected.items()), row


@each_track
def test_the_rows_stand_in_the_order_of_their_ranks(track: str) -> None:
    for heading, seeds in again(track).boards().items():
        ranked = [(row["rank"], row["defense"]) for row in board(track, heading) if "rank" in row]
        counted = [meta["attack_title"] for meta in again(track).attacks.values() if meta["in_average"]]
        assert ranked == in_order(again(track, seeds), weakly(track, counted)), heading


def in_order(found: Again, weak: Container[str]) -> list[tuple[str, str]]:
    """Return the ranks with their marks, and the titles, from the best down."""
    floor = found.over("naive", "clean", "acc")[0] - FLOOR
    below = {defense: found.over(defense, "clean", "acc")[0] < floor - 1e-9 for defense in found.defenses}
    order = sorted(
        (defense for defense in found.defenses if not found.about[defense, "clean"]["control"]),
        key=lambda defense: (below[defense], round(found.average(defense)[0], 9), defense),
    )
    taken = {defense: found.about[defense, "clean"]["taken"].values() for defense in found.defenses}
    attacked = {defense: any(of["attacks"] for of in counts) for defense, counts in taken.items()}
    marks = {
        defense: " †" * below[defense] + " ‡" * attacked[defense] + " §" * (title in weak)
        for defense, title in found.titles.items()
    }
    return [(f"{rank}{marks[defense]}", found.defenses[defense]) for rank, defense in enumerate(order, 1)]


@each_track
def test_the_worst_cases(track: str) -> None:
    found = again(track)
    shown = table(sections(page(track), "##").get("Worst case", ""))
    written = by(shown, "defense")
    several = sum(meta["in_average"] for meta in found.attacks.values()) > 1  # of one attack there is no worst
    assert set(written) == {(title,) for title in found.defenses.values() if several}
    for defense, title in found.defenses.items() if several else ():
        images, expected = found.worst_case(defense)
        assert int(written[title,]["images"]) == images
        assert shows(written[title,]["worst-case Err"], *expected), written[title,]
        assert float(written[title,]["its Err"]) <= 100 * expected[0] + 0.1
    least_first = [float(row["worst-case Err"].split()[0]) for row in shown]
    assert least_first == sorted(least_first)
