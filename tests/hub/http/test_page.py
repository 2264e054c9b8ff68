"""hub/http/page.py: what of the page is sent in which form."""

import gzip
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from hub.app import create_app
from hub.config import Settings
from hub.dashboard import INDEX, read_files
from hub.http.page import _is_own_page, _takes_gzip

BUDGET = 120_000
"""Bytes of the whole page, gzipped (clients.md section 9)."""


class Elements(HTMLParser):
    """Every element with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def application(**settings: object) -> Starlette:
    return create_app(Settings(dev_file=None, port=0, **settings))  # type: ignore[arg-type]


async def get(app: Starlette, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 5))
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, path, headers={"accept-encoding": "identity", **named})


@pytest.mark.accept("W1")
def test_the_whole_page_gzipped_is_within_its_budget_and_names_nothing_elsewhere() -> None:
    files = read_files()
    assert sum(len(file.gzipped) for file in files.values()) < BUDGET
    elements = Elements()
    elements.feed(files[INDEX].body.decode())
    names = {name for _, attributes in elements.found for name in attributes}
    links = [value for _, attributes in elements.found for name in ("src", "href") if (value := attributes.get(name))]
    assert "style" not in {tag for tag, _ in elements.found} | names
    assert [name for name in names if name.startswith("on")] == []
    assert all("src" in attributes for tag, attributes in elements.found if tag == "script")
    assert all(link.startswith(("./assets/", "#")) for link in links)
    assert {link[2:] for link in links if link.startswith("./")} < set(files)


async def test_the_index_is_asked_for_again_each_time_and_told_when_it_is_the_same() -> None:
    app = application()
    first = await get(app, "/")
    again = await get(app, "/", if_none_match=f'"other", W/{first.headers["etag"]}')
    changed = await get(app, "/", if_none_match='"other"')
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-cache")
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "content-security-policy" in again.headers
    assert (changed.status_code, changed.content) == (200, first.content)


async def test_files_whose_name_says_what_they_hold_are_kept_for_ever() -> None:
    app = application()
    for name, file in read_files().items():
        if name == INDEX:
            continue
        answer = await get(app, f"/{name}")
        assert (answer.status_code, answer.content) == (200, file.body)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_who_takes_gzip_gets_it_under_a_tag_of_its_own() -> None:
    app = application()
    plain, packed = await get(app, "/"), await get(app, "/", accept_encoding="br, gzip;q=0.5")
    assert packed.headers["content-encoding"] == "gzip"
    assert (packed.content, "accept-encoding" in packed.headers["vary"].lower()) == (plain.content, True)
    assert packed.headers["etag"] != plain.headers["etag"]
    assert "content-encoding" not in plain.headers
    stale = await get(app, "/", if_none_match=packed.headers["etag"])
    assert stale.status_code == 200


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [("", False), ("gzip", True), ("gzip;q=0", False), ("*", True), ("*, gzip; q=0.0", False), ("br", False)],
)
def test_accept_encoding_is_read_with_its_weights(accepted: str, takes: bool) -> None:
    assert _takes_gzip(accepted) is takes


def test_a_file_is_read_once_with_its_digest(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a.js").write_bytes(b"1")
    files = read_files(tmp_path)
    assert list(files) == ["assets/a.js"]
    assert gzip.decompress(files["assets/a.js"].gzipped) == b"1"
    (tmp_path / "a.exe").touch()
    with pytest.raises(KeyError):
        read_files(tmp_path)


@pytest.mark.parametrize("path", ["/assets/", "/assets/none.js", "/assets/..%2findex.html", "/index.html", "/assets"])
async def test_what_is_no_file_of_the_page_is_404(path: str) -> None:
    answer = await get(application(), path)
    assert (answer.status_code, answer.json()["error"]["error"]) == (404, "not_found")


async def test_the_page_can_be_switched_off_and_have_another_name() -> None:
    off = application(page=False)
    assert (await get(off, "/")).status_code == 404
    named = await get(application(page_title="Tiro Control Center"), "/api/v1/page")
    assert named.json()["data"]["title"] == "Tiro Control Center"


def test_only_the_hubs_own_page_with_nobody_between_is_given_a_token() -> None:
    def asked(**headers: str) -> bool:
        given = {"host": "localhost:8000", **headers}
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
        return _is_own_page(Request({"type": "http", "headers": pairs}))

    assert asked(sec_fetch_site="same-origin")
    assert not asked()
    assert not asked(sec_fetch_site="same-site")
    assert not asked(sec_fetch_site="cross-site")
    assert not asked(sec_fetch_site="same-origin", x_forwarded_for="192.0.2.1")
    assert not asked(sec_fetch_site="same-origin", forwarded="for=192.0.2.1")
    assert asked(sec_fetch_site="same-origin", host="[::1]:8000")
    assert not asked(sec_fetch_site="same-origin", host="hub.example")
