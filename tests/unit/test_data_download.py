"""Downloads, from a server of the test's own: checked and whole or not at all, and one line where the net fails."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from threading import Event, Thread
from urllib.error import URLError

import pytest
from filelock import FileLock
from rich.console import Console

from bench.console import FetchProgress, Terminal
from bench.data import download, transfer
from bench.data.download import Fetcher, Remote, Unwatched
from bench.data.part import Part
from bench.data.transfer import Progress
from bench.errors import DataMissing

CONTENT = bytes(range(256)) * 1000
OTHER = CONTENT[::-1]
MEND = "try again"
PAGE = b"<!DOCTYPE html><title>Please log in</title>"


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


def status(code: int) -> Answer:
    return lambda handler: handler.send_error(code)


def stalls(handler: Handler) -> None:
    """Send half a file, and then nothing."""
    handler.head(200, {"Content-Length": len(CONTENT)})
    handler.body(CONTENT[: len(CONTENT) // 2])
    assert handler.server.site.closing.wait(timeout=60)


def resets(handler: Handler) -> None:
    """Send half a file, and hang up without a word."""
    handler.head(200, {"Content-Length": len(CONTENT)})
    handler.body(CONTENT[: len(CONTENT) // 2])
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    os.close(handler.connection.detach())


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def fetcher(pauses: list[float]) -> Fetcher:
    return Fetcher(pause=pauses.append)


def files(folder: Path) -> set[str]:
    """Return the names of what a folder shows."""
    return {path.name for path in folder.rglob("*") if path.is_file() and path.parent.name != ".locks"}


def refused(fetcher: Fetcher, remote: Remote, folder: Path) -> str:
    with pytest.raises(DataMissing) as caught:
        fetcher.fetch(remote, folder, MEND)
    message = str(caught.value)
    assert "\n" not in message
    assert not (folder / remote.path).exists()
    return message


def arrives(fetcher: Fetcher, remote: Remote, folder: Path) -> bool:
    path = fetcher.fetch(remote, folder, MEND)
    assert path == folder / remote.path
    assert files(folder) == {path.name}
    return path.read_bytes() == CONTENT


class Stopper(Unwatched):
    """Stops a transfer, as Ctrl-C would, when so many bytes have arrived."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advanced(self, count: int) -> None:
        self.left -= count
        if self.left <= 0:
            raise KeyboardInterrupt


def stop(remote: Remote, folder: Path, after: int = 1) -> int:
    """Stop a transfer on its way; return how many bytes are kept."""

    def watch(_: Remote) -> AbstractContextManager[Progress]:
        return nullcontext(Stopper(after))

    with pytest.raises(KeyboardInterrupt):
        Fetcher(watch).fetch(remote, folder, MEND)
    kept = Part(folder / remote.path).size
    assert 0 < kept < len(CONTENT)
    return kept


def test_a_file_arrives_under_its_name(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [whole()]
    assert arrives(fetcher, site.remote(len(CONTENT)), tmp_path)


def test_a_file_of_unspoken_length_arrives(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    def answer(handler: Handler) -> None:
        handler.head(200, {})
        handler.body(CONTENT)

    site.script = [answer]
    assert arrives(fetcher, site.remote(), tmp_path)


def test_a_file_that_is_there_is_kept(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [status(500)]
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.bin").write_bytes(CONTENT)
    assert arrives(fetcher, site.remote(), tmp_path)
    assert site.asked == []


def test_a_file_with_another_md5_is_replaced_once_the_right_one_is_there(
    site: Site, fetcher: Fetcher, tmp_path: Path
) -> None:
    site.script = [status(404), whole()]
    path = tmp_path / "new" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(CONTENT[:5])
    with pytest.raises(DataMissing):
        fetcher.fetch(site.remote(), tmp_path, MEND)
    assert path.read_bytes() == CONTENT[:5]
    assert arrives(fetcher, site.remote(), tmp_path)


@pytest.mark.parametrize("fault", [stalls, resets, whole(sent=1000), status(500), status(503), status(429)])
def test_what_passes_is_tried_again(
    site: Site, fetcher: Fetcher, pauses: list[float], tmp_path: Path, fault: Answer
) -> None:
    site.script = [fault, fault, ranged()]
    if fault is stalls:
        fetcher = replace(fetcher, patience=0.05, tries=100)  # the good answer too may come late on a busy machine
    assert arrives(fetcher, site.remote(), tmp_path)
    assert pauses[:2] == [1, 2]


def test_what_does_not_pass_is_given_up(site: Site, fetcher: Fetcher, pauses: list[float], tmp_path: Path) -> None:
    site.script = [status(503)]
    message = refused(fetcher, site.remote(), tmp_path)
    assert message == f"{site.address}/a: the download failed: HTTP 503 Service Unavailable; {MEND}"
    assert pauses == [1, 2, 4]
    assert files(tmp_path) == set()


def test_a_stall_is_told_and_what_came_is_kept(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [stalls]
    message = refused(replace(fetcher, patience=0.05, tries=1), site.remote(), tmp_path)
    assert message == f"{site.address}/a: the download failed: no byte came for 0.05 seconds; {MEND}"
    assert files(tmp_path) == {"a.bin.part"}


def test_a_transfer_that_ends_early_is_told(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [whole(sent=3)]
    message = refused(fetcher, site.remote(), tmp_path)
    assert message == f"{site.address}/a: the download failed: it ended after 3 of 256000 bytes; {MEND}"


def test_tries_that_bring_much_are_no_failures(
    site: Site, fetcher: Fetcher, pauses: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ENOUGH", 1000)

    def some(handler: Handler) -> None:
        start = int((handler.headers["Range"] or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        about = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/*"} if start else {}
        handler.head(206 if start else 200, {"Content-Length": len(CONTENT) - start, **about})
        handler.body(CONTENT[start : start + 20_000])

    site.script = [some]
    assert arrives(fetcher, site.remote(), tmp_path)
    assert set(pauses) == {1}
    assert len(pauses) == len(CONTENT) // 20_000


@pytest.mark.parametrize("code", [404, 403, 410, 204])
def test_a_refusal_is_not_tried_again(
    site: Site, fetcher: Fetcher, pauses: list[float], tmp_path: Path, code: int
) -> None:
    site.script = [status(code)]
    assert f"/a: the download failed: HTTP {code} " in refused(fetcher, site.remote(), tmp_path)
    assert (len(site.asked), pauses, files(tmp_path)) == (1, [], set())


@pytest.mark.parametrize(
    "answer",
    [
        whole(PAGE, Content_Type="text/html; charset=utf-8"),
        whole(CONTENT, Content_Type="text/html"),
        whole(b"\n  <HTML>", Content_Type="application/gzip"),
        whole(PAGE),
    ],
)
def test_a_web_page_is_no_file(site: Site, fetcher: Fetcher, tmp_path: Path, answer: Answer) -> None:
    site.script = [answer]
    message = refused(fetcher, site.remote(), tmp_path)
    assert message == f"{site.address}/a: the download failed: a web page came instead of the file; {MEND}"
    assert (len(site.asked), files(tmp_path)) == (1, set())


def test_wrong_bytes_are_fetched_once_more_and_never_kept(
    site: Site, fetcher: Fetcher, pauses: list[float], tmp_path: Path
) -> None:
    site.script = [whole(OTHER)]
    message = refused(fetcher, site.remote(), tmp_path)
    assert message.endswith(f"/a: the download failed: its md5 is {md5(OTHER)}, not {md5(CONTENT)}; {MEND}")
    assert (len(site.asked), pauses, files(tmp_path)) == (2, [], set())
    site.script = [whole(OTHER), whole()]
    assert arrives(fetcher, site.remote(), tmp_path)


def test_an_empty_file_is_none(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [whole(b"")]
    assert "the download failed: it is empty there" in refused(fetcher, site.remote(), tmp_path)
    assert files(tmp_path) == set()


def test_a_file_of_another_size_is_refused_before_it_comes(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [whole()]
    message = refused(fetcher, site.remote(size=7), tmp_path)
    assert "the download failed: it has 256000 bytes there, not 7" in message
    assert len(site.asked) == 1


def test_a_dead_mirror_and_then_a_good_one(
    site: Site, make_site: Callable[[], Site], fetcher: Fetcher, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/a"
    pages = make_site()
    pages.script, site.script = [whole(PAGE)], [whole()]
    remote = site.remote()
    assert arrives(fetcher, replace(remote, addresses=(dead, f"{pages.address}/a", *remote.addresses)), tmp_path)


def test_all_that_was_tried_is_told(
    site: Site, make_site: Callable[[], Site], fetcher: Fetcher, tmp_path: Path
) -> None:
    pages = make_site()
    pages.script, site.script = [whole(PAGE)], [status(404)]
    remote = replace(site.remote(), addresses=(f"{site.address}/a", f"{pages.address}/b"))
    assert refused(fetcher, remote, tmp_path) == (
        f"{site.address}/a: the download failed: HTTP 404 Not Found; "
        f"{pages.address}/b: the download failed: a web page came instead of the file; {MEND}"
    )


def test_a_stopped_transfer_goes_on_with_the_rest(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [ranged()]
    kept = stop(site.remote(), tmp_path)
    site.sent = 0
    assert arrives(fetcher, site.remote(), tmp_path)
    assert site.sent == len(CONTENT) - kept
    assert site.asked[-1]["Range"] == f"bytes={kept}-"


def test_a_part_of_another_mirror_is_gone_on_with(
    site: Site, make_site: Callable[[], Site], fetcher: Fetcher, tmp_path: Path
) -> None:
    first = make_site()
    first.script, site.script = [whole(sent=1000)], [ranged()]
    remote = site.remote()
    assert arrives(fetcher, replace(remote, addresses=(f"{first.address}/a", *remote.addresses)), tmp_path)
    assert site.sent == len(CONTENT) - 1000


def test_a_server_without_ranges_sends_all_again(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [whole()]
    stop(site.remote(), tmp_path)
    assert arrives(fetcher, site.remote(), tmp_path)
    assert "Range" in site.asked[1]


def test_a_file_that_changed_meanwhile_is_not_glued_together(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [ranged(OTHER)]
    kept = stop(site.remote(), tmp_path)
    site.script = [ranged()]
    assert arrives(fetcher, site.remote(), tmp_path)
    assert [asked.get("Range") for asked in site.asked] == [None, f"bytes={kept}-", None]


@pytest.mark.parametrize("said", ["bytes 0-9/10", "bytes 5/10", "pages 1-2/3", None])
def test_other_bytes_than_asked_for_are_not_taken(
    site: Site, fetcher: Fetcher, tmp_path: Path, said: str | None
) -> None:
    def other(handler: Handler) -> None:
        handler.head(206, {"Content-Length": 10, **({"Content-Range": said} if said else {})})
        handler.body(OTHER[:10])

    site.script = [ranged()]
    kept = stop(site.remote(), tmp_path)
    site.script = [other, ranged()]
    assert arrives(fetcher, site.remote(), tmp_path)
    assert site.asked[1]["Range"] == f"bytes={kept}-"
    assert "Range" not in site.asked[2]


def test_a_part_longer_than_the_file_is_thrown_away(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [ranged(CONTENT + OTHER)]
    stop(site.remote(), tmp_path)
    Part(tmp_path / "new" / "a.bin").path.write_bytes(CONTENT + OTHER)
    site.script = [ranged()]
    assert arrives(fetcher, site.remote(), tmp_path)


def test_a_part_that_is_whole_is_not_asked_for(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    site.script = [ranged()]
    stop(site.remote(), tmp_path)
    Part(tmp_path / "new" / "a.bin").path.write_bytes(CONTENT)
    site.asked.clear()
    assert arrives(fetcher, site.remote(), tmp_path)
    assert site.asked == []


def test_two_at_once_fetch_a_file_once(site: Site, tmp_path: Path) -> None:
    waiting, results = Event(), list[bool]()

    class First(Unwatched):
        def begun(self, done: int, total: int | None) -> None:
            second.start()
            assert waiting.wait(timeout=60)

    class Second(Unwatched):
        def waits(self, reason: str) -> None:
            assert reason == "another process is at it"
            waiting.set()

    def fetch(progress: Progress) -> None:
        path = Fetcher(lambda _: nullcontext(progress)).fetch(site.remote(), tmp_path, MEND)
        results.append(path.read_bytes() == CONTENT)

    second = Thread(target=fetch, args=[Second()])
    site.script = [whole()]
    fetch(First())
    second.join(timeout=60)
    assert results == [True, True]
    assert len(site.asked) == 1


def test_a_full_disk_is_one_line(site: Site, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.script = [whole()]
    monkeypatch.setattr(Part, "append", lambda self: Path("/dev/full").open("ab"))  # noqa: SIM115  closed by who asked
    path = tmp_path / "new" / "a.bin"
    assert refused(fetcher, site.remote(), tmp_path) == (
        f"{path}: cannot be written: {os.strerror(errno.ENOSPC)}; free some space, or choose another folder with "
        "--data-dir"
    )


def test_a_data_folder_that_cannot_be_is_one_line(site: Site, fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("")
    message = refused(fetcher, site.remote(), tmp_path)
    assert message.startswith(f"{tmp_path / 'new'}: cannot be written: ")
    assert message.endswith("; make the folder writable, or choose another folder with --data-dir")


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), 1),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), 1),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), 4),
        (ConnectionRefusedError(111, "Connection refused"), 4),
    ],
)
def test_what_cannot_be_reached_is_tried_again_where_that_may_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, tries: int
) -> None:
    def ask(*_: object, **__: object) -> None:
        raise URLError(error)

    pauses: list[float] = []

    monkeypatch.setattr(transfer, "urlopen", ask)
    remote = Remote(("https://127.0.0.1/a",), PurePosixPath("a.bin"), md5(CONTENT))
    message = refused(Fetcher(pause=pauses.append), remote, tmp_path)
    assert message == f"https://127.0.0.1/a: the download failed: {error.strerror}; {MEND}"
    assert len(pauses) == tries - 1


@pytest.mark.parametrize("said", [b"", b"nothing\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"])
def test_an_answer_that_is_no_http_is_one_line(fetcher: Fetcher, tmp_path: Path, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(2**16)
                connection.sendall(said)

        thread = Thread(target=answer)
        thread.start()
        remote = Remote((f"http://127.0.0.1:{server.getsockname()[1]}/a",), PurePosixPath("a.bin"), md5(CONTENT))
        assert "/a: the download failed: " in refused(replace(fetcher, tries=1), remote, tmp_path)
        thread.join()


def shown(console: Console, site: Site, folder: Path) -> str:
    terminal = Terminal()
    terminal.err = console
    Fetcher(terminal.fetching, pause=lambda _: None).fetch(site.remote(), folder, MEND)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_lines_of_beginning_waits_and_end_where_there_is_no_terminal(site: Site, tmp_path: Path) -> None:
    site.script = [whole(sent=5), whole()]
    console = Console(file=io.StringIO(), width=100)
    assert shown(console, site, tmp_path) == (
        "fetching a.bin\na.bin: it ended after 5 of 256000 bytes; next try in 1 s\nfetched a.bin, 256.0 kB\n"
    )


def test_a_part_that_was_whole_is_said_to_be(site: Site, tmp_path: Path) -> None:
    part = Part(tmp_path / "new" / "a.bin")
    part.path.parent.mkdir()
    part.path.write_bytes(CONTENT)
    console = Console(file=io.StringIO(), width=100)
    assert shown(console, site, tmp_path) == "fetching a.bin\na.bin is there, nothing was left to fetch\n"


def test_a_file_that_another_process_fetched_is_said_to_be_there(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    (tmp_path / ".locks").mkdir()
    lock = FileLock(tmp_path / ".locks" / "new-a.bin.lock", thread_local=False)
    lock.acquire()

    class Other(io.StringIO):
        """Ends the other process's work as soon as it is told that it is waited for."""

        def write(self, text: str) -> int:
            if "another process" in text:
                path.write_bytes(CONTENT)
                lock.release()
            return super().write(text)

    assert shown(Console(file=Other(), width=100), site, tmp_path) == (
        "fetching a.bin\na.bin: another process is at it\na.bin is there, nothing was left to fetch\n"
    )
    assert site.asked == []


def test_a_bar_on_a_terminal(site: Site, tmp_path: Path) -> None:
    site.script = [whole(sent=5), whole()]
    text = shown(Console(file=io.StringIO(), width=100, force_terminal=True, highlight=False), site, tmp_path)
    assert "fetching" not in text
    assert text.endswith("fetched a.bin, 256.0 kB\n")


def test_a_bar_tells_bytes_and_waits() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    progress = FetchProgress(console, "a[b].bin")
    task = progress._bar.tasks[0]
    progress.begun(10, 1000)
    progress.advanced(90)
    assert (task.completed, task.total) == (100, 1000)
    progress.waits("it ended; next try in 2 s")
    assert task.description == "a[b].bin: it ended; next try in 2 s"
    progress.begun(0, 500)
    assert (task.completed, task.total, task.description) == (0, 500, "a[b].bin")
    with pytest.raises(ValueError, match="no"), progress:
        raise ValueError("no")
    assert "fetched" not in str(console.file.getvalue() if isinstance(console.file, io.StringIO) else "")
