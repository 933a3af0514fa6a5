"""The commands on data sets: what they fetch, how they fail."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import MNIST
from typer.testing import Result

from bench import data, data_commands
from bench.data import mnist, notmnist
from bench.data.download import Fetcher
from bench.tracks import TRACKS

Cli = Callable[..., Result]

KEYBOARD = "interrupted; finished jobs are kept, and what was downloaded; the same command goes on from there"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing between tries."""
    monkeypatch.setattr(data_commands, "Fetcher", partial(Fetcher, pause=lambda _: None))


@pytest.fixture
def net(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that a server shows, from which MNIST (17 images) and notMNIST (10) are to come."""
    folder = tmp_path_factory.mktemp("net")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(MNIST, "mirrors", [address])
        monkeypatch.setattr(MNIST, "resources", small_mnist(folder))
        monkeypatch.setattr(mnist, "LAYOUT", replace(mnist.LAYOUT, counts={"train": 12, "test": 5}))
        monkeypatch.setattr(mnist, "TRAIN_IMAGES", 9)
        (folder / notmnist.ARCHIVE).write_bytes(small_notmnist())
        monkeypatch.setattr(notmnist, "ADDRESSES", (address + notmnist.ARCHIVE,))
        monkeypatch.setattr(notmnist, "MD5", md5(small_notmnist()))
        monkeypatch.setattr(notmnist, "SIZE", len(small_notmnist()))
        monkeypatch.setattr(notmnist, "LAYOUT", replace(notmnist.LAYOUT, counts={"train": 10}))
        monkeypatch.setattr(notmnist, "TRAIN_IMAGES", 6)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder
        server.shutdown()
        thread.join()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def small_mnist(folder: Path) -> list[tuple[str, str]]:
    """Write MNIST's files; return their names and md5s."""
    resources = []
    for prefix, count in {"train": 12, "t10k": 5}.items():
        for kind, shape in {"images-idx3": (count, 28, 28), "labels-idx1": (count,)}.items():
            header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
            pixels = bytes(index % 10 for index in range(int(np.prod(shape))))
            path = folder / f"{prefix}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(header + pixels, mtime=0))
            resources.append((path.name, md5(path.read_bytes())))
    return resources


def small_notmnist() -> bytes:
    archive = io.BytesIO()
    with gzip.GzipFile(fileobj=archive, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for index, letter in enumerate("ABCDEFGHIJ"):
            png = io.BytesIO()
            Image.fromarray(np.full((28, 28), index, np.uint8)).save(png, "png")
            member = tarfile.TarInfo(f"notMNIST_small/{letter}/a.png")
            member.size = len(png.getvalue())
            tar.addfile(member, io.BytesIO(png.getvalue()))
    return archive.getvalue()


@pytest.mark.usefixtures("net")
def test_what_is_fetched_is_at_hand(cli: Cli) -> None:
    result = cli("data", "fetch", "mnist", "notmnist", "mnist")
    assert result.exit_code == 0, result.stderr
    of_mnist, of_notmnist = result.stdout.splitlines()
    assert of_mnist.startswith("mnist: fetched: MNIST/raw")
    assert "; images: train 9, validation 3, test 5" in of_mnist
    assert of_notmnist.startswith("notmnist: fetched: notmnist.npz")
    assert "; images: train 6, test 4; 0 exact duplicates" in of_notmnist
    fetched = [line.split(",")[0] for line in result.stderr.splitlines()]
    names = [name for name, _ in MNIST.resources] + [notmnist.ARCHIVE]
    assert fetched == [f"{verb} {name}" for name in names for verb in ("fetching", "fetched")]
    assert not list(Path("data").rglob("*.part*"))
    again = cli("data", "fetch", "mnist", "notmnist")
    assert (again.exit_code, again.stderr) == (0, "")
    assert again.stdout.startswith("mnist: at hand, nothing to fetch: MNIST/raw")
    assert again.stdout.splitlines()[0].endswith(of_mnist.partition("fetched")[2])


@pytest.mark.usefixtures("net")
@pytest.mark.parametrize(
    "arguments", [("data", "--data-dir", "D", "fetch", "mnist"), ("data", "fetch", "mnist", "--data-dir", "D")]
)
def test_the_folder_may_stand_on_either_side(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).exit_code == 0
    assert data.locate("mnist", Path("D")).origin is not None
    assert not Path("data").exists()


def test_what_a_package_carries_needs_no_fetching(cli: Cli) -> None:
    result = cli("data", "fetch", "digits", "letters")
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first.startswith("digits: nothing to fetch, embedded: scikit-learn ")
    assert second.startswith("letters: nothing to fetch, embedded: matplotlib ")
    assert not Path("data").exists()


def test_a_wrong_name_ends_it_before_anything_is_fetched(cli: Cli, net: Path) -> None:
    result = cli("data", "fetch", "mnist", "notmnits")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: unknown data set 'notmnits', did you mean 'notmnist'?\n"
    assert not Path("data").exists()


def test_a_failure_is_one_line_and_the_others_are_fetched(cli: Cli, net: Path) -> None:
    (net / MNIST.resources[0][0]).write_bytes(b"<html>Not today</html>")
    result = cli("data", "fetch", "mnist", "notmnist")
    assert result.exit_code == 1
    assert result.stdout.startswith("notmnist: fetched: ")
    (error,) = [line for line in result.stderr.splitlines() if not line.startswith("fetch")]
    assert error.startswith(f"error: {MNIST.mirrors[0]}{MNIST.resources[0][0]}: the download failed: a web page came")
    assert "put mnist.npz in the Keras layout into data" in error


def test_a_dry_run_names_what_is_to_be_unpacked_and_unpacks_nothing(
    cli: Cli, net: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRACKS, "digits", replace(TRACKS["digits"], near_tests=("notmnist",)))
    Path("data").mkdir()
    (net / notmnist.ARCHIVE).rename(Path("data", notmnist.ARCHIVE))
    dry = ("run", "--dry-run", "--defenses", "naive", "--attacks", "fgs")
    for arguments in (dry, (*dry, "--download")):
        result = cli(*arguments)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == (
            f"warning: track 'digits' is left out: notmnist: {notmnist.ARCHIVE} is still to be unpacked, which a dry "
            "run does not do; run: python -m bench data fetch notmnist\n"
        )
        assert [path.name for path in Path("data").iterdir()] == [notmnist.ARCHIVE]
    assert cli("data", "fetch", "notmnist").stdout.startswith("notmnist: at hand, nothing to fetch: notmnist.npz: ")
    assert "out:notmnist" in cli(*dry).stdout


@pytest.mark.usefixtures("net")
def test_a_truncated_file_of_a_complete_folder_is_replaced(cli: Cli) -> None:
    whole = cli("data", "fetch", "mnist")
    path = Path("data/MNIST/raw", MNIST.resources[2][0])
    path.write_bytes(path.read_bytes()[:50])
    result = cli("data", "fetch", "mnist")
    assert (result.exit_code, result.stdout) == (0, whole.stdout)
    assert [line.split(",")[0] for line in result.stderr.splitlines()] == [
        f"fetching {path.name}",
        f"fetched {path.name}",
    ]
    assert md5(path.read_bytes()) == MNIST.resources[2][1]


@pytest.mark.usefixtures("net")
def test_plain_files_need_no_fetching_and_a_broken_one_is_passed_over(cli: Cli) -> None:
    cli("data", "fetch", "mnist")
    for path in Path("data/MNIST/raw").glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    plain = cli("data", "fetch", "mnist")
    assert (plain.exit_code, plain.stderr) == (0, "")
    assert plain.stdout.startswith("mnist: at hand, nothing to fetch: MNIST/raw: unknown copy;")
    Path("data/MNIST/raw/t10k-images-idx3-ubyte").write_bytes(b"half")
    assert cli("data", "fetch", "mnist").stdout.startswith("mnist: fetched: MNIST/raw: the files that torchvision")


@pytest.mark.usefixtures("net")
def test_a_truncated_archive_is_replaced(cli: Cli) -> None:
    Path("data").mkdir()
    Path("data", notmnist.ARCHIVE).write_bytes(small_notmnist()[:200])
    result = cli("data", "fetch", "notmnist")
    assert result.exit_code == 0
    assert result.stdout.startswith("notmnist: fetched: notmnist.npz: ")
    assert Path("data", notmnist.ARCHIVE).read_bytes() == small_notmnist()


def test_a_truncated_file_that_cannot_be_replaced_stays_and_is_an_error(cli: Cli, net: Path) -> None:
    cli("data", "fetch", "mnist")
    name = MNIST.resources[2][0]
    (net / name).unlink()
    path = Path("data/MNIST/raw", name)
    path.write_bytes(b"half")
    result = cli("data", "fetch", "mnist")
    assert result.exit_code == 1
    fetching, error = result.stderr.splitlines()
    assert fetching == f"fetching {name}"
    assert error.startswith(f"error: {MNIST.mirrors[0]}{name}: the download failed: HTTP 404 ")
    assert f"; {path}: not a whole file of mnist: " in error
    assert path.read_bytes() == b"half"


def test_what_is_at_hand_and_invalid_is_named(cli: Cli) -> None:
    Path("data").mkdir()
    Path("data/mnist.npz").write_bytes(b"PK\x03\x04 cut off")
    result = cli("data", "fetch", "mnist")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith("error: data/mnist.npz: ")


@pytest.mark.usefixtures("net")
def test_an_interrupted_download_goes_on_where_it_ended(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: object, count: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bench.console.FetchProgress.advanced", interrupt)
        result = cli("data", "fetch", "notmnist")
    assert result.exit_code == 130
    assert result.stderr == f"fetching {notmnist.ARCHIVE}\nerror: {KEYBOARD}\n"
    assert list(Path("data").glob("*.part"))
    assert cli("data", "fetch", "notmnist").exit_code == 0


def test_a_run_fetches_where_it_may(cli: Cli, net: Path) -> None:
    (net / MNIST.resources[0][0]).unlink()
    result = cli("run", "mnist", "--download")
    assert result.exit_code == 1
    missing, error = result.stderr.splitlines()
    assert missing == f"fetching {MNIST.resources[0][0]}"
    assert error.startswith(f"error: track 'mnist' is left out: {MNIST.mirrors[0]}")
    assert "HTTP 404" in error


@pytest.mark.parametrize(
    "command",
    [
        ["data", "--data-dir", "file"],
        ["data", "fetch", "mnist", "--data-dir", "file"],
        ["data", "--data-dir", "file", "fetch", "mnist"],
    ],
)
def test_a_file_in_place_of_the_data_folder_is_named(cli: Cli, command: list[str]) -> None:
    Path("file").write_text("")
    result = cli(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: --data-dir file: is a file; choose a folder\n"


@pytest.mark.parametrize(
    "command", [["data", "fetch"], ["data", "fetc", "mnist"], ["data", "fetch", "mnist", "--every"]]
)
def test_a_command_that_cannot_be_is_refused(cli: Cli, command: list[str]) -> None:
    result = cli(*command)
    assert result.exit_code == 2
    assert "Traceback" not in result.output
