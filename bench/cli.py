"""The command line: it selects, never tunes, and joins the engine with the leaderboard."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import defenses
from bench import data_commands, lastrun, listing, publishing, reporting, selecting, suites, workers
from bench.console import Terminal
from bench.data import default_dir
from bench.data.download import Fetcher
from bench.data_commands import DataFolder
from bench.errors import BenchError, InvalidConfig
from bench.folders import check_folder
from bench.listing import table
from bench.plan import Selection
from bench.process import INTERRUPTED
from bench.reporting import Entry, Report
from bench.session import Ended, Session
from bench.store import Store
from bench.tracks import TRACKS
from bench.validating import validate_file
from leaderboard.arranging import arranged
from leaderboard.index import IndexEntry, write_index
from leaderboard.table1.page import write_table1
from leaderboard.tables import write_track

PUBLISHED = Path("leaderboard", "published")
RECORDS = "records"
"""The store, in the folder of published tables, of the records that they are made of."""


class OneLineErrors(TyperGroup):
    """The commands, whose troubles that a user can mend are one line and a non-zero exit code, never a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        terminal = Terminal()
        try:
            return super().invoke(ctx)
        except (BenchError, defenses.RosterError) as error:
            terminal.error(str(error))
        except BrokenPipeError:
            raise  # the command line ends quietly where nobody reads any more
        except OSError as error:
            terminal.error(told(error))
        except KeyboardInterrupt:
            terminal.error(
                "interrupted; finished jobs are kept, and what was downloaded; the same command goes on from there"
            )
            raise typer.Exit(INTERRUPTED) from None
        raise typer.Exit(1)


app = typer.Typer(
    cls=OneLineErrors,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Benchmark image classifiers that may say “I don't know”.",
)

StoreFolder = Annotated[Path, typer.Option("--store", help="Folder of finished jobs.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder of the tables.")]


@app.command()
def run(
    tracks: Annotated[list[str] | None, typer.Argument(help="Tracks, comma-separated.  [default: digits]")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="The roster, on the tracks named or at hand.")] = False,
    defense_names: Annotated[str | None, typer.Option("--defenses", help="Defenses, comma-separated.")] = None,
    attack_names: Annotated[str | None, typer.Option("--attacks", help="Attacks, comma-separated.")] = None,
    suite: Annotated[str, typer.Option(help="A suite's name, or the path of a .toml file.")] = suites.STANDARD,
    seeds: Annotated[str, typer.Option(help="How many seeds, 0 and up; or the first and the last: 5-7.")] = "1",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    data_dir: DataFolder = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch what is missing.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; by default up to 4 on a CPU.")] = None,
    store: StoreFolder = Path("store"),
    out: OutFolder = Path("results"),
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many images of every split.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of training, in place of the recipe's.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32 or bf16, in place of the recipe's.")] = None,
    architecture: Annotated[str | None, typer.Option(help="A timm model, in place of the track's network.")] = None,
    add: Annotated[bool, typer.Option("--add", help="Rows beside those of the last run, not in their place.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Of a track that is not named, too, data must be there.")
    ] = False,
) -> None:
    """Run defenses against attacks and write the leaderboards; a track that is named must have its data."""
    names = selecting.listed(",".join(tracks)) if tracks else None
    found = selecting.device(device)
    chosen = selecting.tracks(names, found, selecting.asked_precision(precision), architecture, everything=everything)
    of_suite = suites.load(suite)
    wanted, broken = selecting.wanted(selecting.listed(defense_names), names, everything=everything)
    selections = [
        selecting.select(
            track,
            of_suite,
            defense_names=wanted,
            attack_names=selecting.listed(attack_names),
            seeds=selecting.seeds(seeds),
            limit=limit,
            epochs=epochs,
        )
        for track in chosen
    ]
    terminal = Terminal()
    fetcher = Fetcher(terminal.fetching) if download else None
    session = Session(
        Store(store), found, terminal, data_dir or default_dir(), fetcher, workers.sharing_threads(found, jobs)
    )
    for option, folder in (("--store", store), ("--out", out), ("--data-dir", session.data_dir)):
        check_folder(option, folder, writable=not dry_run and option != "--data-dir")
    for reason in broken:
        terminal.error(f"left out: {reason}")
    warn_of_losses(session, selections, add=add)
    strict = strict or (not dry_run and (download or names is not None))
    fine = [take(session, selection, out, add=add, dry_run=dry_run, strict=strict) for selection in selections]
    raise typer.Exit(0 if not broken and all(fine) else 1)


def warn_of_losses(session: Session, selections: Sequence[Selection], *, add: bool) -> None:
    """Say what the runs to come take off the tables of the last ones; raise ``CorruptArtifact`` of a damaged report."""
    for selection in selections:
        for lost in lastrun.losses(session.store, selection, add=add):
            session.terminal.warn(lost)


def take(session: Session, selection: Selection, out: Path, *, add: bool, dry_run: bool, strict: bool) -> bool:
    """Run a selection and write its tables, or show its plan; return whether it ended without an error.

    With ``add``, rows of the last run stand in the tables too. Missing data is an error where ``strict`` says so.
    """
    store, terminal = session.store, session.terminal
    ended = session.show_plan(selection) if dry_run else session.run(selection)
    if not dry_run:
        with store.lock("tables"):  # another run may have ended meanwhile
            if add and ended.records:
                ended = replace(ended, records=lastrun.beside(store, selection, ended.records, terminal.warn))
            conclude(store, out, selection, ended, terminal)
    fine = ended.status == "done" or (ended.status == "missing" and not strict)
    if ended.status in {"missing", "invalid"}:
        tell = terminal.warn if fine else terminal.error
        tell(f"track '{selection.track.name}' is left out: {ended.reason}")
    return fine


def conclude(store: Store, out: Path, selection: Selection, ended: Ended, terminal: Terminal) -> None:
    """Write a run's tables and the index, and print the leaderboard."""
    track, suite = TRACKS[selection.track.name], selection.suite
    entry = Entry(
        track=track.name,
        suite=suite.name,
        title=track.title if suite.name == suites.STANDARD else f"{track.title}, {suite.title}",
        status=ended.status,
        reason=ended.reason,
        records=tuple(record.key for record in ended.records),
    )
    rows = write_track(ended.records, out, entry.name) if ended.records else None
    index(out, reporting.remember(store, entry, list(TRACKS)))
    if rows is not None:
        terminal.say("\n" + table(list(rows.columns), rows.to_numpy().tolist()))
        if selection.limit is not None:
            terminal.say(f"\nlimited to the first {selection.limit} of every split: not comparable")
        terminal.say(f"\n{out / entry.name}.md, {out / entry.name}.csv; index: {out / 'README.md'}")


def index(out: Path, report: Report) -> None:
    """Write the index of the runs that a store remembers."""
    write_index(
        out,
        [
            IndexEntry(entry.name, entry.title, "done" if entry.records else entry.status, reason_of(entry))
            for entry in report.runs
            if not entry.records or (out / f"{entry.name}.md").exists()
        ],
    )


def reason_of(entry: Entry) -> str:
    """Return what the index says of how a track's last run ended."""
    if entry.records and entry.status in {"missing", "invalid"}:
        return f"The last run left this table as it was: {entry.reason}"
    return entry.reason


@app.command("list")
def list_() -> None:
    """List the tracks, the defenses, and the suites with their attacks."""
    typer.echo(listing.everything())


app.add_typer(data_commands.app, name="data")


@app.command()
def report(store: StoreFolder = Path("store"), out: OutFolder = Path("results")) -> None:
    """Write the tables of the last runs again, from their records alone."""
    kept = Store(store)
    if not reporting.read(kept).runs:
        raise InvalidConfig(f"--store {store}: holds no run; `python -m bench run` makes one")
    check_folder("--out", out, writable=True)
    write_all(kept, out)


def write_all(store: Store, out: Path) -> None:
    """Write the tables of every run that a store remembers, and their index."""
    found, terminal = reporting.read(store), Terminal()
    for entry in found.runs:
        if entry.records:
            write_track(reporting.load(store, entry), out, entry.name)
            terminal.say(f"{out / entry.name}.md, {out / entry.name}.csv")
    index(out, found)


@app.command()
def table1(store: StoreFolder = Path("store"), out: OutFolder = Path("results")) -> None:
    """Set the last runs beside the paper's Table I: table1.md, table1.csv, table1.png, table1-order.png."""
    kept, terminal = Store(store), Terminal()
    runs = [reporting.load(kept, entry) for entry in reporting.read(kept).runs if entry.records]
    check_folder("--out", out, writable=True)
    shown = write_table1(runs, out)
    terminal.say(f"{out / 'table1.md'}, table1.csv and the figures beside it: {', '.join(shown)}")


@app.command()
def publish(
    track: Annotated[str, typer.Argument(help="The track whose last run is published.")],
    *,
    suite: Annotated[str, typer.Option(help="The suite of that run.")] = suites.STANDARD,
    store: StoreFolder = Path("store"),
    to: Annotated[Path, typer.Option("--to", help="Folder of the published tables.")] = PUBLISHED,
    add: Annotated[bool, typer.Option("--add", help="Beside what is published of it, not in its place.")] = False,
) -> None:
    """Publish a track's last run, whole and unlimited: its records, and the tables made from them."""
    selecting.known("track", [track], list(TRACKS))
    source, records = Store(store), Store(to / RECORDS)
    if not records.root.exists():  # the lock makes it, and what is refused leaves nothing behind
        arranged(publishing.whole_run(source, track, suite).records)
    check_folder("--to", to, writable=True)
    with publishing.alone(records):
        found = publishing.whole_run(source, track, suite, records if add else None)
        arranged(found.records)
        publishing.publish(found, records)
        write_all(records, to)


@app.command()
def validate(files: Annotated[list[Path], typer.Argument(help="Suites (.toml), records, data sets (.npz).")]) -> None:
    """Check suites, records and data sets."""
    terminal, code = Terminal(), 0
    for file in files:
        try:
            terminal.say(f"{file}: {validate_file(file)}")
        except BenchError as error:
            terminal.error(str(error))
            code = 1
    raise typer.Exit(code)


def told(error: OSError) -> str:
    """Return an operating-system error as one line with its mend."""
    mend = "free some space, or choose other folders with --store and --out"
    if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
        mend = "make it usable, or choose other folders with --store and --out"
    return f"{error.filename or 'a file'}: {error.strerror or error}; {mend}; finished jobs are kept"
