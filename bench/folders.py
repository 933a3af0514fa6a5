"""Looks at the folders that a user names, before any work is done for them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.errors import InvalidConfig


def check_folder(option: str, folder: Path, *, writable: bool) -> None:
    """Raise ``InvalidConfig`` where a path, given by an option, is no folder, or not ``writable`` where it must be.

    A folder that must be writable is made.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidConfig(f"{option} {folder}: is a file; choose a folder")
    if not writable:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InvalidConfig(f"{option} {folder}: {error.strerror}; choose a folder that can be written") from None
