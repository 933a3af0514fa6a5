"""Writes output files whole or not at all, with one clear error where that fails."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError
from bench.store import write_file


def write(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, making its folder; raise ``BenchError`` that names what cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, data)
    except OSError as error:
        raise BenchError(f"{path}: cannot be written: {error.strerror}; free the disk or name another folder") from None


def read(path: Path) -> str:
    """Return the text of ``path``; raise ``BenchError`` where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}; write it first") from None
