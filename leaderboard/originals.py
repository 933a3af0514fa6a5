"""What others published of a defense, beside what it does here: AUROC, and images detected."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from functools import partial
from importlib import resources

import numpy as np
import pandas as pd

from bench import detection, metrics
from bench.records import Record
from leaderboard.arranging import titles
from leaderboard.averages import attacks_in_average
from leaderboard.equal_rejection import against_clean
from leaderboard.figures import Cell, Cells, Figure, by_defense, over
from leaderboard.text import NONE, inline, table, with_interval

BESIDE = (
    "In per cent. *AUROC* of an out-distribution set against the clean images. *Detected*: of an attack's images that "
    "the network gets wrong, the share that is rejected. Theirs is a dash where the source has no such figure for "
    "these data or could not be read; ours where an attack left no such image."
)
AVERAGE = "average"
"""What stands for an attack where the mean over those of the average Err is meant."""

TITLES = {"auroc": "AUROC", "detected": "detected,"}


def originals(records: Sequence[Record]) -> str:
    """Return the table of published figures of a run's defenses, of arranged records; ``""`` where there are none."""
    names, attacks, cells = titles(records), attacks_in_average(records), by_defense(records)
    called = {record.header.attack.removeprefix("out:"): record.header.attack_title for record in records}
    rows = []
    for known in published(records[0].header.track):
        kind, _, of = known["figure"].partition(":")
        if known["defense"] in cells and (of == AVERAGE or of in called):
            ours = over(cells[known["defense"]], figure(kind, of, attacks))
            theirs = f"{known['theirs']} ({known['setting']})" if known["theirs"] else NONE
            row = [names[known["defense"]], f"{TITLES[kind]} {called.get(of, of)}", theirs]
            rows.append([*map(inline, row), with_interval(ours), inline(known["source"]), inline(known["why"])])
    if not rows:
        return ""
    frame = pd.DataFrame(rows, columns=["defense", "figure", "theirs", "ours", "source", "why they differ"])
    return f"{BESIDE}\n\n{table(frame, [name for name in frame.columns if name != 'ours'])}"


def published(track: str) -> list[dict[str, str]]:
    """Return the published figures for a track, a row of ``originals.csv`` each."""
    text = resources.files("leaderboard").joinpath("originals.csv").read_text(encoding="utf-8")
    return [row for row in csv.DictReader(text.splitlines()) if row["track"] == track]


def figure(kind: str, of: str, attacks: Sequence[str]) -> Figure:
    """Return what takes a figure from a defense's records of one seed.

    ``kind`` is ``auroc``, where ``of`` is an out-distribution set, or ``detected``, where it is an attack, or
    ``AVERAGE`` for all of ``attacks``.
    """
    if kind == "auroc":
        return partial(against_clean, out=f"out:{of}", figure=detection.auroc)
    return partial(detected, attacks=attacks if of == AVERAGE else [of])


def detected(cells: Cells, seed: int, attacks: Sequence[str]) -> float:
    """Return the share, 0 .. 1, of the images with a wrong class that are rejected, the mean over attacks.

    NaN where there is no attack, or one left no such image.
    """
    shares = []
    for attack in attacks:
        tensors = cells[Cell(attack, seed)].tensors
        wrong = tensors["class_prediction"] != tensors["label"]
        shares.append(metrics.rates(tensors["label"][wrong], tensors["prediction"][wrong]).rej)
    return float(np.mean(shares)) if shares else math.nan
