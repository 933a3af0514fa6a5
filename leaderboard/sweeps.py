"""Err, or Rej, by the value of a parameter that a suite gives an attack several of: ε, steps, overshoot or κ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bench.records import Header, Record
from leaderboard.aims import aims_at_rejection
from leaderboard.arranging import titles
from leaderboard.attack_sections import attack_headers
from leaderboard.averages import estimate
from leaderboard.text import inline, table, with_interval

SWEPT = {"epsilon": "ε", "overshoot": "overshoot", "confidence": "κ", "steps": "steps"}
"""The parameters that may be swept, and what people call them; of several that vary, the first."""

FEWEST = 3
"""Values that make a sweep."""

MADE_ON = {
    "surrogate": "made on the surrogate",
    "twin": "made on the naive network of the defense's seed",
    "victim": "made on the defense itself",
}
FIGURE = ".sweep.png"
"""How the name of the figure ends that ``leaderboard.sweep_figure`` draws."""

MEANT = (
    "{rates}, in per cent of all images handed to the attack, by the value of one of its parameters, which the table "
    "of the attacks has with all others."
)


@dataclass(frozen=True)
class Sweep:
    """One attack at several values of a parameter: ``attacks`` and ``values``, side by side, from the least."""

    title: str
    """What people call the attack, whatever the value."""
    source: str
    rate: str
    """``err``, or ``rej`` where the attack is to have images rejected."""
    parameter: str
    attacks: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def symbol(self) -> str:
        """What people call the parameter."""
        return SWEPT[self.parameter]

    @property
    def made_on(self) -> str:
        """Whose network is attacked, in words."""
        return MADE_ON[self.source]


def sweeps(records: Sequence[Record]) -> list[Sweep]:
    """Return the sweeps of a suite, in record order.

    Of one sweep are attacks whose names are alike up to the last ``_`` and whose titles are up to the first comma, made
    on the same network, one of whose parameters has another value in each; all others, save the step, are the same.
    """
    groups: dict[tuple[str | None, ...], dict[str, Header]] = {}
    for attack, header in attack_headers(records).items():
        stem, _, value = attack.rpartition("_")
        if stem and value and header.kind == "attack" and "control" not in header.parameters:
            groups.setdefault((stem, _stem_of_title(header), header.source), {})[attack] = header
    return [sweep for group in groups.values() if (sweep := _sweep(group)) is not None]


def sweep_section(records: Sequence[Record], across: pd.DataFrame, name: str) -> str:
    """Return the section of arranged records, with a table for every sweep; ``""`` where the suite has none.

    ``across`` is ``across_seeds``'s table, ``name`` that of the files beside it.
    """
    found = sweeps(records)
    if not found:
        return ""
    rates = " and ".join(dict.fromkeys(sweep.rate.title() for sweep in found))
    heading = f"{rates} by {' and '.join(dict.fromkeys(sweep.symbol for sweep in found))}"
    tables = [_table(records, across, sweep) for sweep in found]
    return "\n\n".join([f"## {heading}", MEANT.format(rates=rates), *tables, f"![{heading}]({name}{FIGURE})"])


def _table(records: Sequence[Record], across: pd.DataFrame, sweep: Sweep) -> str:
    rows = [
        {"defense": inline(title)}
        | {
            f"{sweep.symbol} {value:g}": with_interval(estimate(across, defense, attack, sweep.rate))
            for attack, value in zip(sweep.attacks, sweep.values, strict=True)
        }
        for defense, title in titles(records).items()
    ]
    return f"### {inline(sweep.title)}, {sweep.made_on}\n\n{table(pd.DataFrame(rows), ('defense',))}"


def _sweep(group: dict[str, Header]) -> Sweep | None:
    if len(group) < FEWEST:
        return None
    first = next(iter(group.values()))
    for parameter in SWEPT:
        values = {attack: header.parameters.get(parameter) for attack, header in group.items()}
        numbers = {attack: float(value) for attack, value in values.items() if isinstance(value, int | float)}
        alike = all(_rest(header, parameter) == _rest(first, parameter) for header in group.values())
        if alike and len({*numbers.values()}) == len(group):
            attacks = sorted(numbers, key=lambda attack: numbers[attack])
            return Sweep(
                title=_stem_of_title(first),
                source=str(first.source),
                rate="rej" if aims_at_rejection(first.parameters) else "err",
                parameter=parameter,
                attacks=tuple(attacks),
                values=tuple(numbers[attack] for attack in attacks),
            )
    return None


def _stem_of_title(header: Header) -> str:
    return header.attack_title.partition(",")[0]


def _rest(header: Header, parameter: str) -> dict[str, object]:
    return {name: value for name, value in header.parameters.items() if name not in {parameter, "stepsize"}}
