"""The sections of a table that rank: the leaderboard with its notes, and the controls; all have the same seeds."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from bench.intervals import FEWEST_SEEDS
from bench.records import Record
from leaderboard import paper
from leaderboard.arranging import epochs_text, seeds_text
from leaderboard.attack_sections import attack_headers
from leaderboard.averages import attacks_in_average, clean_difference, estimate
from leaderboard.by_seed import difference
from leaderboard.parts import Part
from leaderboard.ranking import FLOOR, NAIVE, Standing
from leaderboard.rows import ATTACKED, BELOW, SEEN, WEAKLY, leaderboard_rows, paper_averages
from leaderboard.sweeps import sweeps
from leaderboard.text import inline, intervals_text, percent, table

LEADERBOARD = "Leaderboard"
"""The heading of the section that other documents quote."""

OVER = "Average Err over "
"""How the line of that section begins that names the attacks."""

OF_THREE = (
    "Three values may lie close together by chance: one interval in ten is less than a third as wide as the trainings' "
    "true spread would make it."
)
OTHER_IMAGES = (
    "Not in the intervals: other test images would move a row's average Err by up to {least} points in the row that "
    "they move least, {most} in the one that they move most (95%, a bootstrap over source images, with all seeds)."
)
GRID = (
    "This average is over the values of a parameter that the suite goes through, and would be another over others: "
    "what happens at each value tells more than the rank."
)
LOWER_BOUND = (
    "Err under an attack on the defense itself is a lower bound: a better attack may find errors that this one did not."
)
UNBOUNDED = (
    "{names}, made on the defense itself, without a budget: an Err near 100 says only that they went as far as they "
    "had to. How far is in the table of the attacks; which of two rows errs less, the other attacks tell."
)
DIGITS = 12
"""How many hexadecimal digits of a digest people are shown."""


def leaderboard(part: Part, *, comparable: bool) -> str:
    """Return the ranked rows, what they are over, and notes; ``comparable`` with the paper's average Err beside."""
    ranked = [row for row in part.rows if not row.control]
    shown = []
    if ranked:
        frame = _escaped(leaderboard_rows(ranked))
        if comparable:
            frame.insert(3, "paper average Err", paper_averages(ranked, paper.of_run(part.records[0].header)))
        shown.append(table(frame, ("rank", "defense")))
    attacks = [
        inline(header.attack_title)
        for attack, header in attack_headers(part.records).items()
        if attack in attacks_in_average(part.records)
    ]
    over = f"{OVER}{'; '.join(attacks)}" if attacks else "No attack that counts in the average was run"
    shown.append(f"{over}; {run_text(part.records)}. Per cent, with {intervals_text(len(part.seeds))}.")
    shown += [f"- {note}" for note in _notes(part, ranked)]
    return "\n\n".join(shown)


def controls(part: Part) -> str:
    """Return the rows of the controls, without ranks; ``""`` where there are none."""
    rows = [row for row in part.rows if row.control]
    if not rows:
        return ""
    frame = _escaped(leaderboard_rows(rows).drop(columns="rank"))
    return f"Shown to check the harness; not ranked.\n\n{table(frame, ('defense',))}"


def run_text(records: Sequence[Record]) -> str:
    """Return the suite and the seeds of records, as people are shown them."""
    header = records[0].header
    seeds = seeds_text(sorted({record.header.seed for record in records}))
    return f"suite `{header.suite}` (`{header.suite_digest[:DIGITS]}`), {seeds}{epochs_text(header)}"


def _notes(part: Part, rows: Sequence[Standing]) -> list[str]:
    notes = _left_out(part, rows)
    if any(row.below_floor for row in rows):
        notes.append(
            f"{BELOW} Its clean Acc is more than {100 * FLOOR:.0f} points below naive's: it ranks after the others."
        )
    near = [inline(row.title) for row in rows if row.clean_acc is not None and _is_near_floor(part, row.defense)]
    if near:
        over = "the seeds" if len(part.seeds) >= FEWEST_SEEDS else "the test images alone"
        notes.append(
            f"Not decided: whether the clean Acc of {'; '.join(near)} lies more than {100 * FLOOR:.0f} points below "
            f"naive's; the 95% interval of the difference, over {over}, holds {100 * FLOOR:.0f} points."
        )
    if any(row.sees_attacks for row in rows):
        notes.append(f"{ATTACKED} It, or what it stands on, was trained on adversarial images.")
    notes += _of_the_average(part.records)
    if any(row.weakly_attacked for row in rows):
        notes.append(
            f"{WEAKLY} An attack of this average is weak against it, as a caution above says: its Err, and with it its "
            "rank, may be too low."
        )
    if any(row.seen for row in rows):
        notes.append(
            f"{SEEN} Such a row was trained on other images of that set, in a dustbin or as outliers: what it rejects "
            "there shows nothing of sets that it has not seen."
        )
    if any(not row.complete for row in rows):
        notes.append(
            "A row without a rank lacks figures that the others have: a job failed, was not selected, or was handed no "
            "image, since its network gets none right."
        )
    if estimate(part.across, NAIVE, "clean", "acc") is None:
        notes.append("naive was not run on the clean images: no row is checked for its clean Acc.")
    return notes


def _of_the_average(records: Sequence[Record]) -> list[str]:
    """Return what makes an average say less than its figures: a grid of values, a search, attacks without a budget."""
    headers, notes = attack_headers(records), []
    counted = attacks_in_average(records)
    swept = {attack for sweep in sweeps(records) for attack in sweep.attacks}
    if counted and swept.issuperset(counted):
        notes.append(GRID)
    if any(headers[name].source == "victim" for name in counted):
        notes.append(LOWER_BOUND)
    unbounded = [
        inline(headers[name].attack_title)
        for name in counted
        if headers[name].source == "victim" and "epsilon" not in headers[name].parameters
    ]
    if unbounded:
        notes.append(UNBOUNDED.format(names="; ".join(unbounded)))
    return notes


def _left_out(part: Part, rows: Sequence[Standing]) -> list[str]:
    """Return what intervals over three seeds or more leave out."""
    seeds = len(part.seeds)
    halves = [row.other_images for row in rows if row.other_images is not None]
    if seeds < FEWEST_SEEDS or not halves:
        return []
    images = OTHER_IMAGES.format(least=percent(min(halves)), most=percent(max(halves)))
    return [f"{images} {OF_THREE}" if seeds == FEWEST_SEEDS else images]


def _is_near_floor(part: Part, defense: str) -> bool:
    """Return whether the interval of naive's clean Acc less a row's has the floor inside.

    Seed by seed; of fewer than three seeds image by image, which leaves out what another training would change.
    """
    if len(part.seeds) >= FEWEST_SEEDS:
        drop = difference(part.cells, NAIVE, defense, ["clean"], "acc")
    else:
        drop = clean_difference(part.records, NAIVE, defense)
    return drop is not None and drop.low < FLOOR < drop.high


def _escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return leaderboard rows with the names that come from elsewhere made harmless in Markdown."""
    return frame.assign(defense=frame["defense"].map(inline)).rename(columns=inline)
