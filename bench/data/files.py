"""Files of the data folder: their md5, and writing them whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.errors import DataMissing
from bench.store import write_file


def md5(content: bytes) -> str:
    """Return the md5 of a file's content, 32 hexadecimal digits: what the publishers of data sets give."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def put(path: Path, content: bytes) -> None:
    """Write the file ``path``, whole or not at all, and its folder; raise ``DataMissing`` where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    except OSError as error:
        mend = "make the folder writable, or choose another with --data-dir"
        raise DataMissing(f"{path}: cannot be written: {error.strerror or error}; {mend}") from None
