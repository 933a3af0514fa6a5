"""Recomputes a published track's numbers from its records' images; shares no code with the project."""

import json
import lzma
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from safetensors.numpy import load
from scipy.stats import binom, t

Figures = dict[str, float]
Met = dict[tuple[str, str, int], tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
"""By defense, attack and seed: each image's number, and whether it was given a wrong class, or no right one."""


def cells(
    published: Path, name: str
) -> tuple[dict[tuple[str, str, str, int], Figures], dict[tuple[str, str], dict[str, Any]], Met, Met]:
    """Return the figures by defense, attack, denominator and seed, NaN where there is none; what a record of each
    defense and attack says of itself; which images of the attacks in the average went wrong; and which images that were
    to be rejected are not right any more.

    ``name`` is a page's: a track, and after a hyphen its suite if not the usual one.
    """
    found, about, wrong, refused = {}, {}, {}, {}
    track, _, suite = name.partition("-")
    entries = json.loads((published / "records/report.json").read_text())["runs"]
    for key in next(e["records"] for e in entries if (e["track"], e["suite"]) == (track, suite or "table1")):
        meta = json.loads((published / "records/score" / key / "manifest.json").read_text())["meta"]
        image = images(published / "records/score" / key)
        about[meta["defense"], meta["attack"]] = meta
        shown = ["acc", "rej", "err"] + (["source_err", "median_l2", "median_linf"] if meta["kind"] == "attack" else [])
        shown += ["hit_target"] if "targets" in meta["parameters"] else []
        asked = "confidence" in meta["parameters"] and "control" not in meta["parameters"]
        shown += ["reached_kappa"] if asked else []
        right, rejected = image["label"] == image["prediction"], image["prediction"] == -1
        if meta["attack"] == "clean":
            clean = right  # the first of a defense's records of a seed
        of = {"acc": right, "rej": rejected, "err": ~right & ~rejected, "source_err": image["fooled"]}
        of |= {figure: image[figure] for figure in ("hit_target", "reached_kappa")}
        of |= {f"median_{norm}": image[norm].astype(float) for norm in ("l2", "linf")}
        if meta["in_average"]:
            wrong[meta["defense"], meta["attack"], meta["seed"]] = (image["index"], of["err"])
        if meta["parameters"].get("targets") == ["rejection"]:
            refused[meta["defense"], meta["attack"], meta["seed"]] = (image["index"], ~right)
        for kind in ("all", "fooled", "victim_correct") if meta["kind"] == "attack" else ("all",):
            kept = np.ones(len(right), bool)
            if kind != "all":
                kept = image["fooled"].astype(bool) if kind == "fooled" else clean[image["index"]]
            figures = dict.fromkeys(of, np.nan) | {"n": float(kept.sum())}
            for figure in shown if kept.any() else []:
                figures[figure] = float((np.median if "median" in figure else np.mean)(of[figure][kept]))
            found[meta["defense"], meta["attack"], kind, meta["seed"]] = figures
    return found, about, wrong, refused


def images(record: Path) -> dict[str, Any]:
    """Return what a record, packed or not, has of each image."""
    packed = record / "tensors.safetensors.xz"
    return load(lzma.decompress(packed.read_bytes()) if packed.exists() else packed.with_suffix("").read_bytes())


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return the ends of Wilson's 95% interval: the roots of (share - p)² = z² p (1 - p) / n."""
    z2 = NormalDist().inv_cdf(0.975) ** 2
    low, high = sorted(np.roots([1 + z2 / n, -(2 * share + z2 / n), share**2]).real)
    return float(low), float(high)


def over_seeds(values: list[float]) -> tuple[float, float]:
    """Return the ends of the seeds' mean's 95% interval by Student's t, within 0 .. 1; of two values, their range."""
    if len(values) == 2:
        return min(values), max(values)
    low, high = t.interval(0.95, len(values) - 1, np.mean(values), np.std(values, ddof=1) / len(values) ** 0.5)
    return max(0.0, low), min(1.0, high)


def over_images(outcomes: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]) -> tuple[float, float]:
    """Return the ends of the 95% interval of the mean over attacks of the share gone wrong, source images drawn anew.

    By the spread of what each source image adds to the mean; of one attack with one image each the binomial's, which is
    skewed near all or nothing. Attacks under which all or nothing went wrong add what Wilson's leaves open of each.
    """
    share = float(np.mean([wrong.mean() for _, wrong in outcomes]))
    flat = [(float(wrong[0]), len(set(index))) for index, wrong in outcomes if len(set(wrong.tolist())) == 1]
    below = sum(of_one - wilson(of_one, n)[0] for of_one, n in flat) / len(outcomes)
    above = sum(wilson(of_one, n)[1] - of_one for of_one, n in flat) / len(outcomes)
    if len(outcomes) == 1 and flat:
        return share - below, share + above
    if len(outcomes) == 1 and len(set(outcomes[0][0])) == len(outcomes[0][0]):
        n = len(outcomes[0][0])
        low, high = binom.ppf([0.025, 0.975], n, share) / n
        return float(low), float(high)
    added = np.zeros(max(index.max() for index, _ in outcomes) + 1)
    for index, wrong in outcomes:
        np.add.at(added, index, (wrong - wrong.mean()) / len(wrong) / len(outcomes))
    half = NormalDist().inv_cdf(0.975) * float(np.sqrt((added**2).sum()))
    return max(share - float(np.hypot(half, below)), 0.0), min(share + float(np.hypot(half, above)), 1.0)
