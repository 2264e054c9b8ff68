"""`ng-ws repl`: the hub line by line."""

import json
from typing import Any

import pytest
from neurograph_ws_client.testing import FakeHub

from tests.support.program import Process, run


@pytest.mark.accept("L7")
async def test_lines_follow_publish_emit_and_tell() -> None:
    async with FakeHub() as hub:
        process = await Process.start("repl", NG_URL=hub.url)
        await process.noted("/help says what can be typed")
        process.type(b"/sub logs\n")
        await process.noted("following logs")
        process.type(b'/pub logs {"n":1}\n')
        assert "stored on logs at fake1:1" in await process.noted("stored")
        assert json.loads(await process.line())["data"] == {"n": 1}
        process.type(b"disk failing\n")
        assert "token 0 new" in await process.noted("token")
        process.type(b"/emit a.b 1,2,3,4,5,6,7,8\n/subs\n")
        await process.noted("token 1 new")
        assert "logs  active  fake1:1" in await process.noted("logs  ")
        process.type(b"/status\n/ping\n/unsub logs\n/stats\n")
        await process.noted("nobody as developer")
        await process.noted(" ms")
        await process.noted("not following logs")
        assert json.loads(await process.line())["state"] == "connected"
        process.type(b"/quit\n")
        assert (await process.ended())[0] == 0
        assert [one["payload"] for one in await hub.asked("emit", 2) if "payload" in one] == [{"text": "disk failing"}]


@pytest.mark.accept("L6")
async def test_interactive_is_the_same_and_a_mistake_ends_nothing() -> None:
    lines = b"/frob\n/sub\n/sub nope\n/emit a.b 1,2\n/pub logs\n/sub logs priority >=\n/help\n"
    async with FakeHub() as hub:
        code, out, err = await run("-i", stdin=lines, NG_URL=hub.url)
    assert (code, out) == (0, "")
    told = [
        "/frob: expected one of /help",
        "expected /sub CHANNEL [EXPRESSION]",
        "404 unknown_channel: nope is not configured",
        "vector: expected 8 numbers, got 2",
        "expected /pub CHANNEL DATA",
        "--filter: expected a number",
        "/sub CHANNEL [EXPRESSION]   follow a channel",
    ]
    places = [err.index(text) for text in told]
    assert places == sorted(places)


async def test_it_can_be_interrupted_and_a_refused_connection_is_told() -> None:
    async with FakeHub() as hub:
        process = await Process.start("repl", NG_URL=hub.url)
        await process.noted("/help")
        process.interrupt()
        # It ends while its input is still open.
        assert await process.line() == b""
        assert (await process.ended())[0] == 130
    code, _, err = await run("repl", "--url", "ws://127.0.0.1:1/ws")
    assert (code, "connection refused" in err) == (5, True)


async def test_a_filter_goes_with_the_subscription() -> None:
    async with FakeHub() as hub:
        process = await Process.start("repl", NG_URL=hub.url)
        await process.noted("/help")
        process.type(b"/sub logs is_novel and priority >= 150\n")
        asked: list[dict[str, Any]] = await hub.asked("subscribe")
        process.type(b"/quit\n")
        await process.ended()
    assert asked[0]["filter"] == {"data.is_novel": True, "data.priority": {"gte": 150}}
