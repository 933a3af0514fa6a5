"""Where a data set is: found under a name, or missing with the way to get it."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.errors import DataMissing


@dataclass(frozen=True)
class Location:
    """Where a data set is.

    ``origin`` says where it comes from, ``None`` where it is missing; ``mend`` is then the one-line way to get it.
    ``packed`` says that it is an archive, which loading the data set unpacks beside itself.
    """

    name: str
    origin: str | None
    mend: str | None
    packed: bool = False


def embedded(distribution: str) -> str:
    """Return the origin of a data set that the installed package ``distribution`` carries."""
    return f"embedded: {distribution} {version(distribution)}"


def default_dir() -> Path:
    """Return the data folder: the environment variable ``REJECTBENCH_DATA``, else ``data``."""
    return Path(os.environ.get("REJECTBENCH_DATA") or "data")


def fetch_command(name: str, data_dir: Path | None = None) -> str:
    """Return the command that downloads the data set ``name`` into ``data_dir``, the default one unless given."""
    elsewhere = f" --data-dir {shlex.quote(str(data_dir))}" if data_dir not in {None, default_dir()} else ""
    return f"python -m bench data fetch {name}{elsewhere}"


def missing(name: str, data_dir: Path, *, on_the_net: bool) -> Location:
    """Return the location of the data set ``name`` that ``data_dir`` does not hold, and that may be on the net."""
    mend = f"put {name}.npz in the Keras layout into {data_dir}"
    return Location(name, None, f"{mend}, or run: {fetch_command(name, data_dir)}" if on_the_net else mend)


def not_at_hand(location: Location) -> DataMissing:
    """Return the error for a data set that is missing."""
    return DataMissing(f"{location.name}: not at hand: {location.mend}")
