"""The Python client against a real hub, over both ways a socket takes there."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from neurograph_ws_client import (
    AuthError,
    Backoff,
    BadRequest,
    Channel,
    Closed,
    Event,
    Gap,
    Last,
    NeurographWSClient,
    PermissionDenied,
    RateLimited,
    State,
    TokenRequest,
    UnknownChannel,
)

from tests.support.hub import RunningHub

Start = Callable[..., RunningHub]
SOON = 15.0


def client_of(hub: RunningHub, role: str | None = None, **options: Any) -> NeurographWSClient:
    token = None if role is None else hub.token(role)
    return NeurographWSClient(hub.url, **{"token": token, "backoff": Backoff(base=0.01, cap=0.05), **options})


@pytest.mark.clause("C13", "S5")
@pytest.mark.accept("I1", "A9")
async def test_the_documents_client_receives_metrics_as_anonymous(start: Start) -> None:
    hub = start(metrics_interval=0.2)
    received: asyncio.Queue[str] = asyncio.Queue()
    client = NeurographWSClient(url=hub.url)
    await client.connect()
    client.subscribe(Channel.METRICS, lambda data: received.put_nowait(f"Metrics: {data}"))
    running = asyncio.ensure_future(client.run_forever())
    async with asyncio.timeout(SOON):
        assert (await received.get()).startswith("Metrics: {'")
    assert client.role == "anonymous"
    await client.close()
    await running


@pytest.mark.clause("C18", "C19", "M34", "M46")
@pytest.mark.accept("C11", "K8")
async def test_what_a_bot_emits_reaches_a_developer_and_nobody_without_the_right(ws_hub: RunningHub) -> None:
    async with client_of(ws_hub) as anonymous, client_of(ws_hub, "bot") as bot, client_of(ws_hub, "developer") as dev:
        with pytest.raises(PermissionDenied, match="403 forbidden: role anonymous may not subscribe to signals"):
            await anonymous.subscribe("signals")
        signals = await dev.subscribe(Channel.SIGNALS)
        first = await bot.emit_text("database node 4: disk failing", include_text=True)
        again = await bot.emit_text("Database node 4: DISK failing!")
        assert (first.is_novel, again.is_novel) == (True, False)
        assert again.neighbors[0].token_id == first.token_id
        events = [await signals.next(SOON) for _ in range(2)]
        assert [event["token_id"] for event in events] == [first.token_id, again.token_id]
        assert [event["is_novel"] for event in events] == [True, False]
        assert (events[0].event, events[0]["payload"]) == (
            "signal.input.text",
            {"text": "database node 4: disk failing"},
        )


@pytest.mark.clause("M9", "M30", "M44", "P1")
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_a_publish_reaches_its_subscriber_whole_and_in_order(ws_hub: RunningHub, encoding: Any) -> None:
    data = [{"n": 2**63, "f": 1.5, "s": "Привет", "deep": [{"x": None}]}, None, 3, "text"]
    async with client_of(ws_hub, "admin", encoding=encoding) as admin:
        actions = await admin.subscribe("actions", start="new")
        stored = [
            await admin.publish("actions", value, event="deploy.started", key="api", tags={"env": "prod"})
            for value in data
        ]
        events = [await actions.next(SOON) for _ in data]
        assert [event.data for event in events] == data
        assert [event.position for event in events] == [one.position for one in stored]
        assert (events[0].event, events[0].key, events[0].tags) == ("deploy.started", "api", {"env": "prod"})


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_with_debug_every_frame_is_logged_as_json(
    ws_hub: RunningHub, encoding: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "neurograph_ws_client")
    async with client_of(ws_hub, "admin", encoding=encoding, debug=True) as admin:
        await admin.publish("actions", {"größe": 1})
    lines = [record.getMessage() for record in caplog.records if record.name == "neurograph_ws_client"]
    frames = [(line[:2], json.loads(line[2:])) for line in lines if line[:2] in {"> ", "< "}]
    asked = [(way, frame["type"], frame.get("data")) for way, frame in frames if frame["type"] in {"publish", "ack"}]
    assert asked == [("> ", "publish", {"größe": 1}), ("< ", "ack", None)]


@pytest.mark.clause("M31")
async def test_the_same_mid_is_stored_once(ws_hub: RunningHub) -> None:
    async with client_of(ws_hub, "admin") as admin:
        first, second = [await admin.publish("actions", 1, mid="m-1") for _ in range(2)]
        assert (first.duplicate, second.duplicate, second.position) == (False, True, first.position)
        with pytest.raises(BadRequest, match="409 mid_conflict"):
            await admin.publish("actions", 2, mid="m-1")


@pytest.mark.clause("M24", "M25")
async def test_the_last_entries_are_replayed(ws_hub: RunningHub) -> None:
    async with client_of(ws_hub, "admin") as admin:
        for number in range(5):
            await admin.publish("actions", number)
        actions = admin.subscribe("actions", start=Last(2))
        assert [(await actions.next(SOON)).data for _ in range(2)] == [3, 4]


@pytest.mark.clause("E1", "E2", "E5", "M32", "M33")
async def test_what_is_wrong_raises_by_its_code_and_the_connection_lives(ws_hub: RunningHub) -> None:
    async with client_of(ws_hub, "bot") as bot:
        with pytest.raises(UnknownChannel, match="404 unknown_channel"):
            await bot.subscribe("nope")
        with pytest.raises(BadRequest, match="422 vector_invalid") as refusal:
            await bot.emit("a.b", [0.5] * 7)
        assert refusal.value.path == "vector"
        with pytest.raises(BadRequest, match="422 vector_invalid") as refusal:
            await bot.emit_batch("a.b", [[0.5] * 8, [0.5] * 9])
        assert refusal.value.path == "vectors.1"
        with pytest.raises(PermissionDenied, match="403 forbidden: role bot may not broadcast on actions"):
            await bot.publish("actions", 1)
        with pytest.raises(BadRequest, match="400 unknown_type"):
            await bot.request({"type": "sparkle"})
        assert await bot.ping() < SOON


@pytest.mark.clause("L22", "L23")
@pytest.mark.accept("D1")
async def test_a_bucket_that_is_empty_is_told_with_the_time_to_wait_or_waited_for(start: Start) -> None:
    hub = start(rate_publish="2/20")
    async with client_of(hub, "admin") as admin:
        for number in range(2):
            await admin.publish("actions", number)
        with pytest.raises(RateLimited) as refusal:
            await admin.publish("actions", 2)
        assert refusal.value.retry_after is not None
        assert 0 < refusal.value.retry_after <= 0.05
        assert (await admin.publish("actions", 3, retry=True)).duplicate is False


@pytest.mark.clause("M33", "M46")
async def test_a_batch_has_a_result_for_each_vector(ws_hub: RunningHub) -> None:
    rows = [[row / 10] * 8 for row in range(10)]
    async with client_of(ws_hub, "bot") as bot:
        results = await bot.emit_batch("signal.test", rows, mid="batch-1")
        repeated = await bot.emit_batch("signal.test", rows, mid="batch-1")
    assert len({result.token_id for result in results}) == 10
    assert (results[0].duplicate, repeated[0].duplicate, repeated[0].position) == (False, True, results[0].position)


@pytest.mark.clause("M21")
async def test_operators_see_the_name_of_a_client(ws_hub: RunningHub) -> None:
    async with client_of(ws_hub, "viewer", name="dash", version="1.4") as client:
        await client.ping()
        (seen,) = ws_hub.call(lambda hub: hub.connections.snapshot())
        assert (seen["client"], seen["role"]) == ({"name": "dash", "version": "1.4"}, "viewer")


@pytest.mark.clause("X1", "X5")
async def test_a_kicked_client_stops(ws_hub: RunningHub) -> None:
    async with client_of(ws_hub, "viewer") as client:
        running = asyncio.ensure_future(client.run_forever())
        conn = client.welcome.conn if client.welcome else ""
        assert ws_hub.call(lambda hub: hub.connections.kick(conn))
        async with asyncio.timeout(SOON):
            with pytest.raises(Closed, match="4010 kicked"):
                await running


@pytest.mark.clause("C10", "X1")
async def test_a_bad_credential_never_becomes_anonymous(ws_hub: RunningHub) -> None:
    client = client_of(ws_hub, token="a.b.c")
    with pytest.raises(AuthError, match="login refused: 4101 token_invalid"):
        await client.connect(retry=True)
    assert client.state is State.CLOSED


@pytest.mark.clause("C15", "C16")
async def test_a_token_is_renewed_in_band_before_it_ends(ws_hub: RunningHub) -> None:
    asked: asyncio.Queue[TokenRequest] = asyncio.Queue()

    def fetch(request: TokenRequest) -> str:
        asked.put_nowait(request)
        return ws_hub.token("bot", ttl=3 if request.reason == "initial" else 3600)

    async with client_of(ws_hub, token=fetch) as client:
        conn = client.welcome.conn if client.welcome else ""
        async with asyncio.timeout(SOON):
            assert [(await asked.get()).reason for _ in range(2)] == ["initial", "expiring"]
            while client.welcome is None or (client.welcome.expires_in or 0) < 60:
                await client.ping()
        assert (client.welcome.conn, client.stats().reconnects) == (conn, 0)


@pytest.mark.clause("P10", "X4")
@pytest.mark.accept("E6")
async def test_a_hub_that_is_replaced_is_found_again_and_the_loss_is_told(start: Start) -> None:
    hub = start()
    async with client_of(hub, token=hub.token("admin"), backoff=Backoff(base=0.05, cap=0.2)) as client:
        seen: asyncio.Queue[Event[Any] | Gap] = asyncio.Queue()
        await client.subscribe("actions", seen.put_nowait, gaps=True)
        before = await client.publish("actions", 1)
        lost = asyncio.ensure_future(client.wait_for(State.RECONNECTING, SOON))
        await asyncio.to_thread(hub.stop)
        await lost
        start(port=hub.port)
        await client.wait_for(State.CONNECTED, SOON)
        after = await client.publish("actions", 2)
        async with asyncio.timeout(SOON):
            items: list[Any] = [await seen.get() for _ in range(3)]
        assert (items[0].position, items[2].position, items[2].data) == (before.position, after.position, 2)
        assert (items[1].from_, items[1].missed, items[1].reason) == (before.position, None, "epoch")
