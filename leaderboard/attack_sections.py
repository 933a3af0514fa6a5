"""The sections of a table that go attack by attack."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import pandas as pd

from bench.metrics import DENOMINATORS
from bench.records import Header, Record
from leaderboard.arranging import parameters_text, titles
from leaderboard.averages import Estimate, estimate
from leaderboard.paper import PaperCell
from leaderboard.text import NONE, distance, inline, percent, table, with_interval

OWN_IMAGES = "Images made on the defense itself are others for each: their L2 stands behind its Rej."


def attack_headers(records: Sequence[Record]) -> dict[str, Header]:
    """Return a header of every attack by its name, in record order, ``clean`` and ``out:<set>`` included."""
    found: dict[str, Header] = {}
    for record in records:
        found.setdefault(record.header.attack, record.header)
    return found


def by_attack(records: Sequence[Record], across: pd.DataFrame, paper: Mapping[tuple[str, str], PaperCell]) -> str:
    """Return a subsection for every attack: what each defense does on all its images, the paper's figures beside."""
    names = titles(records)
    parts = []
    for attack, header in attack_headers(records).items():
        rows = []
        chosen = across[(across["attack"] == attack) & (across["denominator"] == "all")]
        # The paper's attacks are made on other networks than those that defend.
        beside = header.source != "victim" and any((defense, attack) in paper for defense in chosen["defense"])
        for cell in chosen.to_dict("records"):
            row = {
                "defense": inline(names[cell["defense"]]),
                "images": str(cell["n"]),
                "Acc": NONE if header.kind == "out" else percent(cell["acc"]),
                "Rej": percent(cell["rej"]),
                "Err": with_interval(_err(cell)),
            }
            if beside:
                printed = paper.get((cell["defense"], attack), PaperCell("", "", ""))
                row |= {f"paper {rate.title()}": getattr(printed, rate) or NONE for rate in ("acc", "rej", "err")}
            rows.append(row)
        parts.append(f"### {inline(header.attack_title)} (`{attack}`)\n\n{table(pd.DataFrame(rows), ('defense',))}")
    return "\n\n".join(parts)


def attack_table(records: Sequence[Record], across: pd.DataFrame) -> str:
    """Return what each attack does to the network it was made on; a row a defense where each is attacked by itself."""
    names = titles(records)
    rows = []
    for attack, header in attack_headers(records).items():
        if header.kind != "attack":
            continue
        chosen = across[(across["attack"] == attack) & (across["denominator"] == "all")]
        if header.source != "victim":
            chosen = _of_shared_images(chosen)
        for cell in chosen.to_dict("records"):
            whose = f" {inline(names[cell['defense']])}" if header.source == "victim" else ""
            rows.append(
                {
                    "attack": inline(header.attack_title),
                    "made on": f"{header.source}{whose}",
                    "images": str(cell["n"]),
                    "source Err": percent(cell["source_err"]),
                    "hit target": percent(cell["hit_target"]),
                    "reached κ": percent(cell["reached_kappa"]),
                    "L2": distance(cell["median_l2"]),
                    "L∞": distance(cell["median_linf"]),
                    "in average": "yes" if header.in_average else "no",
                    "parameters": inline(parameters_text(header.parameters)),
                }
            )
    return (
        table(pd.DataFrame(rows), ("attack", "made on", "in average", "parameters")) if rows else "No attack was run."
    )


def controls(records: Sequence[Record], across: pd.DataFrame) -> str:
    """Return what each defense rejects of the attacks and of their controls as a table; empty without controls."""
    names, headers = titles(records), attack_headers(records)
    disturbed = {
        name: name.removesuffix(f"_{header.parameters['control']}")
        for name, header in headers.items()
        if "control" in header.parameters
    }
    attacked = {*disturbed.values()}
    shown = {name: header for name, header in headers.items() if name in disturbed or name in attacked}
    rows = []
    for attack, header in shown.items():
        cells = across[(across["attack"] == attack) & (across["denominator"] == "all")]
        rejected = {name: with_interval(estimate(cells, name, attack, "rej")) for name in names}
        l2 = NONE
        if header.source == "victim":
            own = cells.set_index("defense")["median_l2"]
            rejected |= {name: f"{rejected[name]}, L2 {distance(own[name])}" for name in names if name in own}
        else:
            l2 = distance(_of_shared_images(cells)["median_l2"].iloc[0])
        row = {"images": inline(header.attack_title), "L2": l2}
        rows.append(row | {inline(title): rejected[name] for name, title in names.items()})
    if not rows:
        return ""
    own_images = any(header.source == "victim" for header in shown.values())
    return "\n\n".join([*([OWN_IMAGES] if own_images else []), table(pd.DataFrame(rows), ("images",))])


def by_denominator(records: Sequence[Record], across: pd.DataFrame) -> str:
    """Return each attack's Err on each denominator, with the number of images it is a share of; ``""`` without any.

    Attacks on the defenses themselves are left out: a defense gets all of those images right, and errs on the fooled.
    """
    names = titles(records)
    rows = []
    for attack, header in attack_headers(records).items():
        if header.kind != "attack" or header.source == "victim":
            continue
        for defense, title in names.items():
            chosen = across[(across["attack"] == attack) & (across["defense"] == defense)]
            if chosen.empty:
                continue
            cells = chosen.set_index("denominator").to_dict("index")
            shown = {
                name.replace("_", " "): f"{with_interval(_err(cells[name]))} of {cells[name]['n']}"
                for name in DENOMINATORS
            }
            rows.append({"attack": inline(header.attack_title), "defense": inline(title), **shown})
    return table(pd.DataFrame(rows), ("attack", "defense")) if rows else ""


def _of_shared_images(cells: pd.DataFrame) -> pd.DataFrame:
    """Return, of an attack's cells whose images all defenses share, one that has them of the most seeds."""
    return cells.sort_values("seeds", ascending=False, kind="stable").head(1)


def _err(cell: Mapping[Hashable, float]) -> Estimate | None:
    return Estimate(cell["err"], cell["err_low"], cell["err_high"]) if cell["n"] else None
