"""The figures at equal clean rejection, and what scores tell apart, again from the stored predictions."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from tests import recompute
from tests.again import PUBLISHED, TRACKS, Triple, again, over
from tests.reading import by, matches, rows

REFERENCE = "ood_interp"
Scores = np.ndarray[Any, Any]
Values = dict[int, float]
"""A figure by seed."""

UNKNOWN: Triple = (math.nan, math.nan, math.nan)


def by_defense(track: str) -> Mapping[str, Mapping[str, Values]]:
    """Return the figures of every defense, by the column of the CSV file that they are in."""
    name, _, suite = track.partition("-")
    entries = json.loads((PUBLISHED / "records/report.json").read_text())["runs"]
    errs: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    scores: dict[tuple[str, str, int], Scores] = {}
    found: dict[str, dict[str, Values]] = defaultdict(lambda: defaultdict(dict))
    for key in next(e["records"] for e in entries if (e["track"], e["suite"]) == (name, suite or "table1")):
        folder = PUBLISHED / "records/score" / key
        meta = json.loads((folder / "manifest.json").read_text())["meta"]
        image, defense, seed = recompute.images(folder), meta["defense"], meta["seed"]
        score, wrong = image["reject_score"], image["class_prediction"] != image["label"]
        if meta["kind"] != "attack":
            scores[defense, meta["attack"], seed] = score
        for share, threshold in meta["thresholds"].items():
            percent = f"{100 * float(share):.0f}"
            if meta["in_average"]:
                errs[defense, f"err_at_{percent}", seed].append(float((wrong & (score <= threshold)).mean()))
            if meta["attack"] == "clean":
                found[defense][f"clean_rej_at_{percent}"][seed] = float((score > threshold).mean())
                found[defense]["aurc"][seed] = under_risk(wrong, score)
    for (defense, column, seed), each in errs.items():
        found[defense][column][seed] = float(np.mean(each))
    for defense, attack, seed in scores:
        if attack != "clean":
            known, foreign = (scores[defense, of, seed] for of in ("clean", attack))
            found[defense][attack.replace("out:", "auroc_")][seed] = outscored(known, foreign)
            found[defense][attack.replace("out:", "fpr95_")][seed] = accepted(known, foreign)
    return found


def under_risk(wrong: Scores, score: Scores) -> float:
    """Return the mean risk over all coverages: images of equal score each have that score's share of errors."""
    _, group, counts = np.unique(score, return_inverse=True, return_counts=True)
    share = np.bincount(group, weights=wrong) / counts
    return float(np.mean(np.cumsum(share[np.sort(group)]) / np.arange(1, len(wrong) + 1)))


def outscored(known: Scores, foreign: Scores) -> float:
    """Return how often a foreign image outscores a known one, equal scores counting half."""
    ordered = np.sort(known)
    below, up_to = (np.searchsorted(ordered, foreign, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(known))


def accepted(known: Scores, foreign: Scores) -> float:
    """Return the share of foreign images accepted at the least threshold that 5% of the known exceed, at most."""
    distinct = np.unique(known)
    exceed = len(known) - np.searchsorted(np.sort(known), distinct, side="right")
    return float((foreign <= distinct[exceed <= 0.05 * len(known) + 1e-9][0]).mean())


def of_seeds(values: Values) -> Triple:
    """Return a figure's mean and interval, which one seed has not."""
    each = [*values.values()]
    return (each[0], math.nan, math.nan) if len(each) == 1 else over(each)


def more(one: Values, other: Values) -> Triple:
    """Return by how much one exceeds the other in the seeds that both have, with an interval from three on."""
    less = [one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())]
    if not less:
        return UNKNOWN
    if len(less) < 3:
        return (float(np.mean(less)), math.nan, math.nan)
    half = t.ppf(0.975, len(less) - 1) * np.std(less, ddof=1) / len(less) ** 0.5
    return (float(np.mean(less)), float(np.mean(less) - half), float(np.mean(less) + half))


@pytest.mark.parametrize("track", TRACKS)
def test_the_figures_at_equal_rejection_as_csv(track: str) -> None:
    page, found = again(track), by_defense(track)
    written = by(rows(PUBLISHED / f"{track}.equal.csv"), "defense")
    assert set(written) == {(defense,) for defense in page.defenses}
    moved = all(meta["source"] != "victim" for meta in page.attacks.values() if meta["in_average"])
    for (defense,), row in written.items():
        of = found[defense]
        expected = {name: of_seeds(values) for name, values in of.items()}
        for share in ("1", "5"):
            name = f"err_at_{share}"
            other = found[REFERENCE].get(name, {}) if defense != REFERENCE and REFERENCE in found else {}
            expected[f"{name}_minus_{REFERENCE}"] = more(of[name], other)
        if not moved:
            expected |= {name: UNKNOWN for name in expected if "_at_" in name}
        columns = {
            f"{name}{end}": value
            for name, of3 in expected.items()
            for end, value in zip(("", "_low", "_high"), of3, strict=True)
        }
        assert row.keys() == {"defense", "title", "seeds"} | columns.keys()
        assert row["title"] == page.titles[defense]
        assert int(row["seeds"]) == len(page.seeds_of[defense])
        for column, value in columns.items():
            assert matches(row[column], value), (defense, column, row[column], value)
    at_five = [float(row["err_at_5"]) for (_,), row in written.items() if moved]
    assert at_five == sorted(at_five)
