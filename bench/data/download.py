"""Fetches one file from the net into the data folder."""

from __future__ import annotations

import os
import shutil
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from bench.errors import DataMissing

_PATIENCE = 30  # seconds without a byte


def fetch(address: str, path: Path, mend: str) -> None:
    """Fetch ``address`` (http or https) to the file ``path``: to a neighbour first, renamed when whole.

    The folder is made where there is none. Raises ``DataMissing``, one line that ends with ``mend``, where the net or
    the disk does not let it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with urlopen(address, timeout=_PATIENCE) as answer, temporary.open("wb") as file:  # noqa: S310  ours
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


def failed(address: str, error: Exception, mend: str) -> DataMissing:
    """Return the one-line error for a download that ``error`` ended."""
    return DataMissing(f"{address}: the download failed: {' '.join(str(error).split())}; {mend}")
