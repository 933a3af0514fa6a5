"""Every published number again, from the stored predictions, by a script that shares no code with the project."""

import csv
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import recompute

LEADERBOARD = Path(__file__).parents[2] / "leaderboard"
PUBLISHED = LEADERBOARD / "published"
TRACKS = sorted(path.name.removesuffix(".cells.csv") for path in PUBLISHED.glob("*.cells.csv"))
RATES = ("acc", "rej", "err")
QUALITY = ("source_err", "hit_target", "reached_kappa", "median_l2", "median_linf")
DENOMINATORS = ("all", "fooled", "victim_correct")
LAST_DIGIT = 1.01e-6  # of the CSV files
FLOOR = 0.04  # how far below naive's a clean Acc ranks after the others
WEAK = 0.5  # the Err on its own source under which an attack is called weak

Row = dict[str, str]
Triple = tuple[float, float, float]
"""A mean over the seeds, and the ends of its interval."""

each_track = pytest.mark.parametrize("track", TRACKS)


class Again:
    """A track's figures, computed again."""

    def __init__(self, track: str) -> None:
        self.cells, self.about = recompute.cells(PUBLISHED, track)
        self.seeds = sorted({seed for *_, seed in self.cells})
        self.defenses = {defense: meta["defense_title"] for (defense, _), meta in self.about.items()}
        self.attacks: dict[str, dict[str, Any]] = {attack: meta for (_, attack), meta in self.about.items()}

    def n(self, defense: str, attack: str, denominator: str = "all") -> int:
        return int(sum(self.cells[defense, attack, denominator, seed]["n"] for seed in self.seeds))

    def of_seeds(self, defense: str, attack: str, figure: str, denominator: str = "all") -> list[float]:
        """Return a figure of every seed that has any image."""
        found = [self.cells[defense, attack, denominator, seed] for seed in self.seeds]
        return [figures[figure] for figures in found if figures["n"]]

    def over(self, defense: str, attack: str, figure: str, denominator: str = "all") -> Triple:
        return over(self.of_seeds(defense, attack, figure, denominator))

    def on(self, out: str) -> str:
        """Return the heading of a set's Rej, which says where images of its training split were at hand."""
        name = out.removeprefix("out:")
        return f"Rej on {name} (seen)" if name in self.about["naive", "clean"]["data"] else f"Rej on {name}"

    def average(self, defense: str) -> Triple:
        counted = [attack for attack, meta in self.attacks.items() if meta["in_average"]]
        return over(np.mean([self.of_seeds(defense, attack, "err") for attack in counted], axis=0).tolist())


again = cache(Again)


def over(values: list[float]) -> Triple:
    """Return the mean of the seeds' values and its interval, which is a point where they are equal."""
    if not values:
        return (math.nan, math.nan, math.nan)
    ends = recompute.over_seeds(values) if max(values) > min(values) else (values[0], values[0])
    return (float(np.mean(values)), *ends)


def rows(path: Path) -> list[Row]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def matches(text: str, value: float) -> bool:
    """Whether a cell of a CSV file holds a value, or nothing where there is none."""
    return text == "" if math.isnan(value) else text != "" and abs(float(text) - value) < LAST_DIGIT


def shows(text: str, *values: float, unit: float = 100, decimals: int = 1) -> bool:
    """Whether the numbers that a cell shows people are these, per cent unless ``unit`` says otherwise."""
    if any(math.isnan(value) for value in values):
        return text == "–"
    numbers = [float(number) for number in re.findall(r"[\d.]+", text)]
    step = 0.501 * 10**-decimals
    return len(numbers) == len(values) and all(
        abs(number - unit * value) < step for number, value in zip(numbers, values, strict=True)
    )


def sections(text: str, marks: str) -> dict[str, str]:
    """Return what stands under every heading that begins with so many marks."""
    parts = re.split(rf"^{marks} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def page(track: str) -> str:
    return (PUBLISHED / f"{track}.md").read_text(encoding="utf-8")


def table(text: str) -> list[Row]:
    """Return the rows of the one table in a text, as a reader sees them."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    cells = [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in line] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def by(found: list[Row], *columns: str) -> dict[tuple[str, ...], Row]:
    """Return rows by those of their columns that name them, which no two rows share."""
    named = {tuple(row[column] for column in columns): row for row in found}
    assert len(named) == len(found)
    return named


def printed(name: str) -> dict[tuple[str, str], Row]:
    """Return the paper's figures for a page's track, by defense and attack."""
    found = rows(LEADERBOARD / "paper_table1.csv")
    return {(row["defense"], row["attack"]): row for row in found if row["track"] == name.partition("-")[0]}


@each_track
def test_every_figure_of_every_seed(track: str) -> None:
    cells = again(track).cells
    written = by(rows(PUBLISHED / f"{track}.cells.csv"), "defense", "attack", "denominator", "seed")
    assert set(written) == {(*names, str(seed)) for *names, seed in cells}
    for (defense, attack, denominator, seed), row in written.items():
        found = cells[defense, attack, denominator, int(seed)]
        assert int(row["n"]) == found["n"]
        for rate in RATES:
            low, high = recompute.wilson(found[rate], found["n"]) if found["n"] else (math.nan, math.nan)
            if attack.startswith("out:") and rate == "acc":
                low = high = 0.0  # no class is right, by definition
            for column, value in zip((rate, f"{rate}_low", f"{rate}_high"), (found[rate], low, high), strict=True):
                assert matches(row[column], value), (row, column)
        for figure in QUALITY:
            assert matches(row[figure], found[figure]), (row, figure)


@each_track
def test_every_figure_over_the_seeds(track: str) -> None:
    found = again(track)
    assert len(found.seeds) >= 3
    written = by(rows(PUBLISHED / f"{track}.csv"), "defense", "attack", "denominator")
    assert set(written) == {tuple(names) for *names, _ in found.cells}
    for (defense, attack, denominator), row in written.items():
        assert int(row["seeds"]) == len(found.seeds)
        assert int(row["n"]) == found.n(defense, attack, denominator)
        for rate in RATES:
            expected = found.over(defense, attack, rate, denominator)
            for column, value in zip((rate, f"{rate}_low", f"{rate}_high"), expected, strict=True):
                assert matches(row[column], value), (row, column)
        for figure in QUALITY:
            mean, *_ = found.over(defense, attack, figure, denominator)
            assert matches(row[figure], mean), (row, figure)


@each_track
def test_what_stands_on_top(track: str) -> None:
    found = again(track)
    top = page(track).partition("\n## ")[0]
    attacks = {attack: meta for attack, meta in found.attacks.items() if meta["kind"] == "attack"}
    assert f"seeds {', '.join(map(str, found.seeds))}, {len(found.defenses)} defenses, {len(attacks)} attacks." in top
    (clean,) = {int(figures["n"]) for (_, attack, *_), figures in found.cells.items() if attack == "clean"}
    assert f" {clean} clean test images a seed." in top
    said = dict(re.findall(r"Weak attack (.+?)\*\*: it fools its own source for ([\d.]+)% of", top))
    meant = {a: meta for a, meta in attacks.items() if "control" not in meta["parameters"]}  # a control should fail
    strength = {meta["attack_title"]: min(found.of_seeds("naive", a, "source_err")) for a, meta in meant.items()}
    assert said.keys() == {title for title, share in strength.items() if share < WEAK}
    assert all(shows(text, strength[title]) for title, text in said.items())


@each_track
def test_the_leaderboard_that_people_read(track: str) -> None:
    found, parts = again(track), sections(page(track), "##")
    written = by(table(parts["Leaderboard"]) + table(parts.get("Controls", "")), "defense")
    assert set(written) == {(title,) for title in found.defenses.values()}
    outs = [attack for attack, meta in found.attacks.items() if meta["kind"] == "out"]
    for defense, title in found.defenses.items():
        row = dict(written[title,])
        expected = {"average Err": found.average(defense)}
        expected |= {f"clean {rate.title()}": found.over(defense, "clean", rate) for rate in ("acc", "rej")}
        expected |= {found.on(out): found.over(defense, out, "rej") for out in outs}
        assert row.pop("paper average Err", "") in {"", printed(track).get((defense, "average"), {"err": "–"})["err"]}
        assert row.keys() - {"rank", "defense"} == expected.keys()
        assert all(shows(row[column], *triple) for column, triple in expected.items()), row


@each_track
def test_the_rows_stand_in_the_order_of_their_ranks(track: str) -> None:
    found = again(track)
    floor = found.over("naive", "clean", "acc")[0] - FLOOR
    below = {defense: found.over(defense, "clean", "acc")[0] < floor - 1e-9 for defense in found.defenses}
    order = sorted(
        (defense for defense in found.defenses if not found.about[defense, "clean"]["control"]),
        key=lambda defense: (below[defense], round(found.average(defense)[0], 9), defense),
    )
    taken = {defense: found.about[defense, "clean"]["taken"].values() for defense in found.defenses}
    attacked = {defense: any(of["attacks"] for of in counts) for defense, counts in taken.items()}
    marks = {defense: " †" * below[defense] + " ‡" * attacked[defense] for defense in found.defenses}
    expected = [(f"{rank}{marks[defense]}", found.defenses[defense]) for rank, defense in enumerate(order, 1)]
    leaderboard = sections(page(track), "##")["Leaderboard"]
    assert [(row["rank"], row["defense"]) for row in table(leaderboard)] == expected


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
        if meta["kind"] != "attack":
            continue
        made_on = f"victim {meta['defense_title']}" if meta["source"] == "victim" else meta["source"]
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
    written = by(table(sections(page(track), "##")["Err by denominator"]), "attack", "defense")
    attacked = {cell: meta for cell, meta in found.about.items() if meta["kind"] == "attack"}
    assert set(written) == {(meta["attack_title"], meta["defense_title"]) for meta in attacked.values()}
    for (defense, attack), meta in attacked.items():
        row = written[meta["attack_title"], meta["defense_title"]]
        for name in DENOMINATORS:
            rates, _, images = row[name.replace("_", " ")].partition(" of ")
            assert shows(rates, *found.over(defense, attack, "err", name)), row
            assert int(images) == found.n(defense, attack, name)
