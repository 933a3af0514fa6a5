"""Fetches files from the net into the data folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.error import HTTPError
from urllib.request import urlopen

from bench.errors import DataMissing


@dataclass(frozen=True)
class Remote:
    """A file on the net.

    ``addresses`` are http or https, of the same bytes, tried in order; ``path`` is where the file goes, relative to
    the data folder; ``md5`` (hexadecimal) and ``size`` (bytes) are those of the whole file, ``None`` where they are
    not published.
    """

    addresses: tuple[str, ...]
    path: PurePosixPath
    md5: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Fetcher:
    """The permission to download, and how patiently."""

    patience: float = 30  # seconds without a byte

    def fetch(self, remote: Remote, data_dir: Path, mend: str) -> Path:
        """Return the file of ``remote`` in ``data_dir``, fetched unless it is there.

        Raises ``DataMissing``, one line that ends with ``mend``, where the net or the disk does not let it.
        """
        path = data_dir / remote.path
        if path.exists():
            return path
        address = remote.addresses[0]
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with urlopen(address, timeout=self.patience) as answer, temporary.open("wb") as file:  # noqa: S310  ours
                shutil.copyfileobj(answer, file)
                promised = answer.headers["Content-Length"]
            size = temporary.stat().st_size
            if promised is not None and size != int(promised):
                raise ConnectionError(f"it ended after {size} of {promised} bytes")
            temporary.replace(path)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()  # it holds the connection open
            raise failed(address, error, mend) from None
        finally:
            if temporary.exists():
                temporary.unlink()
        return path


def failed(address: str, error: Exception, mend: str) -> DataMissing:
    """Return the one-line error for a download that ``error`` ended."""
    return DataMissing(f"{address}: the download failed: {' '.join(str(error).split())}; {mend}")
