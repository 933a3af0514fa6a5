"""Writes what each defense takes: networks, images of other kinds, and time, as measured in the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import pandas as pd

from bench.records import Record
from leaderboard.arranging import titles
from leaderboard.environment import environments
from leaderboard.ranking import NAIVE
from leaderboard.text import NONE, inline, table

READING = (
    "Networks: how many of the track's architecture are trained for the defense, those of the defenses that it stands "
    "on included; smaller ones beside them, MagNet's autoencoder or a detector's, count in the time alone. "
    "Out-distribution and adversarial images: whether any of these trainings takes them. Training and inference: "
    "seconds, measured in this run (of a training the median of its seeds), as a multiple of the naive network's; they "
    "drift with whatever else the machine does. A dash: not measured, or not known to be measured on the same kind of "
    "machine as the naive network."
)
MEASURED_ON = ("device", "processor", "instructions", "threads")
"""What of an environment decides how long something takes."""


def costs(records: Sequence[Record]) -> str:
    """Return the page of arranged records."""
    header, names = records[0].header, titles(records)
    fits, scored = fit_seconds(records), scoring_seconds(records)
    rows = []
    for defense, title in names.items():
        taken = next(record.header.taken for record in records if record.header.defense == defense)
        alike = measured_on(records, defense) == measured_on(records, NAIVE)
        rows.append(
            {
                "defense": inline(title),
                "networks": str(sum(one["networks"] for one in taken.values())),
                "out-distribution images": yes(taken, "out"),
                "adversarial images": yes(taken, "attacks"),
                "training, × naive": times(total(fits, taken), total(fits, [NAIVE])) if alike else NONE,
                "inference, × naive": times(scored.get(defense), scored.get(NAIVE)) if alike else NONE,
            }
        )
    parts = [
        f"# What the defenses take: {inline(header.track_title)} (`{header.track}`)",
        READING,
        table(pd.DataFrame(rows), ("defense",)),
    ]
    if NAIVE in fits and NAIVE in scored:
        parts.append(
            f"1.0 is {fits[NAIVE]:.0f} s of training a seed and {1000 * scored[NAIVE]:.2f} ms of inference an image, "
            f"in each of the run's processes: {measured_on(records, NAIVE)}."
        )
    return "\n\n".join(parts) + "\n"


def fit_seconds(records: Sequence[Record]) -> dict[str, float]:
    """Return the seconds of each defense's own fit, the median of its seeds: during one the machine may be busy."""
    by_fit: dict[tuple[str, int], float] = {}
    for record in records:
        fits = record.provenance.get("fits", {})
        if isinstance(fits, Mapping) and record.header.defense in fits:
            by_fit[record.header.defense, record.header.seed] = float(fits[record.header.defense])
    of_seeds: dict[str, list[float]] = {}
    for (defense, _), seconds in by_fit.items():
        of_seeds.setdefault(defense, []).append(seconds)
    return {defense: median(seconds) for defense, seconds in of_seeds.items()}


def scoring_seconds(records: Sequence[Record]) -> dict[str, float]:
    """Return the seconds that scoring an image took, by defense, over all that it was scored on."""
    seconds: dict[str, float] = {}
    images: dict[str, int] = {}
    for record in records:
        spent = record.provenance.get("seconds", 0.0)
        defense = record.header.defense
        seconds[defense] = seconds.get(defense, 0.0) + (float(spent) if isinstance(spent, int | float) else 0.0)
        images[defense] = images.get(defense, 0) + len(record.tensors["label"])
    return {defense: seconds[defense] / images[defense] for defense in seconds if images[defense]}


def measured_on(records: Sequence[Record], defense: str) -> str:
    """Return what decides how long a defense's fits and scores took, in words, with every value of its records."""
    found = environments([record for record in records if record.header.defense == defense])
    return ", ".join(f"{name} {inline(' or '.join(sorted(found[name])))}" for name in MEASURED_ON)


def total(seconds: Mapping[str, float], names: Sequence[str] | Mapping[str, object]) -> float | None:
    """Return the seconds of several fits together; ``None`` where one of them is not known."""
    return sum(seconds[name] for name in names) if all(name in seconds for name in names) else None


def yes(taken: Mapping[str, Mapping[str, int]], what: str) -> str:
    """Return whether any of the fits took something."""
    return "yes" if any(one[what] for one in taken.values()) else "no"


def times(seconds: float | None, of_naive: float | None) -> str:
    """Return seconds as a multiple of the naive network's."""
    return f"{seconds / of_naive:.1f}" if seconds is not None and of_naive else NONE
