"""Writes a track's table as Markdown, for people: what was run, cautions, leaderboard, attacks, words, environment."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.records import Record
from leaderboard import attack_sections, board, paper
from leaderboard.arranging import data_origins, lacking_text, seeds_text, titles
from leaderboard.averages import attacks_in_average
from leaderboard.board import LEADERBOARD
from leaderboard.cautions import cautions
from leaderboard.environment import environment_table
from leaderboard.equal_rejection import ONE_THRESHOLD, apart, equal_rejection, movable
from leaderboard.exhibits import image_section
from leaderboard.glossary import words
from leaderboard.looks import BEST
from leaderboard.originals import originals
from leaderboard.parts import Part
from leaderboard.robustness import robustness
from leaderboard.sweeps import sweep_section
from leaderboard.text import NONE, inline, table
from leaderboard.weak_attacks import weakly_attacked
from leaderboard.worst_case import worst_cases

CAUTION = "> **"
"""How a caution begins."""

ON_ALL = "Rates in per cent of all images handed to the attack, over the seeds; Err with its interval."

NOISE = (
    "Rej, in per cent, of an attack's images and of controls of the same images: its perturbation's values at random "
    "pixels with random signs (noise), with its sign turned (flipped), another image's in its place (shuffled). A "
    "defense that rejects these as readily tells unusual images, not attacks. L2 is the median distance to the clean "
    "image: what goes beyond black or white is cut off."
)
FIGURE = "Err against clean rejection, and risk against coverage"
DRAWN = (
    f"Drawn are the paper's rows and the first {BEST} of the others that rank, means over the seeds, the rest in grey, "
    "if any; "
)
BY_OWN_SCORES = (
    "here the share is one of the clean test images that are "
    "scored, by their own scores, and no threshold that could have been chosen before."
)
AT_OWN = "on the left each at its own threshold."
ON_SHARED_SEEDS = (
    "Some defenses were run with {lacking} seeds than others. Networks, and the images made on them, differ from seed "
    "to seed: here all that have these seeds are compared on them, and on no others."
)
ALL_TOGETHER = (
    "Some defenses were run with {lacking} seeds: where such a one stands beside others, its seeds stand behind its "
    "name. What other trainings would change shows in no interval of one seed, which may be the narrower for it."
)


def markdown(
    records: Sequence[Record], cells: pd.DataFrame, across: pd.DataFrame, split: Sequence[Part], name: str
) -> str:
    """Return the table of arranged records; ``cells`` and ``across`` are ``per_seed``'s and ``across_seeds``'s.

    ``split`` are the records' ``parts``; ``name`` is that of the files beside it.
    """
    header = records[0].header
    printed = paper.of_run(header)
    moved = movable(records)
    drawn = f"![{FIGURE}]({name}.png)\n\n{DRAWN}{BY_OWN_SCORES if moved else AT_OWN}"
    comparable = bool(printed) and paper.attacks(printed) == set(attacks_in_average(records))
    worst = worst_cases(records)
    sections = [
        f"# {inline(header.track_title)} (`{name}`)\n\n{_what_was_run(records, split)}",
        *(f"> {caution}" for caution in cautions(records, cells)),
        *_ranked(split, comparable=comparable),
        *([f"## Worst case\n\n{worst}"] if worst else []),
        f"## At equal clean rejection\n\n{equal_rejection(records) if moved else ONE_THRESHOLD}\n\n{drawn}",
        f"## How well the scores tell images apart\n\n{apart(records)}",
    ]
    if withstood := robustness(records, weakly_attacked(records, cells)):
        sections.append(f"## Robustness with rejection\n\n{withstood}")
    if swept := sweep_section(records, across, name):
        sections.append(swept)
    disturbed = attack_sections.controls(records, across)
    if disturbed:
        sections.append(f"## Attacks or noise\n\n{NOISE}\n\n{disturbed}")
    compared = originals(records) if comparable else ""
    if compared:
        sections.append(f"## Beside what others published\n\n{compared}")
    looked_at = image_section(records, name)
    split_up = attack_sections.by_denominator(records, across)
    beside = f"\n\nBeside ours, the paper's figures as printed, without intervals: {paper.SOURCE}." if printed else ""
    sections += [
        f"## Attack by attack\n\n{ON_ALL}{beside}\n\n{attack_sections.by_attack(records, across, printed)}",
        f"## The attacks\n\n{attack_sections.attack_table(records, across)}",
        *([looked_at] if looked_at else []),
        *([f"## Err by denominator\n\n{split_up}"] if split_up else []),
        f"## What the words mean\n\n{words(records)}",
        (
            f"## The defenses\n\n{_defenses(records)}\n\nWhat each takes, in networks and time: "
            f"[{name}.costs.md]({name}.costs.md)."
        ),
        f"## Environment\n\n{environment_table(records)}\n\n{_data(records)}",
    ]
    return "\n\n".join(sections) + "\n"


def _what_was_run(records: Sequence[Record], split: Sequence[Part]) -> str:
    header = records[0].header
    kinds = {record.header.attack: record.header.kind for record in records}
    attacks = list(kinds.values()).count("attack")
    images = sorted({len(record.tensors["label"]) for record in records if record.header.kind == "clean"})
    clean = f" {' or '.join(map(str, images))} clean test images a seed." if images else ""
    most, *others = (part.seeds for part in split)
    lacking = f" {ALL_TOGETHER.format(lacking=lacking_text(others, most))}" if others else ""
    return (
        f"Track `{header.track}`, architecture `{inline(header.architecture)}`, {board.run_text(records)}, "
        f"{len(titles(records))} defenses, {attacks} attacks.{clean} All rates are in per cent.{lacking}"
    )


def _ranked(split: Sequence[Part], *, comparable: bool) -> list[str]:
    """Return the leaderboards: of the defenses with the most seeds, and of all that share others or fewer."""
    whole, *lesser = split
    sections = [f"## {LEADERBOARD}\n\n{board.leaderboard(whole, comparable=comparable)}"]
    if controls := board.controls(whole):
        sections.append(f"## Controls\n\n{controls}")
    for part in lesser:
        shared = ON_SHARED_SEEDS.format(lacking=lacking_text([part.seeds], whole.seeds))
        told = [shared, board.leaderboard(part, comparable=comparable), board.controls(part)]
        sections.append(f"## {LEADERBOARD} of {seeds_text(part.seeds)} alone\n\n" + "\n\n".join(filter(None, told)))
    return sections


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
        (inline(name), f"`{origin.digest[: board.DIGITS]}`", inline(origin.origin))
        for name, origin in data_origins(records).items()
    ]
    return table(pd.DataFrame(rows, columns=["data", "digest", "origin"]), ("data", "digest", "origin"))
