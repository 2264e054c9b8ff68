"""`ng-ws top`: figures without a screen, and the screen on a terminal of its own."""

import asyncio
import os
import pty
import sys
from typing import Any

import pytest
from neurograph_ws_client import HubError
from ng_ws.settings import Flags, resolved
from ng_ws.top.model import Model, Reading

from tests.support.hub import RunningHub
from tests.support.program import run
from tests.support.ws import Peer

pytest.importorskip("textual", reason="the live view needs the extra tui of ng-ws")


def reading(at: float, appended: int, *, gaps: int = 0, connections: Any = (), refusal: str = "") -> Reading:
    channels = [
        {"name": "logs", "appended": 5, "subscribers": 0, "entries": 5, "bytes": 100, "position": "a:5"},
        {"name": "signals", "appended": appended, "subscribers": 2, "entries": 9, "bytes": 2500, "position": "b:9"},
    ]
    status = {"node": "n1", "state": "ready", "uptime_s": 61, "version": "0.1.0", "connections": 2, "memory_mb": 80.5}
    hub = {"events_in_per_sec": 200.0, "latency_p99_ms": None, "gaps": gaps}
    metrics = {"hub": hub, "core": {"novel_ratio": 0.25}, "system": {}}
    return Reading(at, status, metrics, channels, connections, len(connections or ()), refusal)


def connection(name: str, user: str, since: float, *channels: str) -> dict[str, Any]:
    about = {"id": name, "user": user, "role": "bot", "address": "10.0.0.1", "state": "ready"}
    return {**about, "client": {"name": "x\x1b[2J"}, "since": since, "subscriptions": list(channels)}


def test_rates_are_what_happened_between_two_readings_and_the_busiest_channel_is_first() -> None:
    model = Model()
    model.take(reading(10.0, 100))
    assert [row[:2] for row in model.channels()] == [("logs", "0.0"), ("signals", "0.0")]
    model.take(reading(12.0, 500, gaps=3))
    assert [row[:3] for row in model.channels()] == [("signals", "200.0", "2"), ("logs", "0.0", "0")]
    first, second, third = model.headlines()
    assert "n1  ready  up 61 s" in first
    assert "gaps 3 (+3)" in second
    assert "p99 - ms" in second
    assert "novel 25.0 %" in third


def test_connections_are_chosen_ordered_and_harmless() -> None:
    model = Model()
    rows = [connection("c-2", "ann", 50.0, "logs"), connection("c-1", "bob", 90.0, "logs", "status")]
    model.take(reading(1.0, 1, connections=rows))
    assert [row[0] for row in model.connections(100.0)] == ["c-1", "c-2"]
    assert "\x1b" not in model.connections(100.0)[0][3]
    model.wanted = "ANN"
    assert [row[1] for row in model.connections(100.0)] == ["ann"]
    assert model.footing().startswith("1 of 2 connections with 'ANN', by connection")
    model.wanted = ""
    orders = {}
    for _ in range(5):
        column = model.next_sort()
        orders[column] = [row[0] for row in model.connections(100.0)]
    assert orders["since"] == ["c-2", "c-1"]
    assert orders["follows"] == ["c-1", "c-2"]
    assert orders["connection"] == ["c-1", "c-2"]


def test_a_hub_that_does_not_answer_and_a_role_that_may_not_see_are_told() -> None:
    model = Model()
    model.failed(HubError("cannot connect"))
    assert model.headlines()[0] == "cannot connect"
    model.take(reading(1.0, 1, connections=None, refusal="role viewer may not do this"))
    assert "role viewer may not do this (ng-ws token new --role admin)" in model.footing()
    model.failed(HubError("gone"))
    assert "NOT ANSWERING: gone" in model.headlines()[0]


async def test_keys_filter_sort_show_a_story_and_kick() -> None:
    from ng_ws.top.screen import StoryScreen, Top

    with RunningHub() as hub, Peer(hub, "viewer", subject="ann") as ann, Peer(hub, "bot", subject="bob"):
        environ = {"NG_URL": hub.url, "NG_TOKEN": hub.token("admin")}
        app = Top(resolved(Flags(), environ))
        async with app.run_test(size=(140, 40)) as pilot:
            await app.refresh_figures()
            assert {row[1] for row in app.model.connections()} == {"ann", "bob"}
            await pilot.press("s")
            assert app.model.sort == "user"
            await pilot.press("slash", *"ann", "enter")
            assert [row[1] for row in app.model.connections()] == ["ann"]
            await pilot.press("enter")
            await until(lambda: isinstance(app.screen, StoryScreen), pilot)
            story = str(app.screen.query_one("Static").render())
            assert "ann as viewer" in story
            await pilot.press("escape", "k")
            await until(lambda: len(app.screen_stack) == 2, pilot)
            await pilot.press("y")
            assert await asyncio.to_thread(ann.closed) == (4010, "kicked")
            await pilot.press("q")


async def until(is_so: Any, pilot: Any) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await pilot.pause(0.02)


async def test_on_a_terminal_it_draws_and_q_ends_it() -> None:
    with RunningHub(node="node-7") as hub:
        main, other = pty.openpty()
        environ = {**os.environ, "NG_URL": hub.url, "NG_TOKEN": hub.token("admin"), "TERM": "xterm-256color"}
        command = (sys.executable, "-m", "ng_ws", "top")
        process = await asyncio.create_subprocess_exec(*command, stdin=other, stdout=other, stderr=other, env=environ)
        os.close(other)
        try:
            drawn = b""
            async with asyncio.timeout(60):
                while b"node-7" not in drawn:
                    drawn += await asyncio.to_thread(os.read, main, 65_536)
                os.write(main, b"q")
                draining = asyncio.create_task(asyncio.to_thread(drain, main))
                assert await process.wait() == 0
                await draining
        finally:
            os.close(main)


def drain(descriptor: int) -> None:
    """Read until the other side is gone: a terminal that nobody reads would hold it up."""
    try:
        while os.read(descriptor, 65_536):
            pass
    except OSError:
        return


async def test_into_a_pipe_it_says_where_the_figures_are() -> None:
    code, out, err = await run("top")
    assert (code, out) == (2, "")
    assert "top: expected a terminal, got a pipe or a file" in err
    assert "ng-ws status --format json" in err
