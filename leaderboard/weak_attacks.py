"""What shows that an attack is weak, so that a low Err on it says little of a defense."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from bench.records import Header, Record
from leaderboard.aims import aims_at_rejection
from leaderboard.arranging import titles
from leaderboard.attack_sections import attack_headers
from leaderboard.sweeps import Sweep, sweeps
from leaderboard.text import inline, percent

WEAK = 0.5
"""The share of images under which an attack that fools its own source is called weak."""

ALIKE = 0.02
"""By how much, as a share, the Err of attacks that should err alike may differ unsaid: four images in two hundred."""

BEHIND = 0.1
"""The same of attacks on different images, a thousand and two hundred, as a share."""

ROUNDING = 1e-9
"""What differences of shares may be off by in the last digits of their floats."""

DOES = {"err": "errs", "rej": "is rejected"}

ANYWHERE = 1.0
"""The ε in L∞ within which every image lies."""

NO_IMAGE = "was handed no image"
UNMOVED = "leaves half of its images or more as they were"


@dataclass(frozen=True)
class Weakness:
    """What shows some attacks weak: the caution, a line of Markdown, and against which defenses alone.

    Of images that all defenses share there are no such ``defenses``: they are weak against all.
    """

    caution: str
    attacks: Sequence[str]
    defenses: frozenset[str] = frozenset()


def weakly_attacked(records: Sequence[Record], cells: pd.DataFrame) -> set[str]:
    """Return the defenses that an attack on them is weak against, of those attacks that count in the average."""
    counted = {record.header.attack for record in records if record.header.in_average}
    found = [*weak_attacks(records, cells), *weak_sweeps(records, cells)]
    return {name for weak in found if counted & {*weak.attacks} for name in weak.defenses}


def weak_attacks(records: Sequence[Record], cells: pd.DataFrame) -> list[Weakness]:
    """Return what shows an attack weak that does little to a network that it was made on, in some seed.

    Of several budgets the lesser ones are there to do less.
    """
    found = []
    lesser = {attack for sweep in sweeps(records) if sweep.parameter == "epsilon" for attack in sweep.attacks[:-1]}
    for attack, header in attack_headers(records).items():
        if header.kind != "attack" or attack in lesser or not _aims_at_errors(header):
            continue
        rows = cells[(cells["attack"] == attack) & (cells["denominator"] == "all")]
        name = inline(header.attack_title)
        if header.source == "victim":
            if signs := _shown(_on_victims(rows)):
                said = f"in some seed it {'; it '.join(_of_whom(signs, titles(records)))}"
                caution = f"**Weak attack {name}, or strong defenses**: {said}; a low Err there may mean either."
                found.append(Weakness(caution, (attack,), frozenset().union(*signs.values())))
        elif reasons := _on_surrogates(rows):
            caution = f"**Weak attack {name}**: it {' and '.join(reasons)}; a low Err on it says little."
            found.append(Weakness(caution, (attack,)))
    return found


def weak_sweeps(records: Sequence[Record], cells: pd.DataFrame) -> list[Weakness]:
    """Return what shows attacks on the defenses themselves weak, of every sweep of ε over them that does.

    Within a larger ε lies all that lies within a smaller one, and, of an image that the defense gets right, what is
    found on another network lies there as well: where less comes of it, it was not looked for well.
    """
    found = []
    names = titles(records)
    budgets = [sweep for sweep in sweeps(records) if sweep.parameter == "epsilon"]
    for sweep in (budget for budget in budgets if budget.source == "victim"):
        shares = _shares(sweep, cells)
        of = shares.index.get_level_values("defense")
        falls = (shares.cummax(axis=1) - shares).max(axis=1) > ALIKE + ROUNDING
        signs = {f"{DOES[sweep.rate]} less within a larger ε": of[falls]}
        if sweep.rate == "err":
            loses = (shares[sweep.attacks[-1]] < 1 - ALIKE - ROUNDING) & (sweep.values[-1] >= ANYWHERE)
            never = f"errs for less than {100 * (1 - ALIKE):.0f}% of its images within ε {sweep.values[-1]:g}"
            signs[never] = of[loses]
            for other in (budget for budget in budgets if budget.source != "victim" and budget.values == sweep.values):
                transferred = _shares(other, cells, "victim_correct").reindex(shares.index)
                behind = (transferred.to_numpy() - shares.to_numpy() > BEHIND).any(axis=1)
                signs[f"errs less within some ε than {inline(other.title)} {other.made_on}"] = of[behind]
        if shown := _shown(signs):
            larger = f"with a better search, {sweep.rate.title()} there is larger"
            said = f"in some seed it {'; it '.join(_of_whom(shown, names))}; {larger}"
            caution = f"**Weak attack {inline(sweep.title)}, {sweep.made_on}**: {said}."
            found.append(Weakness(caution, sweep.attacks, frozenset().union(*shown.values())))
    return found


def _aims_at_errors(header: Header) -> bool:
    """Return whether an attack is to fool the network it is made on, as a control need not and a rejection does not."""
    return "control" not in header.parameters and not aims_at_rejection(header.parameters)


def _shares(sweep: Sweep, cells: pd.DataFrame, denominator: str = "all") -> pd.DataFrame:
    """Return the rate that a sweep is after, a column for each attack from the least value, by defense and seed."""
    rows = cells[cells["attack"].isin(sweep.attacks) & (cells["denominator"] == denominator) & (cells["n"] > 0)]
    return rows.pivot(index=["defense", "seed"], columns="attack", values=sweep.rate).reindex(columns=[*sweep.attacks])


def _on_surrogates(rows: pd.DataFrame) -> list[str]:
    """Return what shows an attack weak in its cells: all defenses were handed its images, made on another network."""
    reasons = []
    if (rows["n"] == 0).any():
        reasons.append(NO_IMAGE)
    if (rows["source_err"] < WEAK).any():
        least = f"fools its own source for {percent(rows['source_err'].min())}% of its images only"
        reasons.append(f"{least}, in one seed" if rows["seed"].nunique() > 1 else least)
    if _unmoved(rows).any():
        reasons.append(f"{UNMOVED} (median distance 0)")
    return reasons


def _on_victims(rows: pd.DataFrame) -> dict[str, pd.Series[str]]:
    """Return the same of an attack on the defenses themselves: by the sign, who shows it."""
    signs = {
        NO_IMAGE: rows["n"] == 0,
        f"fools its victim for less than {100 * WEAK:.0f}% of its images": rows["source_err"] < WEAK,
        f"{UNMOVED}, at a median distance of 0": _unmoved(rows),
    }
    return {sign: rows.loc[has, "defense"] for sign, has in signs.items()}


def _shown(signs: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return the signs that some defense shows, each with those that do, once, in their order."""
    return {sign: names for sign, of in signs.items() if (names := list(dict.fromkeys(of)))}


def _of_whom(signs: Mapping[str, Iterable[str]], names: Mapping[str, str]) -> list[str]:
    """Return the signs in words, each with the titles of the defenses that show it."""
    return [f"{sign} ({'; '.join(inline(names[name]) for name in of)})" for sign, of in signs.items()]


def _unmoved(rows: pd.DataFrame) -> pd.Series[bool]:
    return (rows["median_l2"] == 0) | (rows["median_linf"] == 0)
