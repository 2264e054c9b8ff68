"""Between an ASGI WebSocket and a virtual connection: the same messages, and an end that always comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from hub import relay as module
from hub.auth import ANONYMOUS
from hub.connection import Connection, Newcomer
from hub.protocol.subprotocols import CODECS
from hub.relay import Relay
from tests.support.node import PATIENCE, Node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


class Asgi:
    """The server's side of an ASGI connection; `takes` cleared, it takes nothing the hub sends."""

    def __init__(self, node: Node, subprotocol: str | None = None) -> None:
        self.node = node
        self.incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.takes = asyncio.Event()
        self.takes.set()
        self.error: Exception | None = None
        codec = CODECS[subprotocol]
        number = node.plane.attach_virtual(encoding=codec.encoding)
        self.relay = Relay(node.plane, number, self.incoming.get, self._send)
        self.connection: Connection = node.connections.open(number, Newcomer(codec, "::1", ANONYMOUS), self.relay)
        self.task = asyncio.create_task(self.relay.run())

    async def _send(self, message: Any) -> None:
        await self.takes.wait()
        if self.error is not None:
            raise self.error
        self.outgoing.put_nowait(message)

    async def sent(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            return await self.outgoing.get()

    async def ended(self) -> None:
        """The endpoint has returned and the hub has forgotten the connection."""
        async with asyncio.timeout(PATIENCE):
            await self.task
            await self.node.connections.emptied()


async def test_text_goes_both_ways_in_order(node: Node) -> None:
    asgi = Asgi(node)
    for number in range(5):
        asgi.incoming.put_nowait({"type": "websocket.receive", "text": json.dumps({"type": "ping", "id": number})})
    answers = [json.loads((await asgi.sent())["text"]) for _ in range(6)]
    assert [answer["type"] for answer in answers] == ["welcome"] + ["pong"] * 5
    assert [answer.get("id") for answer in answers[1:]] == list(range(5))
    asgi.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asgi.ended()


async def test_msgpack_goes_as_bytes(node: Node) -> None:
    asgi = Asgi(node, "ng-ws.v1.msgpack")
    asgi.incoming.put_nowait({"type": "websocket.receive", "bytes": msgpack.packb({"type": "ping"}), "text": None})
    answers = [msgpack.unpackb((await asgi.sent())["bytes"]) for _ in range(2)]
    assert [answer["type"] for answer in answers] == ["welcome", "pong"]
    asgi.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
    await asgi.ended()
    assert node.connections.closed == {1001: 1}


@pytest.mark.clause("X6")
async def test_a_close_of_the_hub_reaches_the_peer_after_everything_else(node: Node) -> None:
    asgi = Asgi(node)
    node.connections.kick(asgi.connection.session.conn, "be nice")
    sent = [await asgi.sent(), await asgi.sent()]
    assert [message["type"] for message in sent] == ["websocket.send", "websocket.close"]
    assert (sent[1]["code"], sent[1]["reason"]) == (4010, "kicked; be nice")
    await asgi.ended()


@pytest.mark.clause("X2")
@pytest.mark.parametrize(("told", "code"), [({"code": 1006}, 1006), ({}, 1005), ({"code": 3000, "reason": None}, 3000)])
async def test_the_code_of_the_peer_reaches_the_hub(node: Node, told: dict[str, Any], code: int) -> None:
    asgi = Asgi(node)
    await asgi.sent()
    asgi.incoming.put_nowait({"type": "websocket.disconnect", **told})
    await asgi.ended()
    assert node.connections.closed == {code: 1}
    assert asgi.outgoing.empty()


async def test_a_server_that_lost_the_peer_ends_the_connection(node: Node) -> None:
    asgi = Asgi(node)
    asgi.error = OSError("the peer has gone")
    await asgi.ended()
    assert node.connections.closed == {1006: 1}


async def test_an_endpoint_that_is_cancelled_ends_the_connection(node: Node) -> None:
    asgi = Asgi(node)
    await asgi.sent()
    asgi.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asgi.task
    async with asyncio.timeout(PATIENCE):
        await node.connections.emptied()
    assert node.connections.closed == {1006: 1}


@pytest.mark.clause("X6")
async def test_a_peer_that_takes_nothing_does_not_hold_the_end(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    asgi = Asgi(node)
    asgi.takes.clear()
    node.plane.feed_close(asgi.connection.number, 1006, "")
    node.plane.flush()
    await asgi.ended()


async def test_what_is_sent_faster_than_the_plane_takes_it_waits(node: Node) -> None:
    """Nothing is lost and nothing is reordered when the inbox of the plane fills."""
    asgi = Asgi(node)
    large = "x" * 60_000
    for number in range(100):
        text = json.dumps({"type": "ping", "id": number, "pad": large})
        asgi.incoming.put_nowait({"type": "websocket.receive", "text": text})
    answers = [json.loads((await asgi.sent())["text"]) for _ in range(101)]
    assert [answer["id"] for answer in answers[1:]] == list(range(100))
    asgi.incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asgi.ended()
