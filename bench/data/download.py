"""Fetches files from the net into the data folder: patiently, checked, and whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from bench.data import files
from bench.data.part import Part
from bench.data.transfer import Passing, Progress, Spoilt, Trouble, bring
from bench.errors import DataMissing

ENOUGH = 2**20  # bytes: a try that brings so many beyond all earlier ones is no failure


@dataclass(frozen=True)
class Remote:
    """A file on the net.

    ``addresses`` are http or https, of the same bytes, tried in order; ``path`` is where the file goes, relative to
    the data folder; ``md5`` (hexadecimal) is that of the whole file, and so is ``size`` (bytes), ``None`` where it is
    not published.
    """

    addresses: tuple[str, ...]
    path: PurePosixPath
    md5: str
    size: int | None = None


class Unwatched:
    """Is told how a file arrives, and keeps it to itself."""

    def begun(self, done: int, total: int | None) -> None:
        """Say nothing."""

    def advanced(self, count: int) -> None:
        """Say nothing."""

    def waits(self, reason: str) -> None:
        """Say nothing."""


def unwatched(_: Remote) -> AbstractContextManager[Progress]:
    """Return the context that tells nobody."""
    return nullcontext(Unwatched())


@dataclass(frozen=True)
class Fetcher:
    """The permission to download; how patiently, and who is told how it goes.

    ``watch`` returns, for a file that is about to be fetched, a context that lasts as long and is told.
    """

    watch: Callable[[Remote], AbstractContextManager[Progress]] = unwatched
    patience: float = 30  # seconds to wait for a byte
    tries: int = 4  # failures in a row before an address is given up
    pause: Callable[[float], object] = time.sleep  # is called with seconds: 1, 2, 4 between four tries

    def fetch(self, remote: Remote, data_dir: Path, mend: str) -> Path:
        """Return the file of ``remote`` in ``data_dir``, fetched unless it is there with the right md5.

        It appears under its name once it is whole and checked, in place of one whose md5 was wrong; until then, what
        has arrived is kept as ``<name>.part``, and the next call goes on from there. Raises ``DataMissing``: one line
        that names the address and the cause and ends with ``mend``, or that names the file that cannot be written; and
        ``DataUnreadable`` where what is there cannot be read.
        """
        path = data_dir / remote.path
        try:
            if _is_there(path, remote):
                return path
            path.parent.mkdir(parents=True, exist_ok=True)
            with self.watch(remote) as progress, _locked(data_dir, remote, progress):
                if not _is_there(path, remote):  # another process may have fetched it meanwhile
                    self._fetch(remote, Part(path), progress, mend)
        except OSError as error:
            raise files.unwritable(error.filename or path, error) from None
        return path

    def _fetch(self, remote: Remote, part: Part, progress: Progress, mend: str) -> None:
        """Fetch a file from the first address that gives it."""
        if _is_there(part.path, remote):
            part.complete()  # stopped on the very last step
            return
        troubles = []
        for address in remote.addresses:
            try:
                self._from(address, remote, part, progress)
            except Trouble as trouble:
                troubles.append(f"{address}: the download failed: {trouble}")
            else:
                part.complete()
                return
        if not part.size:
            part.discard()
        raise DataMissing(f"{'; '.join(troubles)}; {mend}")

    def _from(self, address: str, remote: Remote, part: Part, progress: Progress) -> None:
        """Bring a file from one address, checked; raise the last ``Trouble`` when it is given up."""
        furthest, failures, afresh = part.size, 0, False
        while True:
            try:
                bring(address, part, size=remote.size, patience=self.patience, progress=progress)
                _check(part, remote)
            except Spoilt:
                part.discard()
                if afresh:
                    raise
                afresh = True
            except Passing as trouble:
                if part.size >= furthest + ENOUGH:
                    furthest, failures = part.size, 0
                failures += 1
                if failures >= self.tries:
                    raise
                seconds = 2.0 ** (failures - 1)
                progress.waits(f"{trouble}; next try in {seconds:g} s")
                self.pause(seconds)
            else:
                return


def _is_there(path: Path, remote: Remote) -> bool:
    """Return whether the file ``path`` is there, and the right one."""
    return path.exists() and files.md5_of(path) == remote.md5


def _check(part: Part, remote: Remote) -> None:
    """Raise ``Spoilt`` where what has arrived is not the file."""
    if part.size == 0:
        raise Spoilt("it is empty there")
    found = files.md5_of(part.path)
    if found != remote.md5:
        raise Spoilt(f"its md5 is {found}, not {remote.md5}")


@contextmanager
def _locked(data_dir: Path, remote: Remote, progress: Progress) -> Iterator[None]:
    """Hold the one lock of a file; it goes when the process ends, however it ends."""
    # In a folder of their own, for they stay: a lock that is removed while another waits for it locks nothing.
    folder = data_dir / ".locks"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{remote.path.as_posix().replace('/', '-')}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.waits("another process is at it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
