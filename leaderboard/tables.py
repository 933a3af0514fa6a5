"""Writes a track's files from its records, and hands on the rows for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from bench.records import Record
from leaderboard import exhibits
from leaderboard.arranging import arranged, titles
from leaderboard.board_csv import board_csv
from leaderboard.cells import across_seeds, per_seed, to_csv
from leaderboard.costs import costs
from leaderboard.curves import curves
from leaderboard.equal_csv import equal_csv
from leaderboard.markdown import markdown
from leaderboard.output import write
from leaderboard.parts import every_row, parts
from leaderboard.provenance import provenance_json
from leaderboard.ranking import Standing
from leaderboard.rows import leaderboard_rows
from leaderboard.sweep_figure import sweep_png
from leaderboard.sweeps import FIGURE, sweeps


def write_track(records: Sequence[Record], out: Path, name: str) -> pd.DataFrame:
    """Write a track's files into ``out``, making the folder; return the leaderboard as a terminal shows it.

    They are ``<name>.md`` and ``.png``, ``.leaderboard.csv``, ``.equal.csv``, ``.csv``, ``.cells.csv``, ``.costs.md``
    and ``.provenance.json``, ``.images.png`` where one of the paper's defenses was run, and ``.sweep.png`` where the
    suite sets an attack up at several values. Equal records give equal bytes, save in ``.costs.md`` and
    ``.provenance.json``, which alone tell of dates and durations. Raises ``BenchError`` where the records do not make
    one table, or a file cannot be written.
    """
    records = arranged(records)
    cells = per_seed(records)
    across = across_seeds(cells)
    split = parts(records, cells)
    rows = every_row(split)
    files = {
        f"{name}.leaderboard.csv": board_csv(rows, split[0].seeds),
        f"{name}.equal.csv": equal_csv(records),
        f"{name}.cells.csv": to_csv(cells),
        f"{name}.csv": to_csv(across),
        f"{name}.md": markdown(records, cells, across, split, name).encode(),
        f"{name}.png": curves(split[0]),
        f"{name}.costs.md": costs(records).encode(),
        f"{name}.provenance.json": provenance_json(records),
    }
    if shown := exhibits.rows(records):
        files[f"{name}{exhibits.FIGURE}"] = exhibits.images_png(shown)
    if found := sweeps(records):
        files[f"{name}{FIGURE}"] = sweep_png(split[0], found)
    for file, data in files.items():
        write(out / file, data)
    return for_terminals(rows, titles(records))


def for_terminals(rows: Sequence[Standing], names: Mapping[str, str]) -> pd.DataFrame:
    """Return ``every_row``'s rows as text, rates in per cent; ``names`` are what tables call the defenses.

    Of the averages it has Err alone: a terminal has no room for more. A defense with other or fewer seeds than those
    that rank has no rank, and its seeds behind its name.
    """
    shown = leaderboard_rows([replace(row, title=names[row.defense]) for row in rows])
    return shown.drop(columns=["average Rej", "average Acc"])
