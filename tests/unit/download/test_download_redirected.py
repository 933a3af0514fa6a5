"""An address that leads elsewhere: to no file by HTTP, the next one is asked."""

import io
from collections.abc import Callable
from dataclasses import replace
from email.message import Message
from pathlib import Path
from urllib.response import addinfourl

import pytest

from bench.data import transfer
from bench.data.download import Fetcher
from tests.unit.download.conftest import CONTENT, Answer, Site, arrives, refused, whole


def leads(to: str) -> Answer:
    return lambda handler: handler.head(302, {"Location": to, "Content-Length": 0})


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("http://[bad/x", "it leads to an address that is none: "),
        ("/a", "HTTP 302 The HTTP server returned a redirect error that would lead to an infinite loop. The last"),
    ],
)
def test_after_a_redirect_to_nowhere_the_next_address_is_asked(
    make_site: Callable[[], Site], fetcher: Fetcher, tmp_path: Path, to: str, told: str
) -> None:
    site, other = make_site(), make_site()
    site.script = [leads(to)]
    assert f"/a: the download failed: {told}" in refused(fetcher, site.remote(), tmp_path)
    other.script = [whole()]
    both = replace(site.remote(), addresses=(f"{site.address}/a", f"{other.address}/a"))
    assert arrives(fetcher, both, tmp_path)


def test_what_does_not_come_by_http_is_no_file(
    site: Site, fetcher: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = addinfourl(io.BytesIO(CONTENT), Message(), "ftp://example.invalid/a")
    monkeypatch.setattr(transfer, "urlopen", lambda *_, **__: answer)
    told = "/a: the download failed: it leads to ftp://example.invalid/a, which is not asked by HTTP"
    assert told in refused(fetcher, site.remote(), tmp_path)
