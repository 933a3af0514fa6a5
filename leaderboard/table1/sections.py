"""The tables of Table I's page as Markdown: its cells, what they tell apart, what is far, verdicts, orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from bench.intervals import FEWEST_SEEDS
from bench.records import OUT_SET, Record
from leaderboard import paper
from leaderboard.averages import attacks_in_average
from leaderboard.by_seed import difference
from leaderboard.cells import across_seeds, per_seed
from leaderboard.paper import AVERAGE
from leaderboard.ranking import NAIVE, below_floor
from leaderboard.rows import BELOW
from leaderboard.table1.beside import FAR, Beside
from leaderboard.table1.deciding import Claim
from leaderboard.table1.fewer import alone, lacking, of_paper, with_fewer
from leaderboard.table1.settings import WIDE, cause
from leaderboard.table1.stability import Choice
from leaderboard.text import NONE, inline, percent, signed, table, with_interval

FAR_CELLS = (
    f"Figures of a defended network that lie more than {100 * FAR:.0f} points from the paper's. Where the paper's lies "
    "within what one more run of ours may give, what differs from training to training can explain it; where that "
    f"spans more than {100 * WIDE:.0f} points, this says little. Where it lies between ours under this setting of the "
    "attack and under another, that can, if the naive network errs as in the paper under the other, within "
    f"{100 * FAR:.0f} points."
)
ON_FEWER = (
    "Whoever names seeds was run with {lacking} than the paper's rows: the differences are over these alone, and fewer "
    "than three have no interval and tell nothing apart. Such a row is not to be compared with those above it."
)
IN_NO_ORDER = (
    "In no order, for they were run with {lacking} seeds than the paper's rows: {named}. [{track}.md]({track}.md) "
    "compares all on the seeds that they share."
)
LESS = "ours − paper"
"""How the column of differences is called."""

OF_FEW = "With fewer than three seeds the differences have no interval, and tell nothing apart."

FEW = {1: ": one seed decides nothing", 2: ": two seeds decide nothing"}
"""What a verdict adds, by the number of seeds."""


def cells(rows: Sequence[Beside], names: Mapping[str, str]) -> str:
    """Return the table: a row an attack and rate, and for every defense the paper's figure, ours, the difference."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    defenses = list(dict.fromkeys(row.defense for row in rows))
    for row in rows:
        line = found.setdefault((row.attack, row.rate), {})
        line |= {
            f"{names[row.defense]}: paper": row.printed,
            f"{names[row.defense]}: ours": with_interval(row.ours),
            f"{names[row.defense]}: {LESS}": f"**{signed(row.difference)}**" if row.apart else signed(row.difference),
        }
    attacks = list(dict.fromkeys(row.attack for row in rows if row.attack != AVERAGE))
    ordered = sorted(found, key=lambda key: [*sorted(attacks, key=is_attack), AVERAGE].index(key[0]))
    columns = [f"{names[defense]}: {what}" for defense in defenses for what in ("paper", "ours", LESS)]
    lines = [
        {
            "images": inline(names[attack]),
            "rate": rate.title(),
            **{c: found[attack, rate].get(c, NONE) for c in columns},
        }
        for attack, rate in ordered
    ]
    return table(pd.DataFrame(lines), ("images", "rate"))


def is_attack(name: str) -> bool:
    """Whether a name is an attack's, not that of clean or out-distribution images."""
    return name != "clean" and not name.startswith(OUT_SET)


def resolution(records: Sequence[Record], names: Mapping[str, str]) -> str:
    """Return by how much the average Err of every ranked defense differs from that of each of the paper's.

    Those that lack some of the paper's rows' seeds stand last, with the seeds that they are compared on.
    """
    of_seeds, attacks, fewer = per_seed(records), attacks_in_average(records), with_fewer(records)
    ranked = dict.fromkeys(record.header.defense for record in records if not record.header.control)
    lines = [
        {"defense": inline(names[one]) + (f" ({alone(fewer[one])})" if one in fewer else "")}
        | {
            f"minus {inline(names[other])}": with_interval(
                difference(of_seeds, one, other, attacks, "err") if one != other else None
            )
            for other in paper.ran(records)
        }
        for one in sorted(ranked, key=lambda name: name in fewer)
    ]
    few = len(of_paper(records)) < FEWEST_SEEDS
    notes = [*([OF_FEW] if few else []), *([ON_FEWER.format(lacking=lacking(records))] if fewer else [])]
    return "\n\n".join([table(pd.DataFrame(lines), ("defense",)), *notes])


def far(rows: Sequence[Beside], others: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Return the figures of defended networks that are far from the paper's, and what is known of the cause."""
    lines = [
        {
            "figure": f"{row.rate.title()} of {inline(names[row.defense])}, {inline(names[row.attack])}",
            "paper": row.printed,
            "ours": with_interval(row.ours),
            "cause": cause(row, others, names),
        }
        for row in rows
        if row.far
    ]
    if all(row.defense == NAIVE for row in rows):
        return "No defended network was measured."
    if not lines:
        return f"No figure of a defended network lies more than {100 * FAR:.0f} points from the paper's."
    return f"{FAR_CELLS}\n\n{table(pd.DataFrame(lines), ('figure', 'cause'))}"


def verdicts(found: Sequence[Claim]) -> str:
    """Return the claims as a table."""
    lines = [
        {
            "claim": inline(claim.said),
            "measured": inline(claim.measured) or NONE,
            "ours": with_interval(claim.estimate),
            "seeds": str(claim.seeds or NONE),
            "verdict": f"**{claim.verdict}**{FEW.get(claim.seeds, '')}",
        }
        for claim in found
    ]
    return table(pd.DataFrame(lines), ("claim", "measured", "verdict"))


def stability(found: Sequence[Choice], records: Sequence[Record], names: Mapping[str, str]) -> str:
    """Return the order under each choice, with the averages, and who is in none for a lack of seeds."""
    called = called_in_orders(records, names)
    lines = [
        {
            "choice": inline(choice.title),
            "seeds": str(len(choice.seeds)),
            "order": ", ".join(f"{inline(called[name])} {percent(choice.averages[name])}" for name in choice.order),
        }
        for choice in found
    ]
    shown = table(pd.DataFrame(lines), ("choice", "order")) if lines else "Not measured."
    named = ", ".join(f"{inline(names[name])} ({alone(seeds)})" for name, seeds in with_fewer(records).items())
    left_out = IN_NO_ORDER.format(lacking=lacking(records), named=named, track=records[0].header.track)
    return f"{shown}\n\n{left_out}" if named else shown


def called_in_orders(records: Sequence[Record], names: Mapping[str, str]) -> dict[str, str]:
    """Return what each defense is called in an order, with a mark if its clean Acc is too far below naive's."""
    across = across_seeds(per_seed(records))
    ran = dict.fromkeys(record.header.defense for record in records)
    return {name: names[name] + (f" {BELOW}" if below_floor(across, name) else "") for name in ran}
