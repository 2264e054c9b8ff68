"""Payloads that are no plain JSON: what is wrong with them, and which are looked into beside the loop (B8, L9)."""

import asyncio
import gzip
import zlib
from functools import partial
from typing import TYPE_CHECKING

import pytest

from channels.publication import Content
from hub.contents import AT_ONCE, Contents
from hub.counters import Counters
from hub.session import Policy

if TYPE_CHECKING:
    from hub.protocol.errors import Refusal

JPEG, JSON = Content("image/jpeg"), Content("application/json")
GZIP = Content("application/json", "gzip")
packed = partial(gzip.compress, mtime=0)
"""The same bytes at each call: they are part of the names of tests, and every worker has to find the same ones."""
POLICY = Policy(max_decoded=1_000_000, max_ratio=50)


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def contents(counters: Counters) -> Contents:
    return Contents(counters)


@pytest.mark.clause("B8", "L9", "E2")
@pytest.mark.parametrize(
    ("data", "content", "expected"),
    [
        (b"\xff\xd8", JPEG, None),
        (b"{}", JSON, None),
        (b"{", JSON, ("content_invalid", "data", None)),
        (packed(b"[1]"), GZIP, None),
        (packed(b"[1"), GZIP, ("content_invalid", "data", None)),
        (b"[1]", GZIP, ("content_invalid", "data", None)),
        (packed(b" " * 9_000 + b"1"), GZIP, ("too_large", "data", 50)),
        (zlib.compress(bytes(range(250)) * 5_000, 0), Content("text/plain", "zlib"), ("too_large", "data", 1_000_000)),
    ],
)
def test_a_payload_is_taken_or_told_what_is_wrong(
    contents: Contents, counters: Counters, data: bytes, content: Content, expected: tuple[str, str, int | None] | None
) -> None:
    found = contents.fault(data, content, POLICY)
    assert (None if found is None else (found.error, found.path, found.limit)) == expected
    assert found is None or found.message.startswith("data: ")
    label = content.encoding or "none", "ok" if expected is None else expected[0]
    assert counters.values["payloads"] == {label: 1}


@pytest.mark.clause("B8")
@pytest.mark.parametrize(
    ("data", "content", "is_much"),
    [
        (bytes(4 * AT_ONCE), JPEG, False),
        (b" " * AT_ONCE, JSON, False),
        (b" " * AT_ONCE + b" ", JSON, True),
        (zlib.compress(bytes(AT_ONCE)), Content("text/plain", "zlib"), False),
        (zlib.compress(bytes(AT_ONCE + 1)), Content("text/plain", "zlib"), True),
        (bytes(AT_ONCE + 1), GZIP, True),
        (b"no gzip", GZIP, False),
    ],
)
def test_what_takes_long_is_known_before(contents: Contents, data: bytes, content: Content, is_much: bool) -> None:
    assert contents.is_much(data, content) is is_much


@pytest.mark.clause("B8")
async def test_a_thread_looks_and_the_loop_hears_it(contents: Contents, counters: Counters) -> None:
    answers: asyncio.Queue[Refusal | None] = asyncio.Queue()
    for data in (packed(b"[1]"), b"no gzip"):
        contents.fault_later(data, GZIP, POLICY, answers.put_nowait)
    found = [await asyncio.wait_for(answers.get(), 10) for _ in range(2)]
    assert sorted("ok" if one is None else one.error for one in found) == ["content_invalid", "ok"]
    assert counters.values["payloads"] == {("gzip", "ok"): 1, ("gzip", "content_invalid"): 1}
    contents.stop()
    contents.stop()
