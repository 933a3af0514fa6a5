"""One try at bringing a file over HTTP: the whole of it, or the rest where a part has arrived."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Protocol
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from bench.data.part import Part

CHUNK = 2**16  # bytes, at most, between two writes
AGAIN = {408, 425, 429, 500, 502, 503, 504}
"""HTTP's answers that another try may change."""

OK, PARTIAL, BEYOND = 200, 206, 416  # HTTP: here is all of it; here is the part asked for; there is no such part


class Trouble(Exception):
    """Why an address did not give the file."""


class Passing(Trouble):
    """A trouble that may be gone when the address is tried again."""


class Spoilt(Trouble):
    """A trouble with what has arrived: it is to be thrown away."""


class Progress(Protocol):
    """Is told how a file arrives."""

    def begun(self, done: int, total: int | None) -> None:
        """Bytes follow; ``done`` of ``total`` (``None``: unknown) are at hand."""

    def advanced(self, count: int) -> None:
        """So many more bytes have arrived."""

    def waits(self, reason: str) -> None:
        """For some time none will arrive."""


def bring(address: str, part: Part, *, size: int | None, patience: float, progress: Progress) -> None:
    """Bring to ``part`` what it lacks of the file at ``address``; whether it is the right file is for others to check.

    ``size`` (bytes) is that of the whole where it is known; ``patience`` (seconds) is how long to wait for a byte.
    Raises ``Trouble``, and ``OSError`` where the disk is at fault.
    """
    offset = part.size
    with _asked(address, offset, patience) as answer:
        _check_type(answer)
        start, total = _place(answer, offset)
        if size is not None and total not in {None, size}:
            raise Trouble(f"it has {total} bytes there, not {size}")
        total = total if size is None else size
        if start == 0:
            part.discard()
        progress.begun(start, total)
        done = start
        with part.append() as file:
            for chunk in _chunks(answer, None if total is None else total - start, patience):
                if done == 0:
                    _check_beginning(chunk)
                file.write(chunk)
                file.flush()
                done += len(chunk)
                progress.advanced(len(chunk))
    if total is not None and done < total:
        raise Passing(f"it ended after {done} of {total} bytes")


@contextmanager
def _asked(address: str, offset: int, patience: float) -> Iterator[HTTPResponse]:
    """Ask for a file from byte ``offset`` on; raise ``Trouble`` where the answer is none."""
    headers = {"User-Agent": "rejectbench", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    request = Request(address, headers=headers)  # noqa: S310  ours: http or https
    try:
        answer = urlopen(request, timeout=patience)  # noqa: S310
    except HTTPError as error:
        error.close()  # it holds the connection open
        said = _said(f"HTTP {error.code} {error.reason}", patience)
        if error.code == BEYOND:
            raise Spoilt(said) from None
        raise (Passing if error.code in AGAIN else Trouble)(said) from None
    except URLError as error:
        raise (Trouble if _lasts(error.reason) else Passing)(_said(error.reason, patience)) from None
    except (OSError, HTTPException) as error:
        raise Passing(_said(error, patience)) from None
    except ValueError as error:
        raise Trouble(f"it leads to an address that is none: {_said(error, patience)}") from None
    with answer:
        if not isinstance(answer, HTTPResponse):
            raise Trouble(f"it leads to {answer.url}, which is not asked by HTTP")
        yield answer


def _lasts(error: object) -> bool:
    """Return whether a connection is as little there in a few seconds: a false certificate, a name without address."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_NONAME
    return isinstance(error, ssl.SSLCertVerificationError)


def _said(error: object, patience: float) -> str:
    """Return what went wrong on the net, in one line."""
    if isinstance(error, TimeoutError):
        return f"no byte came for {patience:g} seconds"
    told = getattr(error, "strerror", None) or str(error)
    return " ".join(told.split()) or type(error).__name__


def _place(answer: HTTPResponse, offset: int) -> tuple[int, int | None]:
    """Return with which byte of the file an answer begins, and how many the file has, ``None`` where it is unsaid."""
    if answer.status == OK:
        length = answer.headers["Content-Length"]
        return 0, int(length) if length and length.isdecimal() else None
    if answer.status != PARTIAL or not offset:
        raise Trouble(f"HTTP {answer.status} {answer.reason}".strip())
    said = str(answer.headers["Content-Range"])
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", said)
    if found is None or int(found[1]) != offset:
        raise Spoilt(f"asked for bytes {offset} and on, it answered with {said}")
    return offset, int(found[2]) + 1 if found[3] == "*" else int(found[3])


def _chunks(answer: HTTPResponse, count: int | None, patience: float) -> Iterator[bytes]:
    """Yield the bytes of an answer as they come, ``count`` at most; fewer where it ends early."""
    left = count
    while left is None or left > 0:
        try:
            chunk = answer.read1(CHUNK if left is None else min(CHUNK, left))
        except (OSError, HTTPException) as error:
            raise Passing(_said(error, patience)) from None
        if not chunk:
            return
        left = None if left is None else left - len(chunk)
        yield chunk


def _check_type(answer: HTTPResponse) -> None:
    """Raise ``Trouble`` where an answer says that it is a web page."""
    if answer.headers.get_content_type() in {"text/html", "application/xhtml+xml"}:
        raise Trouble("a web page came instead of the file")


def _check_beginning(chunk: bytes) -> None:
    """Raise ``Trouble`` where the first bytes of a file are those of a web page."""
    if chunk.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise Trouble("a web page came instead of the file")
