"""What a user sees of a download: lines, or a bar on a terminal."""

import io
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from bench.console import FetchProgress, Terminal
from bench.data.download import Fetcher
from bench.data.part import Part
from tests.unit.download.conftest import CONTENT, MEND, Site, whole


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
