"""Recomputes a published track's numbers from its records' images; shares no code with the project."""

import json
from pathlib import Path
from statistics import NormalDist

import numpy as np
from safetensors.numpy import load_file
from scipy.stats import t  # type: ignore[import-untyped]

Figures = dict[str, float]


def cells(published: Path, track: str) -> tuple[dict[tuple[str, str, str, int], Figures], set[str]]:
    """Return the figures by defense, attack, denominator and seed; and the attacks that count in the average Err."""
    found, averaged = {}, set()
    entries = json.loads((published / "records/report.json").read_text())["tracks"]
    for key in next(entry["records"] for entry in entries if entry["track"] == track):
        meta = json.loads((published / "records/score" / key / "manifest.json").read_text())["meta"]
        image = load_file(published / "records/score" / key / "tensors.safetensors")
        averaged |= {meta["attack"]} if meta["in_average"] else set()
        for name in ("all", "fooled", "victim_correct") if meta["kind"] == "attack" else ("all",):
            kept = np.ones(len(image["label"]), bool) if name == "all" else image[name].astype(bool)
            right, rejected = (image["label"] == image["prediction"])[kept], (image["prediction"] == -1)[kept]
            of = {"acc": right, "rej": rejected, "err": ~right & ~rejected, "source_err": image["fooled"][kept]}
            of |= {flag: image[flag][kept] for flag in ("hit_target", "reached_kappa")}
            figures = {"n": float(kept.sum())} | {rate: flags.mean() for rate, flags in of.items()}
            figures |= {f"median_{norm}": float(np.median(image[norm][kept].astype(float))) for norm in ("l2", "linf")}
            found[meta["defense"], meta["attack"], name, meta["seed"]] = figures
    return found, averaged


def wilson(share: float, n: float) -> tuple[float, float]:
    """Return the ends of Wilson's 95% interval: the roots of (share - p)² = z² p (1 - p) / n."""
    z2 = NormalDist().inv_cdf(0.975) ** 2
    low, high = sorted(np.roots([1 + z2 / n, -(2 * share + z2 / n), share**2]).real)
    return float(low), float(high)


def over_seeds(values: list[float]) -> tuple[float, float]:
    """Return the ends of the 95% interval of the seeds' mean by Student's t, within 0 .. 1."""
    low, high = t.interval(0.95, len(values) - 1, np.mean(values), np.std(values, ddof=1) / len(values) ** 0.5)
    return max(0.0, low), min(1.0, high)
