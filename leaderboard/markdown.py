"""Writes a track's table as Markdown, for people: what was run, cautions, leaderboard, attacks, words, environment."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.records import Record, seeds_by_defense
from leaderboard import attack_sections, paper
from leaderboard.arranging import data_origins, titles
from leaderboard.averages import attacks_in_average, estimate
from leaderboard.by_seed import difference
from leaderboard.cautions import cautions
from leaderboard.cells import across_seeds, per_seed
from leaderboard.environment import environment_table
from leaderboard.equal_rejection import apart, equal_rejection
from leaderboard.glossary import WORDS
from leaderboard.originals import originals
from leaderboard.ranking import FLOOR, NAIVE, Standing, standings
from leaderboard.rows import ATTACKED, BELOW, leaderboard_rows, paper_averages
from leaderboard.text import NONE, inline, table

LEADERBOARD = "Leaderboard"
"""The heading of the section that other documents quote."""

OVER = "Average Err over "
"""How the line of that section begins that names the attacks."""

CAUTION = "> **"
"""How a caution begins."""

ON_ALL = "Rates in per cent of all images handed to the attack, over the seeds; Err with its interval."

NOISE = (
    "Rej, in per cent, of an attack's images and of controls of the same images: its perturbation's values at random "
    "pixels with random signs (noise), with its sign turned (flipped), another image's in its place (shuffled). A "
    "defense that rejects these as readily tells unusual images, not attacks. L2 is the median distance to the clean "
    "image: what goes beyond black or white is cut off."
)
DRAWN = (
    "Drawn are the first rows and naive, means over the seeds; here the share is one of the clean test images that are "
    "scored, by their own scores, and no threshold that could have been chosen before."
)
ON_SHARED_SEEDS = (
    "Some defenses were run with fewer seeds than others. Networks, and the images made on them, differ from seed to "
    "seed: here all that have these seeds are compared on them, and on no others."
)
DIGITS = 12
"""How many hexadecimal digits of a digest people are shown."""


def markdown(records: Sequence[Record], cells: pd.DataFrame, across: pd.DataFrame, name: str) -> str:
    """Return the table of arranged records; ``cells`` and ``across`` are ``per_seed``'s and ``across_seeds``'s.

    ``name`` is that of the files beside it.
    """
    header = records[0].header
    printed = paper.of_run(header)
    comparable = bool(printed) and paper.attacks(printed) == set(attacks_in_average(records))
    seeds = seeds_by_defense(records)
    most = max(seeds.values(), key=len)
    whole = [record for record in records if seeds[record.header.defense] == most]
    rows = standings(whole, across)
    sections = [
        f"# {inline(header.track_title)} (`{name}`)\n\n{_what_was_run(records)}",
        *(f"> {caution}" for caution in cautions(records, cells)),
        f"## {LEADERBOARD}\n\n{_leaderboard(whole, rows, cells, across, comparable=comparable)}",
    ]
    if any(row.control for row in rows):
        sections.append(f"## Controls\n\n{_controls(rows)}")
    for fewer in sorted({*seeds.values()} - {most}):
        part = [r for r in records if r.header.seed in fewer and set(fewer) <= set(seeds[r.header.defense])]
        told = _of_fewer_seeds(part, comparable=comparable)
        sections.append(f"## {LEADERBOARD} of {_seeds(fewer)} alone\n\n{told}")
    sections += [
        (
            f"## At equal clean rejection\n\n{equal_rejection(records)}\n\n![Err against clean rejection, and risk "
            f"against coverage]({name}.png)\n\n{DRAWN}"
        ),
        f"## How well the scores tell images apart\n\n{apart(records)}",
    ]
    disturbed = attack_sections.controls(records, across)
    if disturbed:
        sections.append(f"## Attacks or noise\n\n{NOISE}\n\n{disturbed}")
    compared = originals(records) if comparable else ""
    if compared:
        sections.append(f"## Beside what others published\n\n{compared}")
    beside = f"\n\nBeside ours, the paper's figures as printed, without intervals: {paper.SOURCE}." if printed else ""
    sections += [
        f"## Attack by attack\n\n{ON_ALL}{beside}\n\n{attack_sections.by_attack(records, across, printed)}",
        f"## The attacks\n\n{attack_sections.attack_table(records, across)}",
        f"## Err by denominator\n\n{attack_sections.by_denominator(records, across)}",
        f"## What the words mean\n\n{WORDS.strip()}",
        (
            f"## The defenses\n\n{_defenses(records)}\n\nWhat each takes, in networks and time: "
            f"[{name}.costs.md]({name}.costs.md)."
        ),
        f"## Environment\n\n{environment_table(records)}\n\n{_data(records)}",
    ]
    return "\n\n".join(sections) + "\n"


def _what_was_run(records: Sequence[Record]) -> str:
    header = records[0].header
    kinds = {record.header.attack: record.header.kind for record in records}
    attacks = list(kinds.values()).count("attack")
    images = sorted({len(record.tensors["label"]) for record in records if record.header.kind == "clean"})
    clean = f" {' or '.join(map(str, images))} clean test images a seed." if images else ""
    return (
        f"Track `{header.track}`, architecture `{inline(header.architecture)}`, {_run(records)}, "
        f"{len(titles(records))} defenses, {attacks} attacks.{clean} All rates are in per cent."
    )


def _run(records: Sequence[Record]) -> str:
    header = records[0].header
    seeds = _seeds(sorted({record.header.seed for record in records}))
    return f"suite `{header.suite}` (`{header.suite_digest[:DIGITS]}`), {seeds}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"


def _of_fewer_seeds(records: Sequence[Record], *, comparable: bool) -> str:
    """Return the leaderboard of the defenses that share some seeds, on these alone, and their controls."""
    cells = per_seed(records)
    across = across_seeds(cells)
    rows = standings(records, across)
    parts = [ON_SHARED_SEEDS, _leaderboard(records, rows, cells, across, comparable=comparable)]
    if any(row.control for row in rows):
        parts.append(_controls(rows))
    return "\n\n".join(parts)


def _leaderboard(
    records: Sequence[Record], rows: Sequence[Standing], cells: pd.DataFrame, across: pd.DataFrame, *, comparable: bool
) -> str:
    ranked = [row for row in rows if not row.control]
    parts = []
    if ranked:
        frame = _escaped(leaderboard_rows(ranked))
        if comparable:
            frame.insert(3, "paper average Err", paper_averages(ranked, paper.of_run(records[0].header)))
        parts.append(table(frame, ("rank", "defense")))
    attacks = [
        inline(header.attack_title)
        for attack, header in attack_sections.attack_headers(records).items()
        if attack in attacks_in_average(records)
    ]
    over = f"{OVER}{', '.join(attacks)}" if attacks else "No attack that counts in the average was run"
    parts.append(f"{over}; {_run(records)}. Per cent, with {_intervals(records)}.")
    parts += [f"- {note}" for note in _notes(ranked, cells, across)]
    return "\n\n".join(parts)


def _intervals(records: Sequence[Record]) -> str:
    seeds = len({record.header.seed for record in records})
    if seeds == 1:
        return "95% intervals over the test images: what another training run would change is not in them"
    if seeds == 2:  # noqa: PLR2004 see bench.intervals.over_seeds
        return "the range of the two seeds, which is no 95% interval"
    return f"95% intervals over the trainings of {seeds} seeds (Student's t), on the same test images"


def _notes(rows: Sequence[Standing], cells: pd.DataFrame, across: pd.DataFrame) -> list[str]:
    notes = []
    if any(row.below_floor for row in rows):
        notes.append(
            f"{BELOW} Its clean Acc is more than {100 * FLOOR:.0f} points below naive's: it ranks after the others."
        )
    near = [inline(row.title) for row in rows if _is_near_floor(cells, row.defense)]
    if near:
        notes.append(
            f"On which side of these {100 * FLOOR:.0f} points it lies is not decided, by the interval of the seeds' "
            f"differences, for {'; '.join(near)}."
        )
    if any(row.sees_attacks for row in rows):
        notes.append(f"{ATTACKED} It, or what it stands on, was trained on adversarial images.")
    if any(not row.complete for row in rows):
        notes.append("A row without a rank lacks cells that the others have: a job failed, or was not selected.")
    if estimate(across, NAIVE, "clean", "acc") is None:
        notes.append("naive was not run on the clean images: no row is checked for its clean Acc.")
    return notes


def _is_near_floor(cells: pd.DataFrame, defense: str) -> bool:
    """Return whether the interval of naive's clean Acc less a row's, seed by seed, has the floor inside."""
    drop = difference(cells, NAIVE, defense, ["clean"], "acc")
    return drop is not None and drop.low < FLOOR < drop.high


def _controls(rows: Sequence[Standing]) -> str:
    frame = _escaped(leaderboard_rows([row for row in rows if row.control]).drop(columns="rank"))
    return f"Shown to check the harness; not ranked.\n\n{table(frame, ('defense',))}"


def _escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return leaderboard rows with the names that come from elsewhere made harmless in Markdown."""
    return frame.assign(defense=frame["defense"].map(inline)).rename(columns=inline)


def _defenses(records: Sequence[Record]) -> str:
    headers = {record.header.defense: record.header for record in records}
    rows = [
        {
            "defense": inline(title),
            "name": f"`{name}`",
            "source": inline(headers[name].defense_source),
            "departs from it by": inline(headers[name].defense_departs) or NONE,
        }
        for name, title in titles(records).items()
    ]
    return table(pd.DataFrame(rows), ("defense", "name", "source", "departs from it by"))


def _data(records: Sequence[Record]) -> str:
    rows = [
        (inline(name), f"`{origin.digest[:DIGITS]}`", inline(origin.origin))
        for name, origin in data_origins(records).items()
    ]
    return table(pd.DataFrame(rows, columns=["data", "digest", "origin"]), ("data", "digest", "origin"))
