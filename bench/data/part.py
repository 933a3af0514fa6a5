"""What has arrived of a file, kept beside its place for the next try."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Part:
    """The unfinished download of a file that is to be ``whole``: ``<name>.part``."""

    whole: Path

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.whole.with_name(f"{self.whole.name}.part")

    @property
    def size(self) -> int:
        """How many bytes have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    def append(self) -> IO[bytes]:
        """Open the file for more bytes."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Throw away what has arrived."""
        self.path.unlink(missing_ok=True)

    def complete(self) -> None:
        """Put the file in its place, whole after a loss of power too."""
        with self.path.open("r+b") as file:  # Windows flushes only what may be written
            os.fsync(file.fileno())
        self.path.replace(self.whole)
