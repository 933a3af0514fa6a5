"""A download and the disk: what arrived is flushed, and what cannot be written or read is one line."""

import errno
import os
from pathlib import Path

import pytest

from bench.data.download import Fetcher
from bench.data.part import Part
from bench.errors import DataUnreadable
from tests.unit.download.conftest import MEND, Site, arrives, refused, whole


def test_what_arrived_is_flushed_where_only_what_may_be_written_can_be(
    site: Site, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []

    def flush(descriptor: int) -> None:
        flushed.append(os.write(descriptor, b""))  # fails where it may only be read, as Windows' own does

    monkeypatch.setattr(os, "fsync", flush)
    site.script = [whole()]
    assert arrives(fetcher, site.remote(), tmp_path)
    assert flushed == [0]


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


@pytest.mark.parametrize("name", ["a.bin", "a.bin.part"])
def test_what_is_there_and_cannot_be_read_is_not_said_to_be_unwritable(
    site: Site, fetcher: Fetcher, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "new" / name
    path.mkdir(parents=True)
    with pytest.raises(DataUnreadable, match=f"^{path}: cannot be read: .+; make it a file that can be, or choose "):
        fetcher.fetch(site.remote(), tmp_path, MEND)
    assert site.asked == []
