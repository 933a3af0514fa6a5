"""Checks a file that a user names: a suite, a record, or a data set."""

from __future__ import annotations

from pathlib import Path

from bench import data, records, suites
from bench.errors import BenchError, InvalidConfig
from bench.store import MANIFEST, PACKED, TENSORS
from bench.tracks import TRACKS


def validate_file(path: Path) -> str:
    """Return what a valid file holds; raise ``BenchError`` that names what is wrong with it."""
    if not path.exists():
        raise InvalidConfig(f"{path}: no such file")
    if path.suffix == ".toml":
        suite = suites.load(path)
        digests = ", ".join(f"{suite.digest(track)[:12]} on {track}" for track in TRACKS)
        return f"suite '{suite.name}', {len(suite.attacks)} attacks, digest {digests}"
    if path.suffix == ".npz":
        if path.stem not in data.IN_FOLDER:
            raise InvalidConfig(f"{path}: no data set is called '{path.stem}'; known are {', '.join(data.IN_FOLDER)}")
        dataset = data.load(path.stem, path.parent)
        sizes = ", ".join(f"{len(split)} {name}" for name, split in dataset.splits.items())
        told = f"data set '{dataset.name}', {sizes}, digest {dataset.digest[:12]}, {dataset.origin}"
        return "; ".join((told, *dataset.notes))
    if path.is_dir() or path.name in {MANIFEST, TENSORS, PACKED}:
        header = records.load(path).header
        return f"record of '{header.defense}' on '{header.attack}', {header.track}, seed {header.seed}"
    raise BenchError(f"{path}: neither a suite (.toml), a record (its folder, or a file of it), nor a data set (.npz)")
