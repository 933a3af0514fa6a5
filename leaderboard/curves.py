"""Draws what a track's reject scores are worth: Err against clean rejection, and risk against coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from bench import detection, metrics
from bench.records import Record
from leaderboard import drawing
from leaderboard.arranging import titles
from leaderboard.averages import attacks_in_average
from leaderboard.equal_rejection import movable
from leaderboard.figures import Cell, Cells, by_defense
from leaderboard.looks import GREY, in_colour
from leaderboard.parts import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOT = {"marker": "o", "markersize": 5}  # of what is a single point, not a line
SHARES = tuple(number / 200 for number in range(41))  # of clean images that a threshold may reject at most
COVERAGES = tuple(number / 50 for number in range(1, 51))
WIDTH, HEIGHT = 11.0, 5.2  # inches
COLUMNS = 4  # of the legend, so that the longest titles stand side by side
MARKED = 8  # points from one mark on a line to the next


def curves(part: Part) -> bytes:
    """Return a PNG of a part of a track: the paper's defenses, the best of the others, the rest in grey.

    Means over the seeds. The best are the first of the leaderboard; rows that lack a cell are not drawn.
    """
    return drawing.png(figure(part))


def figure(part: Part) -> Figure:
    """Return the figure that ``curves`` is a PNG of."""
    drawn = drawing.empty(WIDTH, HEIGHT)
    left, right = drawn.subplots(1, 2)
    names, attacks, cells = titles(part.records), attacks_in_average(part.records), by_defense(part.records)
    moved = movable(part.records)
    chosen, rest = in_colour([row.defense for row in part.rows if row.complete and not row.control])
    for defense in [*chosen, *rest]:
        own, seeds = cells[defense], sorted(cell.seed for cell in cells[defense] if cell.attack == "clean")
        take = err_by_rejection if moved else at_own_threshold
        shares, errors = np.mean([take(own, attacks, seed) for seed in seeds], axis=0)
        risks = np.mean([risk_by_coverage(own[Cell("clean", seed)]) for seed in seeds], axis=0)
        label = f"{len(rest)} others" if rest and defense == rest[0] else names[defense]
        for axes, along, values in ((left, shares, errors), (right, np.array(COVERAGES), risks)):
            (line,) = axes.plot(100 * along, 100 * values, label=label)
            is_point = np.ptp(along) == 0
            if defense in rest:
                line.set(**GREY, **(DOT if is_point else {}))
                continue
            look, start = chosen[defense], len(axes.lines) % MARKED  # marks of lines that meet stand apart
            line.set(color=look.colour, linewidth=look.width, marker=look.mark, markersize=5, markevery=(start, MARKED))
            if is_point:
                line.set(**DOT | ({"marker": look.mark} if look.mark else {}), markevery=None)
    left.set(xlabel="clean images rejected, %", ylabel="average Err, %", ylim=(-3, 103))
    most = max((np.max(line.get_ydata()) for line in right.lines[: len(chosen)]), default=0.0)
    room = max(1.05 * most, 0.1)  # what is grey may leave the panel
    right.set(xlabel="clean images accepted, %", ylabel="wrong among them, %", ylim=(-0.05 * room, room))
    for axes in (left, right):
        axes.grid(alpha=0.3)
    if chosen:
        lines = left.lines[: len(chosen) + bool(rest)]
        drawn.legend(handles=lines, loc="outside lower center", ncols=COLUMNS, frameon=False, fontsize="small")
    return drawn


def err_by_rejection(cells: Cells, attacks: Sequence[str], seed: int) -> NDArray[np.float64]:
    """Return the share of clean test images rejected, and the average Err, at thresholds: ``(2, len(SHARES))``.

    Each threshold rejects at most one of ``SHARES``. Where scores are equal, fewer are rejected; the share of a defense
    that never rejects stays 0.
    """
    clean = cells[Cell("clean", seed)].tensors["reject_score"]
    attacked = [cells[Cell(attack, seed)].tensors for attack in attacks]
    label, predicted, score = (
        torch.cat([tensors[name] for tensors in attacked]) for name in ("label", "class_prediction", "reject_score")
    )
    found = []
    for share in SHARES:
        rejected = metrics.rejected(detection.decided_at_share(share, clean, torch.zeros_like(clean).long(), clean))
        wrong = metrics.wrong(label, detection.decided_at_share(share, clean, predicted, score))
        of_attacks = wrong.double().split([len(tensors["label"]) for tensors in attacked])
        found.append((float(rejected.double().mean()), np.mean([float(errors.mean()) for errors in of_attacks])))
    return np.array(found).T


def at_own_threshold(cells: Cells, attacks: Sequence[str], seed: int) -> NDArray[np.float64]:
    """Return the share of clean test images that a defense rejects by itself, and its average Err: ``(2, 1)``."""
    clean, *attacked = (
        metrics.rates(tensors["label"], tensors["prediction"])
        for tensors in (cells[Cell(name, seed)].tensors for name in ("clean", *attacks))
    )
    return np.array([[clean.rej], [np.mean([rates.err for rates in attacked])]])


def risk_by_coverage(record: Record) -> NDArray[np.float64]:
    """Return the share of wrong classes among the clean images accepted, for each of ``COVERAGES``."""
    tensors = record.tensors
    risk = detection.risk_coverage(tensors["class_prediction"] != tensors["label"], tensors["reject_score"])
    places = torch.tensor([max(round(share * len(risk)), 1) - 1 for share in COVERAGES])
    return np.asarray(risk[places], dtype=np.float64)
