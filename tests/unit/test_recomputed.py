"""Every published number again, from the stored predictions, by a script that shares no code with the project."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from tests import recompute

PUBLISHED = Path(__file__).parents[2] / "leaderboard" / "published"
TRACKS = sorted(path.name.removesuffix(".cells.csv") for path in PUBLISHED.glob("*.cells.csv"))
RATES = ("acc", "rej", "err")
QUALITY = ("source_err", "hit_target", "reached_kappa", "median_l2", "median_linf")
LAST_DIGIT = 1.01e-6  # of the CSV files
SHOWN = 0.0501  # per cent, of the last digit in Markdown


def rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((PUBLISHED / name).read_text(encoding="utf-8").splitlines()))


def matches(text: str, value: float) -> bool:
    return abs(float(text) - value) < LAST_DIGIT


def ends(values: list[float]) -> tuple[float, float]:
    """Return the interval over the seeds, which is a point where they are equal."""
    return recompute.over_seeds(values) if max(values) > min(values) else (values[0], values[0])


@pytest.mark.parametrize("track", TRACKS)
def test_every_figure_of_every_seed(track: str) -> None:
    cells, _ = recompute.cells(PUBLISHED, track)
    written = rows(f"{track}.cells.csv")
    assert len(written) == len(cells) > 0
    for row in written:
        found = cells[row["defense"], row["attack"], row["denominator"], int(row["seed"])]
        assert int(row["n"]) == found["n"]
        for rate in RATES:
            assert matches(row[rate], found[rate]), (row, rate)
            low, high = recompute.wilson(found[rate], found["n"])
            if row["attack"].startswith("out:") and rate == "acc":
                low = high = 0.0  # no class is right, by definition
            assert matches(row[f"{rate}_low"], low), (row, rate)
            assert matches(row[f"{rate}_high"], high), (row, rate)
        for figure in QUALITY:
            assert row[figure] == "" or matches(row[figure], found[figure]), (row, figure)


@pytest.mark.parametrize("track", TRACKS)
def test_every_figure_over_the_seeds(track: str) -> None:
    cells, _ = recompute.cells(PUBLISHED, track)
    for row in rows(f"{track}.csv"):
        name = (row["defense"], row["attack"], row["denominator"])
        found = [figures for (*cell, _), figures in cells.items() if tuple(cell) == name]
        assert int(row["seeds"]) == len(found) >= 3
        assert int(row["n"]) == sum(figures["n"] for figures in found)
        for rate in RATES:
            values = [figures[rate] for figures in found]
            expected = (float(np.mean(values)), *ends(values))
            for column, value in zip((rate, f"{rate}_low", f"{rate}_high"), expected, strict=True):
                assert matches(row[column], value), (row, column)
        for figure in QUALITY:
            assert row[figure] == "" or matches(row[figure], float(np.mean([f[figure] for f in found])))


@pytest.mark.parametrize("track", TRACKS)
def test_the_leaderboard_that_people_read(track: str) -> None:
    cells, averaged = recompute.cells(PUBLISHED, track)
    page = (PUBLISHED / f"{track}.md").read_text(encoding="utf-8")
    shown = re.findall(r"\|\s+([\d.]+) \[([\d.]+), ([\d.]+)\]", page.split("\n## ")[1])
    seeds = sorted({seed for *_, seed in cells})
    outs = sorted({attack for _, attack, *_ in cells if attack.startswith("out:")})
    expected = []
    for defense in {name for name, *_ in cells}:
        columns = [("clean", "acc"), ("clean", "rej"), *((out, "rej") for out in outs)]
        values = [[cells[defense, attack, "all", seed][rate] for seed in seeds] for attack, rate in columns]
        values.append([float(np.mean([cells[defense, a, "all", seed]["err"] for a in averaged])) for seed in seeds])
        expected += [(float(np.mean(of_seeds)), *ends(of_seeds)) for of_seeds in values]
    assert len(shown) == len(expected)
    found = np.array(sorted(tuple(map(float, figures)) for figures in shown))
    assert np.abs(found - 100 * np.array(sorted(expected))).max() < SHOWN
