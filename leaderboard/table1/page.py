"""Writes Table I as it was reproduced: ``table1.md``, ``table1.csv``, ``table1.png``, ``table1-order.png``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.records import Header, Record
from bench.tracks import TRACKS, Track
from leaderboard import paper
from leaderboard.arranging import arranged, epochs_text, plain_titles, seeds_text, titles
from leaderboard.averages import attacks_in_average
from leaderboard.cells import across_seeds, per_seed, to_csv
from leaderboard.output import write
from leaderboard.paper import AVERAGE
from leaderboard.ranking import NAIVE
from leaderboard.rows import BELOW
from leaderboard.table1.beside import Beside, beside, to_frame
from leaderboard.table1.claims import claims
from leaderboard.table1.contradictions import contradictions
from leaderboard.table1.deciding import Claim
from leaderboard.table1.figure import figure
from leaderboard.table1.fooled import of_fooled
from leaderboard.table1.freezing import frozen
from leaderboard.table1.networks import ELSEWHERE, elsewhere, of_the_same
from leaderboard.table1.order_figure import order_figure
from leaderboard.table1.other_runs import OtherRuns, other_runs
from leaderboard.table1.sections import called_in_orders, cells, far, resolution, stability, verdicts
from leaderboard.table1.settings import settings
from leaderboard.table1.stability import Choice, choices
from leaderboard.text import inline, intervals_text

NAME = "table1"

READING = (
    "Each defense has three columns: the figure that the paper prints, ours with its interval, and ours − paper in "
    "points, above zero where ours is the larger. All are in per cent of the images handed to the attack. The "
    "paper gives single figures, without intervals: a difference is in **bold** where the paper's lies outside of "
    "what one more run of ours may give, the 95% prediction interval over our seeds (known from three on). The "
    "paper's dashes for the naive network's Rej are read as 0."
)
IN_ORDER = (
    "Does the order of the defenses rest on what the paper leaves open? Each line is one choice, from the defense "
    "that errs least under the first: where it turns back to the left, the order is another. A line of three points "
    "or fewer has the paper's defenses alone. In figures: “Other choices” of each data set, where † is explained."
)
SETTINGS = (
    "The paper leaves open the overshoot of DeepFool and the steps of I-FGS, and says what C&W's κ does to its "
    "success. In per cent of the images attacked: source Err, the share that the attacked network itself "
    "misclassifies, and the share that reaches κ, say how far an attack succeeds at home; Err, whether that carries "
    "over to networks that it was not made on. L2 is the median distance to the clean image, in units of the pixel "
    "range."
)
OTHER_NETWORKS = (
    f"{ELSEWHERE} Of other networks than the table's, trained at another time: what lies between such a line and a "
    "figure of the table may be the training's as well as the setting's. No order of “Other choices” is made with it."
)
CLAIMS = (
    "A claim holds, or does not, where all of the 95% interval, unrounded, lies on one side; differences are paired by "
    "seed, over the seeds that both defenses have. A single figure of the paper agrees where it lies within what one "
    "more run of ours may give, differs where it does not. Fewer than three seeds decide nothing: they do not "
    "tell what another training would give."
)
OF_ANOTHER_RUN = (
    f"{ELSEWHERE} Of a difference: both defenses are of networks other than the table's, trained at another time for "
    "[this run]({link}), with the attacks of the table."
)
AS_THE_PAPER_HAS_IT = (
    "The paper adds interpolated images for attacks with small perturbations, and names DeepFool and C&W: how large "
    "theirs are at the overshoot and the κ of the table, the table of attacks in [{track}.md]({track}.md) says. Of "
    "feature squeezing it has only what its authors report, of other networks: 0% on FGS's images of MNIST and on "
    "C&W's, and it takes the latter to be of κ = 0. Here both are given the same images."
)
NEIGHBOURS = (
    "That neighbours are found considerably faster in feature space than among the pixels, as the paper also says, no "
    "record tells: the times measured are in `docs/trials/neighbour_search.csv`, by the script beside it, and in "
    "`docs/reproduction.md` under “Neighbours”."
)
OTHER_TRACK = (
    "The paper has no such track. What it says of its choices in general is asked here of other images, with as many "
    "seeds as the run has; verdicts as above."
)
RESOLUTION = (
    "Average Err of a row less that of the paper's defenses, in points, with the interval of the differences paired by "
    "seed. Two are told apart where the interval leaves out 0; a difference smaller than half of the interval's width "
    "cannot be told with so many seeds and images. Every interval is a 95% one by itself: of many, some miss."
)
STABILITY = (
    "The order of the defenses by average Err, from the least, where a choice that the paper leaves open is made "
    f"otherwise; of those that were run under it with all seeds that the paper's rows have there. {BELOW} marks those "
    "that rank after the others for their clean Acc, whatever their Err."
)
TRACE = (
    "Each figure is counted from the predictions in a record. A record's manifest in `records/` names, by digest, the "
    "adversarial images and the networks that it was made from, and by key the suite, the seed and the recipe that "
    "make them again; dates, versions and hardware are in the provenance beside each track's table."
)


def write_table1(runs: Sequence[Sequence[Record]], out: Path) -> list[str]:
    """Write the page, the cells as CSV and the figures into ``out`` from the records of runs; return the tracks shown.

    Shown is each track that repeats a column of the paper, by its run under the suite ``table1``, if that has the naive
    network under all attacks of the column; runs under other suites tell what that one leaves open. Raises
    ``BenchError`` where none is left, where a track's records do not make one table, or where a file cannot be written;
    nothing is written but the whole.
    """
    repeating = [arranged(records) for records in runs if records and paper.of_run(records[0].header)]
    shown = [records for records in repeating if records[0].header.suite == NAME and _has_naive_under_all(records)]
    if not shown:
        raise BenchError(
            "no run of a track of Table I has naive under all of its attacks: `python -m bench run mnist` makes one"
        )
    rows = {records[0].header.track: beside(records) for records in shown}
    others = {track: other_runs(records, repeating) for track, records in zip(rows, shown, strict=True)}
    orders = {
        track: choices(records, per_seed(of_the_same(records, others[track].settings)))
        for track, records in zip(rows, shown, strict=True)
    }
    names = {**paper.TITLES, **{name: title for records in repeating for name, title in called(records).items()}}
    rows_called = {track: called_in_orders(records, names) for track, records in zip(rows, shown, strict=True)}
    parts = ["# Table I, reproduced", f"{paper.SOURCE}.", READING, f"![Table I, the paper's and ours]({NAME}.png)"]
    parts += [IN_ORDER, f"![The order of the defenses under other choices]({NAME}-order.png)"]
    for track, records in zip(rows, shown, strict=True):
        parts.append(section(records, rows[track], orders[track], others[track], names))
    parts += [not_run(track) for track in TRACKS.values() if track.paper and track.name not in rows]
    for records in of_other_tracks(runs):
        measured = [claim for claim in claims(records) if claim.estimate is not None]
        if measured:
            parts += [f"## The claims on {inline(records[0].header.track_title)}", OTHER_TRACK, verdicts(measured)]
    parts += ["## From a figure to its origin", TRACE]
    files = {
        f"{NAME}.md": ("\n\n".join(parts) + "\n").encode(),
        f"{NAME}.csv": to_csv(to_frame([row for found in rows.values() for row in found])),
        f"{NAME}.png": figure(rows, names),
        f"{NAME}-order.png": order_figure(orders, names, rows_called),
    }
    for file, data in files.items():
        write(out / file, data)
    return list(rows)


def _has_naive_under_all(records: Sequence[Record]) -> bool:
    """Return whether a run has the naive network under the paper's attacks, and averages over no others."""
    printed = paper.attacks(paper.of_run(records[0].header))
    of_naive = {record.header.attack for record in records if record.header.defense == NAIVE}
    return printed <= of_naive and printed == set(attacks_in_average(records))


def of_other_tracks(runs: Sequence[Sequence[Record]]) -> list[list[Record]]:
    """Return the arranged runs, under the suite of the table, of tracks that the paper has no column of."""
    return [
        arranged(records)
        for records in runs
        if records and not paper.of_run(records[0].header) and _whole_of_table(records[0].header)
    ]


def _whole_of_table(header: Header) -> bool:
    known = TRACKS.get(header.track)
    whole = header.limit is None and header.epochs is None
    return known is not None and known.paper is None and header.suite == NAME and whole


def called(records: Sequence[Record]) -> dict[str, str]:
    """Return what a run's track, defenses and attacks are called, by name."""
    header = records[0].header
    attacks = {record.header.attack: record.header.attack_title for record in records}
    return {header.track: header.track_title, **attacks, **plain_titles(records), AVERAGE: "average"}


def section(
    records: Sequence[Record],
    rows: Sequence[Beside],
    orders: Sequence[Choice],
    others: OtherRuns,
    names: Mapping[str, str],
) -> str:
    """Return a track's part of the page."""
    header, of_seeds = records[0].header, per_seed(others.settings)
    marked = dict(names) | {attack: f"{names[attack]} {ELSEWHERE}" for attack in elsewhere(records, others.settings)}
    link = f"[{header.track}.md]({header.track}.md)"
    claimed = claims(records, others)
    parts = [
        f"## {inline(header.track_title)}",
        f"{_what_was_run(records)}; attack by attack in {link}. Our figures have {_intervals(records)}.",
        frozen(paper.column_of(header.track), briefly=header.epochs is not None),
        cells(rows, dict(names) | titles(records)),
        *missing(records),
        "### What the table tells apart",
        RESOLUTION,
        resolution(records, names),
        "### Figures far from the paper's",
        far(rows, across_seeds(of_seeds), marked),
        "### Of the images that fool the attacked network",
        of_fooled(rows, records, names),
        "### Under other settings of the attacks",
        SETTINGS,
        settings(of_seeds, marked),
        *([OTHER_NETWORKS] if marked != names else []),
        "### What the paper claims",
        CLAIMS,
        verdicts(claimed),
        *_of_another_run(claimed, others),
        AS_THE_PAPER_HAS_IT.format(track=header.track),
        NEIGHBOURS,
        "### Other choices",
        STABILITY,
        stability(orders, records, names),
    ]
    odd = contradictions(paper.column_of(header.track))
    if odd:
        parts += ["### Where the paper contradicts itself", "\n".join(f"- {line}" for line in odd)]
    return "\n\n".join(parts)


def _of_another_run(claimed: Sequence[Claim], others: OtherRuns) -> list[str]:
    """Return a paragraph that says which run the marked differences are of; none if none is marked."""
    if not any(claim.measured.endswith(ELSEWHERE) for claim in claimed):
        return []
    header = others.again[0].header
    return [OF_ANOTHER_RUN.format(link=f"{header.track}-{header.suite}.md")]


def _what_was_run(records: Sequence[Record]) -> str:
    """Return the seeds of the paper's rows, the suite, and epochs other than the track's, as a sentence begins."""
    header = records[0].header
    seeds = seeds_text(seeds_of_paper(records)).capitalize()
    return f"{seeds}; suite `{header.suite}` (`{header.suite_digest[:12]}`){epochs_text(header)}"


def _intervals(records: Sequence[Record]) -> str:
    """Return what the intervals of the paper's rows are over."""
    return intervals_text(len(seeds_of_paper(records)))


def seeds_of_paper(records: Sequence[Record]) -> list[int]:
    """Return the seeds that any of the paper's rows has, from the least up."""
    names = paper.ran(records)
    return sorted({record.header.seed for record in records if record.header.defense in names})


def missing(records: Sequence[Record]) -> list[str]:
    """Return a paragraph that names the paper's defenses that a run lacks, with what measures them; none for none."""
    header, names = records[0].header, paper.lacking(records)
    if not names:
        return []
    ran = seeds_of_paper(records)
    options = [f"--seeds {len(ran) if ran == [*range(len(ran))] else f'{ran[0]}-{ran[-1]}'}"]
    if header.epochs is not None:
        options.append(f"--epochs {header.epochs}")
    if header.precision != TRACKS[header.track].recipe.precision:
        options.append(f"--precision {header.precision}")
    command = f"python -m bench run {header.track} --defenses {','.join(names)} {' '.join(options)} --add"
    return [f"Not measured yet: {', '.join(paper.TITLES[name] for name in names)}; `{command}` measures the rest."]


def not_run(track: Track) -> str:
    """Return the section of a column of the paper that nothing stands beside."""
    return f"## {inline(track.title)}\n\nNot measured: `python -m bench run {track.name} --seeds 3` measures it."
