"""The one way of every data set in the data folder: the first place that has it, or a download, and its origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.data import keras_npz
from bench.data.assemble import assemble
from bench.data.dataset import Dataset
from bench.data.download import Fetcher, Remote
from bench.data.keras_npz import Arrays, Layout
from bench.data.location import Location, fetch_command, missing, not_at_hand
from bench.errors import DataInvalid, DataMissing, DataUnreadable
from defenses.base import LabelledImages

UNKNOWN_COPY = "unknown copy"
"""What the origin of a data set says that is none of the known copies."""


@dataclass(frozen=True)
class Found:
    """What a place holds: the arrays, checked.

    ``official`` says that every file they come from has the md5 that torchvision gives it.
    """

    arrays: Arrays
    official: bool = False


@dataclass(frozen=True)
class Place:
    """Where a data set may be: ``name`` is the path, in the data folder unless it is absolute.

    Given the data folder, ``there`` says, without reading it, whether the place has the data set, and ``read`` returns
    it or raises ``DataInvalid`` that names the file.
    """

    name: str
    there: Callable[[Path], bool]
    read: Callable[[Path], Found]


@dataclass(frozen=True)
class Packed:
    """An archive, by its name in the data folder, that ``unpack`` turns, given that folder, into one of the places.

    ``unpack`` raises ``DataInvalid`` where the archive is not what it should be, ``DataMissing`` where the folder
    cannot be written.
    """

    name: str
    unpack: Callable[[Path], None]


@dataclass(frozen=True)
class Kept:
    """How a data set is kept: its layout, the places besides its ``.npz`` file, in order, and its files on the net.

    ``packed`` is looked for after the places. The files on the net, once in the data folder, are one of them all.
    """

    layout: Layout
    places: tuple[Place, ...]
    remotes: Callable[[], tuple[Remote, ...]]
    packed: Packed | None = None

    def locate(self, data_dir: Path) -> Location:
        """Return where the data set is, without reading it."""
        place, packed = self._place(data_dir), self._packed(data_dir)
        if place is not None:
            return Location(self.layout.name, place.name, None)
        if packed is not None:
            return Location(self.layout.name, packed.name, None, packed=True)
        return self._missing(data_dir)

    def source(self, data_dir: Path, fetcher: Fetcher | None) -> Source:
        """Return what the first place that is there holds; with a ``fetcher``, download where there is none.

        A place that is there and invalid raises ``DataInvalid``: it is no reason to go on to the next. With a
        ``fetcher``, where it is the one that is downloaded to, its files whose md5 is wrong are first fetched anew;
        none is where the system cannot read one. Raises ``DataMissing`` where there is none.
        """
        location = self.locate(data_dir)
        if location.mend is not None:
            if fetcher is None:
                raise not_at_hand(location)
            self._fetch(fetcher, data_dir, location.mend)
            return self._read(data_dir)
        try:
            return self._read(data_dir)
        except DataUnreadable:
            raise
        except DataInvalid as invalid:
            if fetcher is None or not self._is_downloaded(location):
                raise
            try:
                self._fetch(fetcher, data_dir, str(invalid))
            except DataMissing as failure:
                raise DataInvalid(str(failure)) from None  # it is there all the same
        return self._read(data_dir)

    def _fetch(self, fetcher: Fetcher, data_dir: Path, mend: str) -> None:
        """Download the files that are not there as they are on the net."""
        for remote in self.remotes():
            fetcher.fetch(remote, data_dir, mend)

    def _is_downloaded(self, location: Location) -> bool:
        """Return whether what was found there is what a download makes, be it a file or the folder of some."""
        return any(remote.path.is_relative_to(str(location.origin)) for remote in self.remotes())

    def _read(self, data_dir: Path) -> Source:
        """Return what the first place holds that is there, or that unpacking the archive makes."""
        packed = self._packed(data_dir)
        if packed is not None and self._place(data_dir) is None:
            packed.unpack(data_dir)
        place = self._place(data_dir)
        if place is None:
            raise not_at_hand(self._missing(data_dir))
        found = place.read(data_dir)
        return Source(self.layout.name, place.name, found.arrays, found.official)

    def _place(self, data_dir: Path) -> Place | None:
        """Return the first place that is there."""
        return next((place for place in (npz(self.layout, self.remotes), *self.places) if place.there(data_dir)), None)

    def _missing(self, data_dir: Path) -> Location:
        """Return the location of what the folder does not hold, with the way to get it."""
        return missing(self.layout.name, data_dir, on_the_net=bool(self.remotes()))

    def _packed(self, data_dir: Path) -> Packed | None:
        """Return the archive where it is there."""
        return self.packed if self.packed is not None and (data_dir / self.packed.name).exists() else None


@dataclass(frozen=True)
class Source:
    """The arrays of the data set ``name`` as they lay in ``place``."""

    name: str
    place: str
    arrays: Arrays = field(repr=False)
    official: bool

    def dataset(
        self,
        splits: Mapping[str, LabelledImages],
        known: Mapping[str, str],
        drawn_from: Arrays | None = None,
        notes: tuple[str, ...] = (),
    ) -> Dataset:
        """Return the data set of these splits, its origin named.

        ``known`` gives the copies that are known: the digest of the arrays that the splits are ``drawn_from`` (those
        of the source, unless others are given) -> what the copy is. A copy is also known where its files are official.
        Any other gets a note, which readers of tables are shown.
        """
        digest = keras_npz.digest(self.arrays if drawn_from is None else drawn_from)
        copy = known.get(digest)
        if copy is None and self.official:
            copy = "the files that torchvision names"
        if copy is None:
            copy = UNKNOWN_COPY
            unknown = f"{UNKNOWN_COPY}: its digest {digest[:12]} is none of the known ones"
            notes = (*notes, f"{unknown}; figures made from it may differ from published ones")
        return assemble(self.name, splits, f"{self.place}: {copy}", notes)


def npz(layout: Layout, remotes: Callable[[], tuple[Remote, ...]]) -> Place:
    """Return the place that is first for every data set: its ``.npz`` file in the Keras layout.

    Where it is damaged, and there are ``remotes``, the mend names the download.
    """

    def read(data_dir: Path) -> Found:
        try:
            return Found(keras_npz.read(data_dir / layout.file, layout))
        except DataUnreadable:
            raise
        except DataInvalid as invalid:
            if not remotes():
                raise
            raise DataInvalid(f"{invalid}, or delete it and run: {fetch_command(layout.name, data_dir)}") from None

    return Place(layout.file, lambda data_dir: (data_dir / layout.file).exists(), read)
