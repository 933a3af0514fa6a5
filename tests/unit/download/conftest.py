"""A server of the test's own, and what a fetch from it must leave in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from threading import Event, Thread

import pytest

from bench.data.download import Fetcher, Remote
from bench.errors import DataMissing

CONTENT = bytes(range(256)) * 1000
OTHER = CONTENT[::-1]
MEND = "try again"


class Handler(BaseHTTPRequestHandler):
    """Answers as the site's script says."""

    server: Server

    def do_GET(self) -> None:
        self.server.site.asked.append(dict(self.headers.items()))
        script = self.server.site.script
        (script.pop(0) if len(script) > 1 else script[0])(self)

    def head(self, status: int, headers: dict[str, object]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def body(self, content: bytes) -> None:
        self.server.site.sent += len(content)
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


Answer = Callable[[Handler], None]


@dataclass
class Site:
    """A server: what it answers, request by request (the last answer for all that follow), and what it was asked."""

    address: str
    script: list[Answer] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0
    closing: Event = field(default_factory=Event)

    def remote(self, size: int | None = None) -> Remote:
        return Remote((f"{self.address}/a",), PurePosixPath("new", "a.bin"), md5(CONTENT), size)


class Server(ThreadingHTTPServer):
    site: Site


@pytest.fixture
def make_site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Site]]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running: list[tuple[Server, Thread]] = []

    def make() -> Site:
        server = Server(("127.0.0.1", 0), Handler)
        server.site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        return server.site

    yield make
    for server, thread in running:
        server.site.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site(make_site: Callable[[], Site]) -> Site:
    return make_site()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def whole(content: bytes = CONTENT, sent: int | None = None, **headers: object) -> Answer:
    """Send a file, or only its first bytes."""

    def answer(handler: Handler) -> None:
        handler.head(200, {"Content-Length": len(content), **{k.replace("_", "-"): v for k, v in headers.items()}})
        handler.body(content[:sent])

    return answer


def ranged(content: bytes = CONTENT) -> Answer:
    """Send what is asked for of a file."""

    def answer(handler: Handler) -> None:
        asked = handler.headers["Range"]
        if not asked:
            handler.head(200, {"Content-Length": len(content)})
            handler.body(content)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(content):
            handler.head(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": 0})
            return
        about = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.head(206, {"Content-Length": len(content) - start, "Content-Range": about})
        handler.body(content[start:])

    return answer


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def fetcher(pauses: list[float]) -> Fetcher:
    return Fetcher(pause=pauses.append)


def files(folder: Path) -> set[str]:
    """Return the names of what a folder shows."""
    return {path.name for path in folder.rglob("*") if path.is_file() and path.parent.name != ".locks"}


def arrives(fetcher: Fetcher, remote: Remote, folder: Path) -> bool:
    path = fetcher.fetch(remote, folder, MEND)
    assert path == folder / remote.path
    assert files(folder) == {path.name}
    return path.read_bytes() == CONTENT


def refused(fetcher: Fetcher, remote: Remote, folder: Path) -> str:
    with pytest.raises(DataMissing) as caught:
        fetcher.fetch(remote, folder, MEND)
    message = str(caught.value)
    assert "\n" not in message
    assert not (folder / remote.path).exists()
    return message
