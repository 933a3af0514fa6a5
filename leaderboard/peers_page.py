"""Makes the page on our speed beside other libraries' from the figures that were measured: Markdown and CSV."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from leaderboard.machine import told
from leaderboard.output import read, write
from leaderboard.text import NONE, inline, table

FIGURES = "peers.json"
TRAINING = "training.json"
OURS = "rejectbench"
STOCK = "Foolbox"

TITLES = {"fgs": "FGS", "ifgs": "I-FGS", "tfgs": "T-FGS", "deepfool": "DeepFool", "cw": "C&W (L2)"}
BY_DISTANCE = ("deepfool", "cw")
"""The attacks that look for the least distance: of others, the distance is the budget."""

SUCCESS = 0.005
"""The share of images by which a library may succeed less often than we do and still count as equal."""

DISTANCE = 1.01
"""The factor by which its median L2 may be larger."""

COLUMNS = (
    "Times are medians with their least and largest. **× Foolbox** is how many times as fast as stock Foolbox, the "
    "median over timings of the same round. **Success** is the share of images that end as the attack wants them; "
    "black images count as failures. **L2** and **L∞** are medians over the successes. **Forwards** are images through "
    "the network for each image attacked, backward passes not counted: Foolbox's calls also ask the network whether "
    "they have succeeded; ours as the harness makes them, torchattacks', adv-lib's and ART's do not. **Memory** is the "
    "peak above what was in use before the call."
)

Row = dict[str, Any]


def write_page(folder: Path) -> None:
    """Write ``README.md`` and ``peers.csv`` into a folder that has the figures; raise ``BenchError`` where not.

    Those of the training may be missing, and its section is then.
    """
    figures = json.loads(read(folder / FIGURES))
    parts = [page(figures)]
    if (folder / TRAINING).exists():
        parts.append(training(json.loads(read(folder / TRAINING))))
    write(folder / "README.md", "\n".join(parts).encode())
    write(folder / "peers.csv", rates(figures["rows"]).to_csv(index=False, lineterminator="\n").encode())


def page(figures: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    rows = figures["rows"]
    attacks = list(dict.fromkeys(row["attack"] for row in rows))
    by_attack = {attack: [row for row in rows if row["attack"] == attack] for attack in attacks}
    rounds = max(len(row["seconds"]) for row in rows)
    lines = [*(verdict(attack, by_attack[attack]) for attack in attacks), whole(by_attack)]
    machine = told(figures["machine"], ("python", "torch", "eagerpy"))
    measured = (
        f"The same network (naive, track `{figures['track']}`), the same images, the same budgets; every library in "
        f"turn, {rounds} timings each, 2 of the slow, in one process. {machine}. Measured on {figures['created'][:10]}."
    )
    parts = ["# Speed beside other libraries", measured, COLUMNS, "## In short", "\n".join(f"- {x}" for x in lines)]
    for attack in attacks:
        first = by_attack[attack][0]
        given = ", ".join(f"{inline(name)} {value}" for name, value in first["parameters"].items())
        parts += [
            f"## {TITLES[attack]}",
            f"{first['images']} images; {given}.",
            table(shown(by_attack[attack]), ("library", "note")),
        ]
    return "\n\n".join(parts) + "\n"


def training(figures: dict[str, Any]) -> str:
    """Return the section on training as Markdown: ours and others' loops, by turns, seed by seed."""
    rows = figures["rows"]
    own = rows[0]["images_per_s"]
    lines, said = [], []
    for row in rows:
        rates = row["images_per_s"]
        lines.append(
            {
                "loop": inline(row["loop"]),
                "images/s": f"{median(rates):.0f}",
                "test accuracy, %": ", ".join(f"{100 * accuracy:.2f}" for accuracy in row["accuracy"]),
            }
        )
        ratios = [ours / other for ours, other in zip(own, rates, strict=True)]
        said.append(f"**{median(ratios):.2f} times** ({min(ratios):.2f} to {max(ratios):.2f}) as fast as {row['loop']}")
    measured = (
        f"The network of track `{figures['track']}` with its recipe, ours in {figures['precision']}, "
        f"{figures['epochs']} epochs, {len(own)} seeds, "
        f"by turns, each loop in a process of its own. {told(figures['machine'])}. Measured on "
        f"{figures['created'][:10]}. Ours takes the images {'; '.join(said[1:])}."
    )
    return "\n\n".join(["## Training", measured, table(pd.DataFrame(lines), ("loop",))]) + "\n"


def verdict(attack: str, rows: Sequence[Row]) -> str:
    """Return in words how our time compares with that of the fastest library that does as well."""
    own = row_of(rows, OURS)
    peers = equals(attack, rows)
    if not peers:
        return f"**{TITLES[attack]}**: no other library does as well."
    fastest = min(peers, key=lambda row: median(row["seconds"]))
    ratio, ratios = paired(fastest, own), by_round(fastest, own)
    words = f"{ratio:.2f} times as fast as" if ratio >= 1 else f"**behind**, {ratio:.2f} times as fast as"
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} by round"
    spread += ": no difference told" if min(ratios) < 1 < max(ratios) else ""
    return (
        f"**{TITLES[attack]}**: {words} {fastest['library']} ({spread}), the fastest of those that do as well; "
        f"{paired(row_of(rows, STOCK), own):.2f} times as fast as stock Foolbox."
    )


def whole(by_attack: dict[str, list[Row]]) -> str:
    """Return in words how our time for all attacks compares with that of the fastest mix of the others."""
    own = sum(median(row_of(rows, OURS)["seconds"]) for rows in by_attack.values())
    stock = sum(median(row_of(rows, STOCK)["seconds"]) for rows in by_attack.values())
    mixed = [[median(row["seconds"]) for row in equals(attack, rows)] for attack, rows in by_attack.items()]
    if not all(mixed):
        return f"**All attacks**: {own:.1f} s, {stock / own:.2f} times as fast as stock Foolbox."
    mix = sum(min(seconds) for seconds in mixed)
    return (
        f"**All attacks**: {own:.1f} s; stock Foolbox {stock:.1f} s, {stock / own:.2f} times as long; the fastest mix "
        f"of libraries that do as well {mix:.1f} s, {mix / own:.2f} times as long."
    )


def equals(attack: str, rows: Sequence[Row]) -> list[Row]:
    """Return the other libraries' rows whose images are as good as ours."""
    own = row_of(rows, OURS)
    found = []
    for row in rows:
        if row["library"] == OURS or not row["seconds"] or row["success"] < own["success"] - SUCCESS:
            continue
        if attack not in BY_DISTANCE or row["l2"] <= DISTANCE * own["l2"]:
            found.append(row)
    return found


def by_round(row: Row, own: Row) -> list[float]:
    """Return how many times as long a library takes as we do, in each round that both were timed in."""
    # Who is slow was timed in the first rounds alone.
    return [theirs / ours for theirs, ours in zip(row["seconds"], own["seconds"], strict=False)]


def paired(row: Row, own: Row) -> float:
    """Return how many times as long a library takes as we do: the median over timings of the same round."""
    return median(by_round(row, own))


def row_of(rows: Sequence[Row], library: str) -> Row:
    """Return a library's row of one attack."""
    return next(row for row in rows if row["library"] == library)


def shown(rows: Sequence[Row]) -> pd.DataFrame:
    """Return one attack's table for people."""
    stock = row_of(rows, STOCK)
    lines = []
    for row in rows:
        seconds = row["seconds"]
        time = f"{median(seconds):.3f} [{min(seconds):.3f}, {max(seconds):.3f}]" if seconds else NONE
        lines.append(
            {
                "library": inline(f"{row['library']} {row['version'] or ''}"),
                "time, s": time,
                "× Foolbox": f"{paired(stock, row):.2f}" if seconds else NONE,
                "success, %": figure(row["success"], 100, 1),
                "L2": figure(row["l2"], 1, 3),
                "L∞": figure(row["linf"], 1, 3),
                "forwards": figure(row["forwards"], 1, 1),
                "memory, MiB": figure(row["memory"], 1, 0),
                "note": inline(row["note"]),
            }
        )
    return pd.DataFrame(lines)


def rates(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the figures of every attack and library, unrounded."""
    flat = []
    for row in rows:
        seconds = row["seconds"]
        summary = {"median_s": median(seconds), "min_s": min(seconds), "max_s": max(seconds)} if seconds else {}
        names = ("attack", "library", "version", "images")
        figures = ("success", "l2", "linf", "forwards", "memory", "note")
        times = {name: summary.get(name) for name in ("median_s", "min_s", "max_s")}
        flat.append({n: row[n] for n in names} | times | {n: row[n] for n in figures})
    return pd.DataFrame(flat)


def figure(value: float | None, factor: float, digits: int) -> str:
    """Return a figure that may be missing."""
    return NONE if value is None else f"{factor * value:.{digits}f}"
