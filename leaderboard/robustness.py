"""Robustness with rejection: an error is also that an image is rejected which an attacker has hardly changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
from torch import Tensor

from bench import metrics
from bench.records import Record
from leaderboard.arranging import titles
from leaderboard.attack_sections import attack_headers
from leaderboard.cells import aims_at_rejection
from leaderboard.figures import Cell, Cells, by_defense, over
from leaderboard.text import inline, table, with_interval

MEANT = (
    "The share, in per cent, of the images that a defense gets right and accepts, and that all of these attacks were "
    "handed, of which no attack of the average ({outer}) makes an error, within ε {epsilon:g}, and no attack towards "
    "the rejection has it rejected, within α times that ε. To reject what an attacker has turned into something else "
    "is right, to reject what is hardly changed is not: α says how much change is hardly any (J. Chen et al., "
    "“Stratified Adversarial Robustness with Rejection”, ICML 2023). From the largest share at the smallest α above 0."
)


def robustness(records: Sequence[Record]) -> str:
    """Return the table of arranged records, a column for each α; ``""`` of a suite that does not ask.

    It asks where attacks on the defenses themselves that count in the average have one budget ε, and others aim at
    the rejection within at most that.
    """
    headers = {name: header for name, header in attack_headers(records).items() if header.source == "victim"}
    budgets = {name: float(str(header.parameters.get("epsilon", "nan"))) for name, header in headers.items()}
    outer = [name for name, header in headers.items() if header.in_average]
    epsilons = {budgets[name] for name in outer}
    if len(epsilons) != 1:
        return ""
    (epsilon,) = epsilons
    inner = [name for name, header in headers.items() if aims_at_rejection(header.parameters)]
    inner = sorted((name for name in inner if budgets[name] <= epsilon), key=lambda name: budgets[name])
    if not inner:
        return ""
    alphas = [0.0, *(budgets[name] / epsilon for name in inner)]
    names, rows = titles(records), []
    for defense, cells in by_defense(records).items():
        found = [over(cells, partial(withstood, outer, inner[:count])) for count in range(len(alphas))]
        shown = {f"α {alpha:g}": with_interval(share) for alpha, share in zip(alphas, found, strict=True)}
        first = found[1]
        rows.append((-1.0 if first is None else first.value, {"defense": inline(names[defense])} | shown))
    rows.sort(key=lambda pair: (-pair[0], pair[1]["defense"]))
    said = MEANT.format(outer="; ".join(inline(headers[name].attack_title) for name in outer), epsilon=epsilon)
    return f"{said}\n\n{table(pd.DataFrame([row for _, row in rows]), ('defense',))}"


def withstood(outer: Sequence[str], inner: Sequence[str], cells: Cells, seed: int) -> float:
    """Return of what share of the source images no attack of ``outer`` makes an error, none of ``inner`` a rejection.

    Raises ``KeyError`` where a defense's record is missing.
    """
    errors = [_of(cells[Cell(name, seed)], rejected=False) for name in outer]
    rejections = [_of(cells[Cell(name, seed)], rejected=True) for name in inner]
    return metrics.share(~metrics.met_by_source([*errors, *rejections]).any(dim=1))


def _of(record: Record, *, rejected: bool) -> tuple[Tensor, Tensor]:
    tensors = record.tensors
    label, prediction = tensors["label"], tensors["prediction"]
    return tensors["index"], metrics.rejected(prediction) if rejected else metrics.wrong(label, prediction)
