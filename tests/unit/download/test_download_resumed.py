"""What came before, or comes to another process, is not fetched again."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from bench.data.download import Fetcher, Remote, Unwatched
from bench.data.part import Part
from bench.data.transfer import Progress
from tests.unit.download.conftest import CONTENT, MEND, OTHER, Handler, Site, arrives, ranged, whole


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
