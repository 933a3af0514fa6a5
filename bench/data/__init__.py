"""The data sets by name: where each is, and loading it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from bench.data.dataset import Dataset
from bench.data.download import Fetcher
from bench.data.location import Location, default_dir
from bench.errors import UnknownName
from bench.suggest import hint

__all__ = ["EMBEDDED", "IN_FOLDER", "default_dir", "load", "locate", "names"]

EMBEDDED: dict[str, str] = {
    "digits": "bench.data.digits",
    "letters": "bench.data.letters",
    "photos": "bench.data.photos",
}
"""Data sets made from what an installed package carries: name -> module with ``load()`` and ``origin()``."""

IN_FOLDER: dict[str, str] = {
    "mnist": "bench.data.mnist",
    "notmnist": "bench.data.notmnist",
    "cifar10": "bench.data.cifar10",
    "cifar100": "bench.data.cifar100",
    "fashion_mnist": "bench.data.fashion_mnist",
    "kmnist": "bench.data.kmnist",
    "emnist_letters": "bench.data.emnist_letters",
    "svhn": "bench.data.svhn",
}
"""Data sets kept in the data folder: name -> module with ``load(data_dir, fetcher)``, ``locate(data_dir)``
and ``remotes()``, the files on the net that it is made from."""


def names() -> tuple[str, ...]:
    """Return the names of all data sets."""
    return (*EMBEDDED, *IN_FOLDER)


def load(name: str, data_dir: Path | None = None, *, fetcher: Fetcher | None = None) -> Dataset:
    """Return the data set ``name``, checked.

    ``data_dir`` is the data folder, ``default_dir()`` unless given; ``fetcher`` downloads into it what is missing, and
    ``None`` means that nothing may be. Raises ``UnknownName``, ``DataMissing`` where it is not at hand,
    ``DataInvalid`` where a file is not what it should be.
    """
    _check(name)
    dataset: Dataset
    if name in EMBEDDED:
        dataset = import_module(EMBEDDED[name]).load()
    else:
        dataset = import_module(IN_FOLDER[name]).load(data_dir or default_dir(), fetcher)
    return dataset


def locate(name: str, data_dir: Path | None = None) -> Location:
    """Return where the data set ``name`` is, without reading it; raises ``UnknownName``."""
    _check(name)
    if name in EMBEDDED:
        return Location(name, import_module(EMBEDDED[name]).origin(), None)
    location: Location = import_module(IN_FOLDER[name]).locate(data_dir or default_dir())
    return location


def _check(name: str) -> None:
    """Raise ``UnknownName`` where there is no data set ``name``."""
    if name not in names():
        raise UnknownName(f"unknown data set {name!r}, {hint(name, names())}")
