"""Downloads, from a server of the test's own: whole files or none, and one line where the net fails."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import MNIST

from bench import data
from bench.data import mnist, notmnist
from bench.data.download import Fetcher, Remote
from bench.errors import DataMissing

Served = dict[str, tuple[bytes, int]]
"""Path -> (what is sent, the length that is promised)."""


@pytest.fixture
def served() -> Served:
    return {}


@pytest.fixture
def server(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in served:
                self.send_error(404)
                return
            content, promised = served[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def remote(server: str, path: str = "a.bin") -> Remote:
    return Remote((f"{server}/a",), PurePosixPath(path))


def one_line(message: str) -> bool:
    return "\n" not in message


def test_a_whole_file_arrives_under_its_name(server: str, served: Served, tmp_path: Path) -> None:
    served["/a"] = (b"abc" * 100_000, 300_000)
    Fetcher().fetch(remote(server, "new/a.bin"), tmp_path, "try again")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"abc" * 100_000
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.bin"]


def test_a_transfer_that_ends_early_leaves_nothing(server: str, served: Served, tmp_path: Path) -> None:
    served["/a"] = (b"abc", 10)
    with pytest.raises(DataMissing) as caught:
        Fetcher().fetch(remote(server), tmp_path, "try again")
    assert str(caught.value) == f"{server}/a: the download failed: it ended after 3 of 10 bytes; try again"
    assert not list(tmp_path.iterdir())


def test_a_missing_page_is_one_line(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"/a: the download failed: HTTP Error 404: Not Found; try again$"):
        Fetcher().fetch(remote(server), tmp_path, "try again")
    assert not list(tmp_path.iterdir())


def test_a_data_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataMissing, match=r"the download failed: .*; try again$"):
        Fetcher().fetch(remote("http://127.0.0.1:9", "file/a.bin"), tmp_path, "try again")


def letters_archive() -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for index, letter in enumerate("ABCDEFGHIJ"):
            png = io.BytesIO()
            Image.fromarray(np.full((28, 28), index, np.uint8)).save(png, "png")
            member = tarfile.TarInfo(f"notMNIST_small/{letter}/a.png")
            member.size = len(png.getvalue())
            tar.addfile(member, io.BytesIO(png.getvalue()))
    return archive.getvalue()


def test_notmnist_is_downloaded_once(
    server: str, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notmnist, "LAYOUT", replace(notmnist.LAYOUT, counts={"train": 10}))
    monkeypatch.setattr(notmnist, "TRAIN_IMAGES", 6)
    monkeypatch.setattr(notmnist, "ADDRESSES", (f"{server}/{notmnist.ARCHIVE}",))
    content = letters_archive()
    served[f"/{notmnist.ARCHIVE}"] = (content, len(content))
    found = data.load("notmnist", tmp_path / "data", fetcher=Fetcher())
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 6, "test": 4}
    assert found.origin == "notmnist.npz"
    served.clear()
    assert data.load("notmnist", tmp_path / "data", fetcher=Fetcher()).digest == found.digest


@pytest.fixture
def small_mnist(server: str, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve an MNIST of 12 and 5 images as torchvision expects it."""
    monkeypatch.setattr(mnist, "LAYOUT", replace(mnist.LAYOUT, counts={"train": 12, "test": 5}))
    monkeypatch.setattr(mnist, "TRAIN_IMAGES", 9)
    resources = []
    for prefix, count in {"train": 12, "t10k": 5}.items():
        for kind, shape in {"images-idx3": (count, 28, 28), "labels-idx1": (count,)}.items():
            header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
            content = gzip.compress(header + bytes(index % 10 for index in range(int(np.prod(shape)))))
            name = f"{prefix}-{kind}-ubyte.gz"
            served[f"/{name}"] = (content, len(content))
            resources.append((name, hashlib.md5(content, usedforsecurity=False).hexdigest()))
    monkeypatch.setattr(MNIST, "mirrors", [f"{server}/"])
    monkeypatch.setattr(MNIST, "resources", resources)


@pytest.mark.usefixtures("small_mnist")
def test_mnist_is_downloaded_once_by_torchvision(served: Served, tmp_path: Path) -> None:
    found = data.load("mnist", tmp_path / "data", fetcher=Fetcher())
    assert {name: len(held) for name, held in found.splits.items()} == {"train": 9, "validation": 3, "test": 5}
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["mnist.npz"]
    served.clear()
    assert data.load("mnist", tmp_path / "data", fetcher=Fetcher()).digest == found.digest


@pytest.mark.usefixtures("small_mnist")
def test_an_mnist_file_that_is_not_the_official_one_is_refused(served: Served, tmp_path: Path) -> None:
    served["/t10k-labels-idx1-ubyte.gz"] = (gzip.compress(b"other"), len(gzip.compress(b"other")))
    with pytest.raises(DataMissing) as caught:
        data.load("mnist", tmp_path, fetcher=Fetcher())
    assert one_line(str(caught.value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", data.IN_FOLDER)
def test_offline_is_one_line_that_says_the_other_way(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        server = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(MNIST, "mirrors", [f"{server}/"])
    monkeypatch.setattr(notmnist, "ADDRESSES", (f"{server}/{notmnist.ARCHIVE}",))
    with pytest.raises(DataMissing) as caught:
        data.load(name, tmp_path, fetcher=Fetcher())
    message = str(caught.value)
    assert one_line(message)
    assert "the download failed" in message
    assert f"put {name}.npz in the Keras layout into {tmp_path}" in message
    assert not list(tmp_path.iterdir())
