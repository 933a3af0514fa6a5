"""A file comes checked and whole or not at all, and what fails is one line."""

import os
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from threading import Thread
from urllib.error import URLError

import pytest

from bench.data import download, transfer
from bench.data.download import Fetcher, Remote
from bench.errors import DataMissing
from tests.unit.download.conftest import (
    CONTENT,
    MEND,
    OTHER,
    Answer,
    Handler,
    Site,
    arrives,
    files,
    md5,
    ranged,
    refused,
    whole,
)

PAGE = b"<!DOCTYPE html><title>Please log in</title>"


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
