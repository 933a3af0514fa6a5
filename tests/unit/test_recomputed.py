"""Every published number again, from the stored predictions, by a script that shares no code with the project."""

import csv
import json
import math
import re
from collections.abc import Sequence
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
BOOTSTRAP = 0.002  # what a bootstrap's ends, whose draws are the project's own, may differ from the normal ones by
FLOOR = 0.04  # how far below naive's a clean Acc ranks after the others
WEAK = 0.5  # the Err on its own source under which an attack is called weak

Row = dict[str, str]
Triple = tuple[float, float, float]
"""A mean over the seeds, and the ends of its interval."""

each_track = pytest.mark.parametrize("track", TRACKS)


class Again:
    """A track's figures, computed again; or those of some of its defenses on some of their seeds."""

    def __init__(self, track: str, chosen: tuple[int, ...] | None = None) -> None:
        cells, about, self.wrong = cells_of(PUBLISHED, track)
        seeds = {defense: {seed for other, *_, seed in cells if other == defense} for defense, _ in about}
        if chosen is not None:
            seeds = {defense: {*chosen} for defense, own in seeds.items() if {*chosen} <= own}
        self.cells = {names: figures for names, figures in cells.items() if names[3] in seeds.get(names[0], ())}
        self.about = {names: meta for names, meta in about.items() if names[0] in seeds}
        self.seeds_of = {defense: sorted(own) for defense, own in seeds.items()}
        self.seeds = max(self.seeds_of.values(), key=len)
        self.titles = {defense: meta["defense_title"] for (defense, _), meta in self.about.items()}
        self.defenses = {defense: title + self.fewer(defense) for defense, title in self.titles.items()}
        self.attacks: dict[str, dict[str, Any]] = {attack: meta for (_, attack), meta in self.about.items()}

    def fewer(self, defense: str) -> str:
        """Return what stands behind the title of a defense that lacks seeds which others have."""
        own = self.seeds_of[defense]
        return "" if own == self.seeds else f" ({seeds_text(own)})"

    def n(self, defense: str, attack: str, denominator: str = "all") -> int:
        return int(sum(self.cells[defense, attack, denominator, seed]["n"] for seed in self.seeds_of[defense]))

    def of_seeds(self, defense: str, attack: str, figure: str, denominator: str = "all") -> list[float]:
        """Return a figure of every seed that has any image."""
        found = [self.cells[defense, attack, denominator, seed] for seed in self.seeds_of[defense]]
        return [figures[figure] for figures in found if figures["n"]]

    def over(self, defense: str, attack: str, figure: str, denominator: str = "all") -> Triple:
        values = self.of_seeds(defense, attack, figure, denominator)
        if len(values) != 1 or figure not in RATES:
            return over(values)
        if attack.startswith("out:") and figure == "acc":
            return (0.0, 0.0, 0.0)  # no class is right, by definition
        return (values[0], *recompute.wilson(values[0], self.n(defense, attack, denominator)))

    def on(self, out: str) -> str:
        """Return the heading of a set's Rej, which says where images of its training split were at hand."""
        name = out.removeprefix("out:")
        return f"Rej on {name} (seen)" if name in self.about["naive", "clean"]["data"] else f"Rej on {name}"

    def average(self, defense: str) -> Triple:
        counted = [attack for attack, meta in self.attacks.items() if meta["in_average"]]
        values = np.mean([self.of_seeds(defense, attack, "err") for attack in counted], axis=0).tolist()
        if len(values) != 1:
            return over(values)
        half = self.other_images(defense)
        return (values[0], values[0] - half, values[0] + half)

    def other_images(self, defense: str) -> float:
        """Return half of the average's interval over the images, with all that came of each: near to a bootstrap's."""
        seeds = self.seeds_of[defense]
        return recompute.half_width([made for key, made in self.wrong.items() if key[0] == defense and key[2] in seeds])

    def worst_case(self, defense: str) -> tuple[int, Triple]:
        """Return how many source images all attacks that count were handed, and the share that any made an error of."""
        counts, shares = [], []
        for seed in self.seeds_of[defense]:
            made = [pair for (name, _, of_seed), pair in self.wrong.items() if (name, of_seed) == (defense, seed)]
            shared = set.intersection(*({*index.tolist()} for index, _ in made))
            lost = shared & set().union(*(index[wrong].tolist() for index, wrong in made))
            counts.append(len(shared))
            shares.append(len(lost) / len(shared))
        n = sum(counts)
        return n, over(shares) if len(shares) > 1 else (shares[0], *recompute.wilson(shares[0], n))

    def boards(self) -> dict[str, tuple[int, ...]]:
        """Return the seeds of each leaderboard by its heading."""
        choices = {tuple(own) for own in self.seeds_of.values()} - {tuple(self.seeds)}
        return {"Leaderboard": tuple(self.seeds)} | {f"Leaderboard of {seeds_text(own)} alone": own for own in choices}


again = cache(Again)
cells_of = cache(recompute.cells)


def seeds_text(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


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


def board(track: str, heading: str) -> list[Row]:
    """Return the rows of a leaderboard, and those of its controls, which have no rank."""
    parts = sections(page(track), "##")
    controls = parts.get("Controls", "") if heading == "Leaderboard" else ""  # a lesser one has them within
    return [row for text in f"{parts[heading]}\n\n{controls}".split("\n\n") for row in table(text)]


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
        assert int(row["seeds"]) == len(found.seeds_of[defense])
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
    by_surrogate = {a: meta for a, meta in meant.items() if meta["source"] != "victim"}
    strength = {meta["attack_title"]: min(found.of_seeds("naive", a, "source_err")) for a, meta in by_surrogate.items()}
    assert said.keys() == {title for title, share in strength.items() if share < WEAK}
    assert all(shows(text, strength[title]) for title, text in said.items())
    resisting = dict(
        re.findall(r"Weak attack (.+?), or strong.+?less than 50% of its images, of (.+?)(?: and |; a low)", top)
    )
    by_victim = {a: meta["attack_title"] for a, meta in meant.items() if a not in by_surrogate}
    for attack, title in by_victim.items():
        names = [n for d, n in found.defenses.items() if min(found.of_seeds(d, attack, "source_err")) < WEAK]
        assert resisting.pop(title, "") == "; ".join(names)
    assert not resisting


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
            expected = {"average Err": found.average(defense)}
            expected |= {f"clean {rate.title()}": found.over(defense, "clean", rate) for rate in ("acc", "rej")}
            expected |= {found.on(out): found.over(defense, out, "rej") for out in outs}
            assert row.pop("paper average Err", "") in {
                "",
                printed(track).get((defense, "average"), {"err": "–"})["err"],
            }
            assert row.keys() - {"rank", "defense"} == expected.keys()
            if len(found.seeds) == 1:  # its interval is compared in the CSV
                value = expected.pop("average Err")[0]
                assert shows(row["average Err"].partition(" ")[0], value), row
            assert all(shows(row[column], *triple) for column, triple in expected.items()), row


@each_track
def test_the_leaderboard_as_csv(track: str) -> None:
    found = again(track)
    written = by(rows(PUBLISHED / f"{track}.leaderboard.csv"), "defense")
    assert set(written) == {(defense,) for defense in found.defenses}
    shown = {row["defense"]: row["rank"].split()[0] for row in table(sections(page(track), "##")["Leaderboard"])}
    outs = [attack for attack, meta in found.attacks.items() if meta["kind"] == "out"]
    for (defense,), row in written.items():
        assert row["title"] == found.titles[defense]
        assert row["rank"] == shown.get(found.defenses[defense], "")
        assert int(row["seeds"]) == len(found.seeds_of[defense])
        expected = {"average_err": found.average(defense)}
        expected |= {"worst_case_err": found.worst_case(defense)[1]}
        expected |= {f"clean_{rate}": found.over(defense, "clean", rate) for rate in ("acc", "rej")}
        expected |= {f"rej_{out.removeprefix('out:')}": found.over(defense, out, "rej") for out in outs}
        for name, (value, *ends) in expected.items():
            assert matches(row[name], value), (row, name)
            near = BOOTSTRAP if name == "average_err" and len(found.seeds_of[defense]) == 1 else LAST_DIGIT
            assert all(
                abs(float(row[f"{name}_{end}"]) - e) < near for end, e in zip(("low", "high"), ends, strict=True)
            ), row
        assert float(row["average_err_other_images"]) == pytest.approx(found.other_images(defense), abs=BOOTSTRAP), row
        taken = found.about[defense, "clean"]["taken"].values()
        for what in ("attacks", "out"):
            words = {"attacks": "trained on adversarial images", "out": "trained on out-distribution images"}[what]
            assert (words in row["marks"]) == any(of[what] for of in taken), row


@each_track
def test_the_rows_stand_in_the_order_of_their_ranks(track: str) -> None:
    for heading, seeds in again(track).boards().items():
        ranked = [(row["rank"], row["defense"]) for row in board(track, heading) if "rank" in row]
        assert ranked == in_order(again(track, seeds)), heading


def in_order(found: Again) -> list[tuple[str, str]]:
    """Return the ranks with their marks, and the titles, from the best down."""
    floor = found.over("naive", "clean", "acc")[0] - FLOOR
    below = {defense: found.over(defense, "clean", "acc")[0] < floor - 1e-9 for defense in found.defenses}
    order = sorted(
        (defense for defense in found.defenses if not found.about[defense, "clean"]["control"]),
        key=lambda defense: (below[defense], round(found.average(defense)[0], 9), defense),
    )
    taken = {defense: found.about[defense, "clean"]["taken"].values() for defense in found.defenses}
    attacked = {defense: any(of["attacks"] for of in counts) for defense, counts in taken.items()}
    marks = {defense: " †" * below[defense] + " ‡" * attacked[defense] for defense in found.defenses}
    return [(f"{rank}{marks[defense]}", found.defenses[defense]) for rank, defense in enumerate(order, 1)]


@each_track
def test_the_worst_cases(track: str) -> None:
    found = again(track)
    shown = table(sections(page(track), "##")["Worst case"])
    written = by(shown, "defense")
    assert set(written) == {(title,) for title in found.defenses.values()}
    for defense, title in found.defenses.items():
        images, expected = found.worst_case(defense)
        assert int(written[title,]["images"]) == images
        assert shows(written[title,]["worst-case Err"], *expected), written[title,]
        assert float(written[title,]["its Err"]) <= 100 * expected[0] + 0.1
    least_first = [float(row["worst-case Err"].split()[0]) for row in shown]
    assert least_first == sorted(least_first)


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
    written = by(table(sections(page(track), "##")["Err by denominator"]), "attack", "defense")
    attacked = {cell: meta for cell, meta in found.about.items() if meta["kind"] == "attack"}
    assert set(written) == {(meta["attack_title"], found.defenses[defense]) for (defense, _), meta in attacked.items()}
    for (defense, attack), meta in attacked.items():
        row = written[meta["attack_title"], found.defenses[defense]]
        for name in DENOMINATORS:
            rates, _, images = row[name.replace("_", " ")].partition(" of ")
            assert shows(rates, *found.over(defense, attack, "err", name)), row
            assert int(images) == found.n(defense, attack, name)
