"""What the hub says of itself on its own channels, from the first second (acceptance B6, B7, A17, C13)."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from hub.health import Health, State
from tests.support.hub import RunningHub


@pytest.fixture
async def hub() -> AsyncIterator[RunningHub]:
    running = await asyncio.to_thread(RunningHub.start, metrics_interval=0.1)
    try:
        yield running
    finally:
        await asyncio.to_thread(running.stop)


async def subscribed(ws: ClientConnection, *channels: str, **options: Any) -> None:
    await ws.send(json.dumps({"type": "subscribe", "channels": channels, **options}))


async def events(ws: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    while True:
        message = json.loads(await asyncio.wait_for(ws.recv(), 10))
        if message["type"] == "event":
            yield message


@pytest.mark.accept("B6", "B7", "H1")
@pytest.mark.clause("C21", "S5")
async def test_metrics_carry_three_series_again_and_again(hub: RunningHub) -> None:
    seen: dict[str, list[dict[str, Any]]] = {}
    async with connect(hub.url) as ws:
        await subscribed(ws, "metrics")
        async for event in events(ws):
            seen.setdefault(event["key"], []).append(event)
            if len(seen) == 3 and min(map(len, seen.values())) >= 3:
                break
    assert set(seen) == {"n1/system", "n1/core", "n1/hub"}
    assert {event["event"] for event in seen["n1/core"]} == {"core_metrics"}
    assert seen["n1/system"][-1]["data"]["connections"] == 1
    assert seen["n1/hub"][-1]["data"]["subscribers"]["metrics"] == 1
    assert seen["n1/system"][-1]["tags"] == {"node": "n1"}
    gaps = [b["ts"] - a["ts"] for a, b in zip(seen["n1/hub"][1:], seen["n1/hub"][2:], strict=False)]
    assert all(0.05 < gap < 2 for gap in gaps)


@pytest.mark.accept("A17")
@pytest.mark.clause("C21")
async def test_status_tells_a_part_that_fails(hub: RunningHub) -> None:
    async with connect(hub.url) as ws:
        await subscribed(ws, "status")
        await asyncio.to_thread(
            hub.call, lambda one: one.health.add("broker", lambda: Health(State.DEGRADED, "for a test"))
        )
        async for event in events(ws):
            if event["key"] == "broker" and event["data"]["state"] == "degraded":
                break
    assert event["data"]["detail"] == "for a test"


@pytest.mark.accept("G5", "C13")
async def test_the_hubs_own_log_is_a_channel_and_holds_no_token(hub: RunningHub) -> None:
    wrong = hub.token("admin")[:-4] + "AAAA"
    async with connect(f"{hub.url}?token={hub.token('developer')}") as ws:
        await subscribed(ws, "logs")
        async with httpx.AsyncClient() as client:
            await client.get(f"{hub.http_url}/api/v1/status", headers={"Authorization": f"Bearer {wrong}"})
        async for event in events(ws):
            if event["event"] == "auth.refused":
                break
    assert event["data"]["reason"] == "token_invalid"
    assert event["tags"] == {"level": "info", "node": "n1"}
    assert wrong not in json.dumps(event)


@pytest.mark.accept("P12", "G19")
@pytest.mark.clause("C22")
async def test_connections_tells_who_comes_and_goes(hub: RunningHub) -> None:
    async with connect(f"{hub.url}?token={hub.token('admin')}") as ws:
        # Bare it would be `latest`, which keeps the right to tell only of the end.
        await subscribed(ws, "connections", **{"from": "new", "delivery": "all"})
        async with connect(f"{hub.url}?token={hub.token('bot', 'b-9')}"):
            pass
        seen = []
        async for event in events(ws):
            if event["data"]["user"] == "b-9":
                seen.append((event["event"], event["data"]["role"]))
            if len(seen) == 2:
                break
    assert seen == [("join", "bot"), ("leave", "bot")]


async def test_a_revocation_reaches_who_is_connected(hub: RunningHub) -> None:
    """id5: within a second, with 4103."""
    async with connect(f"{hub.url}?token={hub.token('viewer', 'eve')}") as ws:
        await asyncio.wait_for(ws.recv(), 10)
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"{hub.http_url}/api/v1/auth/revoke", json={"subject": "eve"}, headers=hub.headers("admin")
            )
        assert answer.status_code == 200
        await asyncio.wait_for(ws.wait_closed(), 2)
    assert ws.close_code == 4103
