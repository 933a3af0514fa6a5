"""Robustness with rejection: an error is also that an image is rejected which an attacker has hardly changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from bench import metrics
from bench.records import Header, Record
from leaderboard.aims import aims_at_rejection
from leaderboard.arranging import titles
from leaderboard.attack_sections import attack_headers
from leaderboard.averages import Estimate
from leaderboard.figures import Cell, Cells, by_defense, over_images
from leaderboard.rows import WEAKLY
from leaderboard.text import NONE, inline, table, with_interval

MEANT = (
    "The share, in per cent, of the images that a defense gets right and accepts, and that all of these attacks were "
    "handed, of which no attack of the average ({outer}) makes an error, within ε {epsilon:g}, and no attack towards "
    "the rejection a rejection or an error, within α times that ε. To reject what an attacker has turned into "
    "something else is right, to reject what is hardly changed is not: α says how much change is hardly any (after J. "
    "Chen et al., “Stratified Adversarial Robustness with Rejection”, ICML 2023, where clean images that are "
    "misclassified or rejected count as lost; here they are left out, and stand in the leaderboard). A better search "
    "makes a share smaller, never larger. Images are counted once for every seed. From the largest share at the "
    "smallest α above 0."
)
MARKED = "{mark} An attack of the average is weak against it, as a caution above says: its shares may be too large."


@dataclass(frozen=True)
class Asked:
    """What a suite asks: the attacks that are to make errors within ``epsilon``, and the others by α, least first."""

    epsilon: float
    outer: tuple[str, ...]
    inner: Mapping[float, tuple[str, ...]]


def robustness(records: Sequence[Record], weakly: Collection[str]) -> str:
    """Return the table of arranged records, a column for each α; ``""`` of a suite that does not ask.

    ``weakly`` are the defenses that an attack of the average is weak against, ``weakly_attacked``'s.
    """
    headers = attack_headers(records)
    asked = asked_by(headers)
    if asked is None:
        return ""
    names, rows = titles(records), []
    for defense, cells in by_defense(records).items():
        images, found = withstood(cells, asked)
        mark = f" {WEAKLY}" if defense in weakly else ""
        shown = {f"α {alpha:g}": with_interval(found.get(alpha)) for alpha in (0.0, *asked.inner)}
        first = found.get(next(iter(asked.inner)))
        row = {"defense": f"{inline(names[defense])}{mark}", "images": str(images) if found else NONE} | shown
        rows.append((-1.0 if first is None else first.value, row))
    rows.sort(key=lambda pair: (-pair[0], pair[1]["defense"]))
    outer = "; ".join(inline(headers[name].attack_title) for name in asked.outer)
    said = MEANT.format(outer=outer, epsilon=asked.epsilon)
    shown_rows = table(pd.DataFrame([row for _, row in rows]), ("defense",))
    return "\n\n".join([said, shown_rows, *([MARKED.format(mark=WEAKLY)] if weakly else [])])


def asked_by(headers: Mapping[str, Header]) -> Asked | None:
    """Return what a suite asks by its attacks: ``None`` where it does not.

    It asks where all attacks that count in the average are on the defenses themselves and have one budget ε, and others
    aim at the rejection within at most that.
    """
    budgets = {name: float(str(header.parameters.get("epsilon", "nan"))) for name, header in headers.items()}
    outer = tuple(name for name, header in headers.items() if header.in_average)
    epsilons = {budgets[name] for name in outer if headers[name].source == "victim"}
    if len(epsilons) != 1 or any(headers[name].source != "victim" for name in outer):
        return None
    (epsilon,) = epsilons
    alphas = {
        name: budgets[name] / epsilon
        for name, header in headers.items()
        if aims_at_rejection(header.parameters) and "control" not in header.parameters and budgets[name] <= epsilon
    }
    inner: dict[float, tuple[str, ...]] = {}
    for name in sorted(alphas, key=alphas.__getitem__):
        inner[alphas[name]] = (*inner.get(alphas[name], ()), name)
    return Asked(epsilon, outer, inner) if inner else None


def withstood(cells: Cells, asked: Asked) -> tuple[int, dict[float, Estimate]]:
    """Return of how many source images, over the seeds, which share is withstood at each α, 0 among them.

    There is no share where a cell or an image for it is missing. An error that an attack towards the rejection happens
    to make counts with its rejections. Over several seeds, shares are means of the seeds'; with one, the interval is
    Wilson's over the images.
    """
    towards = [name for names in asked.inner.values() for name in names]
    seeds = sorted({cell.seed for cell in cells})
    wanted = [[Cell(name, seed) for name in (*asked.outer, *towards)] for seed in seeds]
    if any(cell not in cells for of_seed in wanted for cell in of_seed):
        return 0, {}
    lost = [metrics.met_by_source([_lost(cells[cell], towards) for cell in of_seed]) for of_seed in wanted]
    if not all(len(of_seed) for of_seed in lost):
        return 0, {}
    found, reach = {}, len(asked.outer)
    for alpha, names in {0.0: (), **asked.inner}.items():
        reach += len(names)
        found[alpha] = over_images([~of_seed[:, :reach].any(dim=1) for of_seed in lost])
    return sum(map(len, lost)), found


def _lost(record: Record, towards: Sequence[str]) -> tuple[Tensor, Tensor]:
    label, prediction = record.tensors["label"], record.tensors["prediction"]
    errors = metrics.wrong(label, prediction)
    aims = record.header.attack in towards
    return record.tensors["index"], torch.logical_or(errors, metrics.rejected(prediction)) if aims else errors
