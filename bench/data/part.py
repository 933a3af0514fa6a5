"""What has arrived of a file, kept beside its place for the next try, with what tells its version."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True)
class Part:
    """The unfinished download of a file that is to be ``whole``: ``<name>.part``, and ``<name>.part.json`` on it."""

    whole: Path

    @property
    def path(self) -> Path:
        """Where the bytes are."""
        return self.whole.with_name(f"{self.whole.name}.part")

    @property
    def about(self) -> Path:
        """Where their version is."""
        return self.whole.with_name(f"{self.whole.name}.part.json")

    @property
    def size(self) -> int:
        """How many bytes have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, address: str) -> str | None:
        """Return the ETag or date that ``address`` gave with these bytes, ``None`` where it gave none."""
        try:
            kept = json.loads(self.about.read_bytes())
            version = kept["version"] if kept["address"] == address else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # written by a process that was stopped meanwhile
            return None
        return version if isinstance(version, str) else None

    def begin(self, address: str, version: str | None) -> None:
        """Throw away what has arrived, for the first byte of that version follows."""
        self.discard()
        self.about.write_text(json.dumps({"address": address, "version": version}))

    def append(self) -> IO[bytes]:
        """Open the file for more bytes."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Throw away what has arrived."""
        # In this order: bytes without a version are never taken for those of another.
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def complete(self) -> None:
        """Put the file in its place, whole after a loss of power too."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.whole)
        self.about.unlink(missing_ok=True)


def md5(path: Path) -> str:
    """Return the md5 of a file, in hexadecimal: against accidents, not against forgery."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
