"""Every number of the published CSV files again, from the stored predictions."""

import math

import pytest

from tests import recompute
from tests.again import PUBLISHED, QUALITY, RATES, TRACKS, again
from tests.reading import LAST_DIGIT, by, matches, page, rows, sections, table

BOOTSTRAP = 0.002  # what a bootstrap's ends, whose draws are the project's own, may differ from the normal ones by

OF_FEWER = {"mnist-controls"}  # whose costly variants get their seeds one by one, which its page says

each_track = pytest.mark.parametrize("track", TRACKS)


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
    briefly = all(meta.get("epochs") for meta in found.about.values())  # one that a CPU trains so
    assert len(found.seeds) >= 3 or briefly or track in OF_FEWER
    written = by(rows(PUBLISHED / f"{track}.csv"), "defense", "attack", "denominator")
    assert set(written) == {tuple(names) for *names, _ in found.cells}
    for (defense, attack, denominator), row in written.items():
        assert int(row["seeds"]) == len(found.of_seeds(defense, attack, "err", denominator))
        assert int(row["n"]) == found.n(defense, attack, denominator)
        for rate in RATES:
            expected = found.over(defense, attack, rate, denominator)
            for column, value in zip((rate, f"{rate}_low", f"{rate}_high"), expected, strict=True):
                assert matches(row[column], value), (row, column)
        for figure in QUALITY:
            mean, *_ = found.over(defense, attack, figure, denominator)
            assert matches(row[figure], mean), (row, figure)


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
        if len(found.seeds_of[defense]) > 1:
            expected |= {f"average_{rate}": found.average(defense, rate) for rate in ("rej", "acc")}
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
