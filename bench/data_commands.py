"""The commands on data sets: showing which are at hand, and fetching those that are not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from bench import data, listing
from bench.console import Terminal
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.transfer import Progress
from bench.errors import DataInvalid, DataMissing
from bench.folders import check_folder

DataFolder = Annotated[
    Path | None, typer.Option("--data-dir", help="Data folder.  [default: $REJECTBENCH_DATA, else data]")
]
Names = Annotated[list[str], typer.Argument(help="Data sets.", metavar="NAME")]

app = typer.Typer(help="Show which data sets are at hand, from where, and how to get the others; fetch them.")


@app.callback(invoke_without_command=True)
def show(context: typer.Context, data_dir: DataFolder = None) -> None:
    """Show which data sets are at hand, from where, and how to get the others; fetch them."""
    context.obj = data_dir
    if context.invoked_subcommand is None:
        typer.echo(listing.data_sets(chosen(data_dir)))


@app.command()
def fetch(context: typer.Context, names: Names, data_dir: DataFolder = None) -> None:
    """Download data sets that are not at hand into the data folder, and check them."""
    folder = chosen(data_dir or context.obj)
    for name in names:
        data.locate(name, folder)  # a wrong name ends it before anything is downloaded
    terminal, code = Terminal(), 0
    for name in dict.fromkeys(names):
        try:
            terminal.say(fetched(name, folder, Fetcher(terminal.fetching)))
        except (DataMissing, DataInvalid) as error:
            terminal.error(str(error))
            code = 1
    raise typer.Exit(code)


def chosen(data_dir: Path | None) -> Path:
    """Return the data folder, the default one unless given; raise ``InvalidConfig`` where it is a file."""
    folder = data_dir or data.default_dir()
    check_folder("--data-dir", folder, writable=False)
    return folder


def fetched(name: str, folder: Path, fetcher: Fetcher) -> str:
    """Fetch a data set unless it is at hand and whole; load it and return a line on what there is.

    Raises ``DataMissing`` where it cannot be fetched, ``DataInvalid`` where it is not what it should be.
    """
    if name in data.EMBEDDED:
        return f"{name}: nothing to fetch, {data.locate(name, folder).origin}"
    files = list[Remote]()

    def watch(remote: Remote) -> AbstractContextManager[Progress]:
        files.append(remote)
        return fetcher.watch(remote)

    dataset = data.load(name, folder, fetcher=replace(fetcher, watch=watch))
    return f"{name}: {'fetched' if files else 'at hand, nothing to fetch'}: {described(dataset)}"


def described(dataset: Dataset) -> str:
    """Return a data set's origin, the images of its splits, and what a reader of its tables must know, in one line."""
    counts = ", ".join(f"{split} {len(images):,}" for split, images in dataset.splits.items())
    return "; ".join((f"{dataset.origin}; images: {counts}", *dataset.notes))
