"""A bare WebSocket client, written from PROTOCOL.md alone, on a hub that was just started."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.hub import RunningHub

VECTOR = [0.12, 0.5, 0.33, 0.08, 0.91, 0.4, 0.27, 0.66]


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    running = await asyncio.to_thread(RunningHub.start, metrics_interval=0.2)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.stop)


async def say(ws: ClientConnection, **message: Any) -> None:
    await ws.send(json.dumps(message))


async def hear(ws: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a type; what comes before it is of no interest here."""
    while True:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(ws.recv(), 10))
        if message["type"] == kind:
            return message


@pytest.mark.clause("C13", "C21", "M40", "M44", "S5")
@pytest.mark.accept("A1", "A3", "I4", "B6")
async def test_anonymous_receives_real_metrics_and_is_refused_signals(hub: RunningHub) -> None:
    async with connect(hub.url) as ws:
        welcome = await hear(ws, "welcome")
        await say(ws, type="subscribe", channel="metrics")
        subscribed = await hear(ws, "subscribed")
        event = await hear(ws, "event")
        while event["event"] != "system_metrics":
            event = await hear(ws, "event")
        await say(ws, type="subscribe", id=7, channel="signals")
        refused = await hear(ws, "error")
    assert welcome["role"] == "anonymous"
    assert subscribed["channels"]["metrics"]["delivery"] == "latest"
    assert event["data"]["memory_mb"] > 1
    assert (refused["id"], refused["code"], refused["error"]) == (7, 403, "forbidden")


@pytest.mark.clause("C19", "M32", "M34", "M35", "M46")
@pytest.mark.accept("C11", "K2", "N2", "N18")
async def test_what_a_bot_emits_reaches_a_developer_with_novelty_and_neighbours(hub: RunningHub) -> None:
    async with (
        connect(f"{hub.url}?token={hub.token('developer')}") as developer,
        connect(hub.url, additional_headers={"Authorization": f"Bearer {hub.token('bot')}"}) as bot,
    ):
        await say(developer, type="subscribe", channel="signals")
        await hear(developer, "subscribed")
        emitted = []
        for number in range(2):
            await say(bot, type="emit", id=number, event_type="signal.input.text", vector=VECTOR, priority=200)
            emitted.append(await hear(bot, "emitted"))
        events = [await hear(developer, "event") for _ in emitted]
    first, second = emitted
    assert [event["data"]["token_id"] for event in events] == [first["token_id"], second["token_id"]]
    assert [event["data"]["is_novel"] for event in events] == [True, False]
    assert second["neighbors"] == [{"token_id": first["token_id"], "distance": 0.0}]
    assert events[1]["data"]["neighbors"] == second["neighbors"]
    assert events[1]["offset"] == events[0]["offset"] + 1
    assert events[0]["data"]["vector"] == VECTOR


@pytest.mark.clause("M1")
@pytest.mark.accept("A4")
async def test_the_old_form_of_subscribe_is_answered_with_the_right_one(hub: RunningHub) -> None:
    async with connect(hub.url) as ws:
        await say(ws, subscribe="metrics")
        error = await hear(ws, "error")
        await say(ws, type="ping", t=1)
        assert (await hear(ws, "pong"))["t"] == 1
    assert (error["code"], error["error"]) == (400, "bad_message")
    assert '{"type":"subscribe","channel":"metrics"}' in error["message"]
