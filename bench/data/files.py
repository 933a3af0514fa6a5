"""Files of the data folder: their md5s, reading those whose md5 is known, writing them whole, and why that failed."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.errors import DataInvalid, DataMissing, DataUnreadable
from bench.store import write_file


def md5(content: bytes) -> str:
    """Return the md5 of a file's content, 32 hexadecimal digits: what the publishers of data sets give."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def md5_of(path: Path) -> str:
    """Return the md5 of a file however large: against accidents, not against forgery.

    Raises ``DataUnreadable`` where the system cannot read it.
    """
    with readable(path), path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def official(path: Path, known: str, mend: str) -> bytes:
    """Return what the file ``path`` holds; raise ``DataInvalid`` where its md5 is not the ``known`` one."""
    with readable(path):
        content = path.read_bytes()
    check(path, md5(content), known, mend)
    return content


def check(path: Path | str, found: str, known: str, mend: str) -> None:
    """Raise ``DataInvalid`` where the md5 ``found`` of a file is not the ``known`` one, which torchvision gives."""
    if found != known:
        raise DataInvalid(f"{path}: not the file that torchvision names: its md5 is {found}, not {known}; {mend}")


def put(path: Path, content: bytes) -> None:
    """Write the file ``path``, whole or not at all, and its folder; raise ``DataMissing`` where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raise ``DataUnreadable`` where the system cannot read the file ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # gzip's word for a broken file
            raise
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> DataUnreadable:
    """Return the one-line error for a file of the data folder that cannot be read."""
    return DataUnreadable(
        f"{path}: cannot be read: {error.strerror or error}; make it a file that can be, or choose another folder with "
        "--data-dir"
    )


def unwritable(path: Path | str, error: OSError) -> DataMissing:
    """Return the one-line error for a file of the data folder that cannot be written."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    mend = "free some space" if full else "make the folder writable"
    return DataMissing(
        f"{path}: cannot be written: {error.strerror or error}; {mend}, or choose another folder with --data-dir"
    )
