"""What others published of a defense, beside what it does here: AUROC, images detected, clean accuracy."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import partial
from importlib import resources

import pandas as pd

from bench import detection, metrics
from bench.records import OUT_SET, Record
from leaderboard.arranging import titles
from leaderboard.equal_rejection import against_clean
from leaderboard.figures import Cell, Cells, Figure, by_defense, over
from leaderboard.text import NONE, inline, table, with_interval

BESIDE = (
    "In per cent. *AUROC* of an out-distribution set against the clean images. *Detected*: of an attack's images that "
    "the network gets wrong, the share that is rejected. *Acc*: of clean images. Theirs is a dash where the source has "
    "no such figure for these data or could not be read; ours where an attack left no such image."
)
TITLES = {"auroc": "AUROC", "detected": "detected,", "acc": "Acc,"}


def originals(records: Sequence[Record]) -> str:
    """Return the table of published figures of a run's defenses, of arranged records; ``""`` where there are none."""
    names, cells = titles(records), by_defense(records)
    called = {record.header.attack.removeprefix(OUT_SET): record.header.attack_title for record in records}
    rows = []
    for known in published(records[0].header.track):
        kind, _, of = known["figure"].partition(":")
        if known["defense"] in cells and of in called:
            ours = over(cells[known["defense"]], figure(kind, of))
            theirs = f"{known['theirs']} ({known['setting']})" if known["theirs"] else NONE
            row = [names[known["defense"]], f"{TITLES[kind]} {called[of]}", theirs]
            rows.append([*map(inline, row), with_interval(ours), inline(known["source"]), inline(known["why"])])
    if not rows:
        return ""
    frame = pd.DataFrame(rows, columns=["defense", "figure", "theirs", "ours", "source", "why they differ"])
    return f"{BESIDE}\n\n{table(frame, [name for name in frame.columns if name != 'ours'])}"


def published(track: str) -> list[dict[str, str]]:
    """Return the published figures for a track, a row of ``originals.csv`` each."""
    text = resources.files("leaderboard").joinpath("originals.csv").read_text(encoding="utf-8")
    return [row for row in csv.DictReader(text.splitlines()) if row["track"] == track]


def figure(kind: str, of: str) -> Figure:
    """Return what takes a figure from a defense's records of one seed.

    ``kind`` is ``auroc``, where ``of`` is an out-distribution set, ``detected``, where it is an attack, or ``acc``,
    where it is ``clean``.
    """
    if kind == "auroc":
        return partial(against_clean, out=OUT_SET + of, figure=detection.auroc)
    return partial(detected if kind == "detected" else right, of=of)


def detected(cells: Cells, seed: int, of: str) -> float:
    """Return the share, 0 .. 1, of an attack's images with a wrong class that are rejected; NaN where it has none."""
    tensors = cells[Cell(of, seed)].tensors
    wrong = tensors["class_prediction"] != tensors["label"]
    return metrics.rates(tensors["label"][wrong], tensors["prediction"][wrong]).rej


def right(cells: Cells, seed: int, of: str) -> float:
    """Return the share, 0 .. 1, of the images that are accepted and classified correctly."""
    tensors = cells[Cell(of, seed)].tensors
    return metrics.rates(tensors["label"], tensors["prediction"]).acc
