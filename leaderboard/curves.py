"""Draws what a track's reject scores are worth: Err against clean rejection, and risk against coverage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from bench import detection, metrics
from bench.records import Record
from leaderboard import drawing
from leaderboard.arranging import titles
from leaderboard.averages import attacks_in_average
from leaderboard.equal_rejection import Cell, Cells, by_defense
from leaderboard.parts import Part
from leaderboard.ranking import NAIVE

SHOWN = 8  # the most defenses, naive beside them: more lines than that nobody can tell apart
SHARES = tuple(number / 200 for number in range(41))  # of clean images rejected
COVERAGES = tuple(number / 50 for number in range(1, 51))
WIDTH, HEIGHT = 11.0, 4.4  # inches


def curves(part: Part) -> bytes:
    """Return a PNG of a part of a track: the first rows of its leaderboard, and naive; means over the seeds."""
    drawn = drawing.empty(WIDTH, HEIGHT)
    left, right = drawn.subplots(1, 2)
    names, attacks, cells = titles(part.records), attacks_in_average(part.records), by_defense(part.records)
    ranked = [row.defense for row in part.rows if row.complete and not row.control]
    for defense in [*ranked[:SHOWN], *(name for name in ranked[SHOWN:] if name == NAIVE)]:
        own, seeds = cells[defense], sorted(cell.seed for cell in cells[defense] if cell.attack == "clean")
        errors = np.mean([err_by_rejection(own, attacks, seed) for seed in seeds], axis=0)
        risks = np.mean([risk_by_coverage(own[Cell("clean", seed)]) for seed in seeds], axis=0)
        left.plot(100 * np.array(SHARES), 100 * errors, label=names[defense])
        right.plot(100 * np.array(COVERAGES), 100 * risks, label=names[defense])
    left.set(xlabel="clean images rejected, %", ylabel="average Err, %", ylim=(-3, 103))
    right.set(xlabel="clean images accepted, %", ylabel="wrong among them, %")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    if ranked:
        drawn.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return drawing.png(drawn)


def err_by_rejection(cells: Cells, attacks: Sequence[str], seed: int) -> NDArray[np.float64]:
    """Return the average Err where a share of the clean test images is rejected, for each of ``SHARES``."""
    clean = cells[Cell("clean", seed)].tensors["reject_score"]
    found = []
    for share in SHARES:
        decided = [
            metrics.rates(
                tensors["label"],
                detection.decided_at_share(share, clean, tensors["class_prediction"], tensors["reject_score"]),
            )
            for tensors in (cells[Cell(attack, seed)].tensors for attack in attacks)
        ]
        found.append(np.mean([rates.err for rates in decided]))
    return np.array(found)


def risk_by_coverage(record: Record) -> NDArray[np.float64]:
    """Return the share of wrong classes among the clean images accepted, for each of ``COVERAGES``."""
    tensors = record.tensors
    risk = detection.risk_coverage(tensors["class_prediction"] != tensors["label"], tensors["reject_score"])
    places = torch.tensor([max(round(share * len(risk)), 1) - 1 for share in COVERAGES])
    return np.asarray(risk[places], dtype=np.float64)
