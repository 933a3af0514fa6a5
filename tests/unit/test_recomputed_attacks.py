"""The published pages' tables of attacks again, from the stored predictions."""

import json
import math

import pytest

from tests.again import DENOMINATORS, RATES, TRACKS, again
from tests.reading import by, page, printed, sections, shows, table, weakly

SWEPT = {
    "epsilon": ("Err", "ε", "epsilon"),
    "kappa": ("Err", "κ", "confidence"),
    "overshoot": ("Err", "overshoot", "overshoot"),
    "rejection": ("Rej", "ε", "epsilon"),
    "steps": ("Err", "steps", "steps"),
}
"""Of the suites that go through the values of a parameter: what they show, what they call it, and its name."""

each_track = pytest.mark.parametrize("track", TRACKS)


@each_track
def test_every_table_of_an_attack(track: str) -> None:
    found = again(track)
    parts = sections(sections(page(track), "##")["Attack by attack"], "###")
    assert set(parts) == {f"{meta['attack_title']} (`{attack}`)" for attack, meta in found.attacks.items()}
    for attack, meta in found.attacks.items():
        written = by(table(parts[f"{meta['attack_title']} (`{attack}`)"]), "defense")
        assert set(written) == {(title,) for title in found.defenses.values()}
        for defense, title in found.defenses.items():
            row = written[title,]
            assert int(row["images"]) == found.n(defense, attack)
            acc, rej, _ = (found.over(defense, attack, rate)[0] for rate in RATES)
            assert shows(row["Acc"], math.nan if meta["kind"] == "out" else acc), row
            assert shows(row["Rej"], rej), row
            assert shows(row["Err"], *found.over(defense, attack, "err")), row
            for rate in RATES if "paper Err" in row else ():
                of_paper = printed(track).get((defense, attack), {rate: ""})
                assert row[f"paper {rate.title()}"] == (of_paper[rate] or "–")


@each_track
def test_the_table_of_the_attacks(track: str) -> None:
    found = again(track)
    written = by(table(sections(page(track), "##")["The attacks"]), "attack", "made on")
    names = set()
    for (defense, attack), meta in found.about.items():
        if meta["kind"] != "attack" or (meta["source"] != "victim" and found.fewer(defense)):
            continue  # images that all share are told of once, over the most seeds
        made_on = f"victim {found.defenses[defense]}" if meta["source"] == "victim" else meta["source"]
        row = written[meta["attack_title"], made_on]
        names.add((meta["attack_title"], made_on))
        assert int(row["images"]) == found.n(defense, attack)
        for column, figure in {
            "source Err": "source_err",
            "hit target": "hit_target",
            "reached κ": "reached_kappa",
        }.items():
            assert shows(row[column], found.over(defense, attack, figure)[0]), row
        for column, figure in {"L2": "median_l2", "L∞": "median_linf"}.items():
            assert shows(row[column], found.over(defense, attack, figure)[0], unit=1, decimals=3), row
        assert row["in average"] == ("yes" if meta["in_average"] else "no")
        values = {
            name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            for name, value in meta["parameters"].items()
        }
        assert row["parameters"] == ", ".join(f"{name} {value}" for name, value in values.items())
    assert set(written) == names


@each_track
def test_the_table_of_denominators(track: str) -> None:
    found = again(track)
    written = by(table(sections(page(track), "##").get("Err by denominator", "")), "attack", "defense")
    attacks = {cell: meta for cell, meta in found.about.items() if meta["kind"] == "attack"}
    attacked = {cell: meta for cell, meta in attacks.items() if meta["source"] != "victim"}
    assert set(written) == {(meta["attack_title"], found.defenses[defense]) for (defense, _), meta in attacked.items()}
    for (defense, attack), meta in attacked.items():
        row = written[meta["attack_title"], found.defenses[defense]]
        for name in DENOMINATORS:
            rates, _, images = row[name.replace("_", " ")].partition(" of ")
            assert shows(rates, *found.over(defense, attack, "err", name)), row
            assert int(images) == found.n(defense, attack, name)


@each_track
def test_the_tables_of_a_parameter_s_values(track: str) -> None:
    found, parts = again(track), sections(page(track), "##")
    rate, symbol, parameter = SWEPT.get(track.partition("-")[2], ("", "", ""))
    heading = f"{rate} by {symbol}"
    of_values = {name for name in parts if name.startswith(("Err by", "Rej by"))} - {"Err by denominator"}
    assert of_values == ({heading} if symbol else set())
    shown = sections(parts.get(heading, ""), "###")
    written = {title: by(table(text), "defense") for title, text in shown.items()}
    columns = {title: {"defense"} for title in written}
    for attack, meta in found.attacks.items():
        if "_" in attack and symbol:
            on = "defense itself" if meta["source"] == "victim" else meta["source"]
            title = f"{meta['attack_title'].partition(',')[0]}, made on the {on}"
            column = f"{symbol} {meta['parameters'][parameter]:g}"
            columns[title].add(column)
            for defense, name in found.defenses.items():
                triple = found.over(defense, attack, rate.lower())
                assert shows(written[title][name,][column], *triple), (title, name, column)
    for title, of_defenses in written.items():
        assert set(of_defenses) == {(name,) for name in found.defenses.values()}
        assert all(row.keys() == columns[title] for row in of_defenses.values())


@each_track
def test_robustness_with_rejection(track: str) -> None:
    found, parts = again(track), sections(page(track), "##")
    assert ("Robustness with rejection" in parts) == bool(found.refused)
    written = by(table(parts.get("Robustness with rejection", "")), "defense")
    counted = [meta["attack_title"] for meta in found.attacks.values() if meta["in_average"]]
    marks = {name: " §" * (found.titles[defense] in weakly(track, counted)) for defense, name in found.defenses.items()}
    assert set(written) == {(f"{name}{mark}",) for name, mark in marks.items() if found.refused}
    aiming = {attack: meta["parameters"] for attack, meta in found.attacks.items() if "targets" in meta["parameters"]}
    towards = {attack: of["epsilon"] for attack, of in aiming.items() if of["targets"] == ["rejection"]}
    within = sorted(towards, key=lambda attack: towards[attack])
    for defense, name in found.defenses.items() if found.refused else ():
        (epsilon,) = {meta["parameters"]["epsilon"] for meta in found.attacks.values() if meta["in_average"]}
        alphas = [0.0, *(towards[attack] / epsilon for attack in within)]
        row = written[f"{name}{marks[name]}",]
        assert [*row] == ["defense", "images", *(f"α {alpha:g}" for alpha in alphas)]
        for count, alpha in enumerate(alphas):
            images, triple = found.withstood(defense, within[:count])
            assert int(row["images"]) == images
            assert shows(row[f"α {alpha:g}"], *triple), (name, alpha)
