"""Makes the page and the chart of how speed has gone, from a folder with one small JSON file a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from leaderboard import drawing
from leaderboard.machine import told
from leaderboard.output import read, write
from leaderboard.text import NONE, inline, table

CHART = "chart.png"
LAST = 10
"""Runs that the table shows; the chart has all of them."""

FIGURES = (
    "Each figure is the time that a piece of work takes, as a share of the time of a reference in the same run: stock "
    "Foolbox's attack of the same kind on as many images, which our crafting also classifies before and after, or an "
    "epoch of a plain torch loop in float32. Times themselves differ from machine to machine and from hour to hour; "
    "these shares do so less. Lower is faster. `nox -s speed` measures them, beside those of an earlier commit, and "
    "fails where something has become slower."
)

Run = dict[str, Any]


def runs(folder: Path) -> list[Run]:
    """Return the runs of a history, the oldest first."""
    found: list[Run] = [json.loads(read(path)) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda run: str(run["created"]))


def write_page(folder: Path) -> None:
    """Write ``README.md`` and the chart of a history into its folder; raise ``BenchError`` where that fails."""
    found = runs(folder)
    write(folder / "README.md", page(found).encode())
    write(folder / CHART, chart(found))


def page(found: Sequence[Run]) -> str:
    """Return the page as Markdown: the last runs, one a column, and the machines they ran on."""
    last = found[-LAST:]
    names = list(dict.fromkeys(name for run in last for name in run["ratios"]))
    rows = []
    for name in names:
        reference = next(run["references"][name] for run in reversed(last) if name in run["references"])
        row = {"work": inline(name), "reference": inline(reference)}
        row |= {heading(run): figure(run["ratios"].get(name)) for run in last}
        rows.append(row)
    machines = [f"- {heading(run)}: {told(run['machine'])}" for run in last]
    parts = [
        "# How speed has gone",
        FIGURES,
        table(pd.DataFrame(rows), ("work", "reference")),
        f"![The shares over the runs]({CHART})",
        "## Machines",
        "\n".join(machines),
    ]
    return "\n\n".join(parts) + "\n"


def heading(run: Run) -> str:
    """Return what a run is called: its day and commit."""
    return f"{run['created'][:10]} `{run['commit'][:7]}`"


def figure(ratio: float | None) -> str:
    """Return a share that may be missing, to three digits."""
    return NONE if ratio is None else f"{ratio:.3g}"


def chart(found: Sequence[Run]) -> bytes:
    """Return a PNG with a line for each piece of work over the runs."""
    drawn = drawing.empty(9, 5)
    axes = drawn.add_subplot(yscale="log", ylabel="time, as a share of the reference's")
    places = range(len(found))
    for name in dict.fromkeys(name for run in found for name in run["ratios"]):
        axes.plot(places, [run["ratios"].get(name, float("nan")) for run in found], marker="o", label=name)
    axes.set_xticks(places, [f"{run['created'][:10]}\n{run['commit'][:7]}" for run in found])
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return drawing.png(drawn)
