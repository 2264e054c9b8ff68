"""The Python client with media, encoded payloads and compression against a real hub (B2-B10)."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from neurograph_ws_client import Backoff, BadRequest, Event, Last, NeurographWSClient, State, create_image_message
from websockets.asyncio.client import connect

from tests.support.hub import RunningHub

Start = Callable[..., RunningHub]
SOON = 15.0
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
LINES = json.dumps([f"line {number} of the batch" for number in range(2_000)]).encode()


def client_of(hub: RunningHub, role: str = "admin", **options: Any) -> NeurographWSClient:
    return NeurographWSClient(hub.url, token=hub.token(role), backoff=Backoff(base=0.01, cap=0.05), **options)


@pytest.mark.clause("B4", "B5", "M44")
@pytest.mark.accept("A15", "F3")
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_an_image_is_published_and_received(ws_hub: RunningHub, encoding: Any) -> None:
    async with (
        client_of(ws_hub, encoding=encoding) as source,
        client_of(ws_hub) as text,
        client_of(ws_hub, encoding="msgpack") as packed,
    ):
        readers = [await one.subscribe("actions", start="new") for one in (text, packed)]
        meta: dict[str, Any] = {"format": "png", "width": 64, "height": 32}
        stored = await source.publish_media(
            "actions", PNG, event="shot", content_type="image/png", meta=meta, key="cam-1"
        )
        for reader in readers:
            event = await reader.next(SOON)
            assert (event.data, event.content_type, event.meta, event.key) == (PNG, "image/png", meta, "cam-1")
            assert event.position == stored.position
            assert "data" not in json.loads(event.wire)


@pytest.mark.clause("B9", "B10", "M21")
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_a_payload_that_pays_is_encoded_once_and_opened_by_who_reads(ws_hub: RunningHub, encoding: Any) -> None:
    async with client_of(ws_hub, encoding=encoding) as source, client_of(ws_hub, encoding=encoding) as reader:
        subscription = await reader.subscribe("actions", start="new")
        table = b"".join(b"%d,%d\n" % (number, number * 7) for number in range(2_000))
        for data, content_type in ((LINES, "application/json"), (table, "text/csv"), (b"small", "text/plain")):
            await source.publish_media("actions", data, event="batch", content_type=content_type)
        events = [await subscription.next(SOON) for _ in range(3)]
        assert [event.data for event in events] == [json.loads(LINES), table, b"small"]
        counted = ws_hub.call(lambda hub: dict(hub.counters.values["payloads"]))
        assert counted == {("zlib", "ok"): 2, ("none", "ok"): 1}
        plain: tuple[Any, ...] = (None, "gzip")
        for own in plain:
            with pytest.raises(BadRequest, match="422 content_invalid"):
                await source.publish_media("actions", b"{", event="x", content_type="application/json", encoding=own)


@pytest.mark.clause("R8", "R14")
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_media_is_replayed_to_who_comes_back(start: Start, encoding: Any) -> None:
    hub = start()
    async with client_of(hub) as source:
        async with client_of(hub, encoding=encoding) as first:
            subscription = await first.subscribe("actions", start="new")
            await source.publish_media("actions", PNG, event="a", content_type="image/png")
            assert (await subscription.next(SOON)).data == PNG
            positions = first.positions
        await source.publish_media("actions", LINES, event="b", content_type="application/json")
        await source.publish_media("actions", PNG[::-1], event="c", content_type="image/png")
        async with client_of(hub, encoding=encoding, positions=positions) as second:
            again = second.subscribe("actions")
            # The first one was received, and not yet handled when the former client ended (P5).
            events = [await again.next(SOON) for _ in range(3)]
            assert [event.data for event in events] == [PNG, json.loads(LINES), PNG[::-1]]
            past = await second.history("actions", last=3)
            assert [event.event for event in past] == ["a", "b", "c"]


@pytest.mark.clause("B2", "B3")
async def test_compression_is_negotiated_by_default_and_can_be_left_out() -> None:
    with RunningHub() as hub:
        data = {"values": [f"reading {number}" for number in range(200)]}
        for compression, expected in ((True, 1), (False, 0)):
            async with client_of(hub, compression=compression) as client:
                subscription = await client.subscribe("actions", start="new")
                before: Any = hub.hub.plane.stats()
                await client.publish("actions", data)
                assert (await subscription.next(SOON)).data == data
                after: Any = hub.hub.plane.stats()
                assert after["inflated"] - before["inflated"] == expected
                assert (after["deflated"] - before["deflated"] > 0) is compression


@pytest.mark.clause("B4")
async def test_a_ready_made_message_is_sent_as_it_is(ws_hub: RunningHub) -> None:
    frame = create_image_message(PNG, format="png", width=8, height=8, id=1)
    token = {"Authorization": f"Bearer {ws_hub.token('admin')}"}
    async with client_of(ws_hub) as reader, connect(ws_hub.url, additional_headers=token) as socket:
        subscription = await reader.subscribe("actions", start="new")
        await socket.send(frame)
        event: Event[bytes] = await subscription.next(SOON)
        assert (event.event, event.data, event.meta) == ("image", PNG, {"format": "png", "width": 8, "height": 8})


@pytest.mark.clause("C14", "M12")
async def test_media_and_messages_of_one_moment_keep_their_order(ws_hub: RunningHub) -> None:
    async with client_of(ws_hub) as client:
        subscription = await client.subscribe("actions", start=Last(1))
        await client.wait_for(State.CONNECTED, SOON)
        large = json.dumps([f"entry {number}" for number in range(60_000)]).encode()
        await asyncio.gather(
            client.publish("actions", 1, event="e1"),
            client.publish_media(
                "actions", large, event="e2", content_type="application/json", encoding=None, timeout=SOON
            ),
            client.publish("actions", 3, event="e3"),
        )
        assert [(await subscription.next(SOON)).event for _ in range(3)] == ["e1", "e2", "e3"]
