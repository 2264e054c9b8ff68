"""What is asked for while the connection is away: refused, or waiting for it in order where a queue was asked for."""

import asyncio
from typing import Any

import pytest
from neurograph_ws_client import Disconnected, NeurographWSClient, RequestTimeout, State
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, client_of

VECTOR = [0.1] * 8


async def away(hub: FakeHub, **options: Any) -> tuple[NeurographWSClient, int]:
    """A client whose hub is gone, and the port at which it is to come back."""
    client = client_of(hub, **options)
    await client.connect()
    port = int(client.url.rpartition(":")[2].partition("/")[0])
    lost = asyncio.ensure_future(client.wait_for(State.RECONNECTING, SOON))
    await hub.stop()
    await lost
    return client, port


async def test_without_a_queue_what_is_asked_for_while_away_is_refused() -> None:
    async with FakeHub() as hub:
        client, _ = await away(hub)
        with pytest.raises(Disconnected, match=r"not connected \(reconnecting\): publish was not sent$"):
            await client.publish("actions", 1)
        await client.close()


@pytest.mark.clause("R13")
async def test_what_waits_is_sent_in_order_each_with_a_mid_and_before_what_comes_later() -> None:
    async with FakeHub() as hub:
        client, port = await away(hub, send_queue=10)
        waiting = [asyncio.ensure_future(client.publish("actions", number)) for number in range(3)]
        signals = asyncio.ensure_future(client.emit("signal.a", VECTOR))
        batch = asyncio.ensure_future(client.emit_batch("signal.b", [VECTOR, VECTOR]))
        await asyncio.sleep(0)
        assert client.stats().awaiting == 5
        await hub.start(port)
        async with asyncio.timeout(SOON):
            stored = [one.position for one in await asyncio.gather(*waiting)]
            emitted, both = await signals, await batch
        assert stored == ["fake1:1", "fake1:2", "fake1:3"]
        assert (emitted.position is not None, len(both)) == (True, 2)
        sent = [message for message in hub.received if message["type"] in {"publish", "emit"}]
        assert [message.get("data") for message in sent] == [0, 1, 2, None, None]
        assert len({message["mid"] for message in sent}) == 5
        await client.close()


async def test_what_does_not_fit_is_refused_and_says_how_many_wait() -> None:
    async with FakeHub() as hub:
        client, port = await away(hub, send_queue=2)
        waiting = [asyncio.ensure_future(client.publish("actions", number)) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Disconnected, match=r"publish was not sent, 2 wait already \(send_queue=2\)"):
            await client.publish("actions", 2)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
        last = asyncio.ensure_future(client.publish("actions", 3))
        await hub.start(port)
        async with asyncio.timeout(SOON):
            await asyncio.gather(waiting[1], last)
        assert [entry["data"] for entry in hub.logs["actions"].entries] == [1, 3]
        await client.close()


async def test_what_has_no_mid_does_not_wait() -> None:
    async with FakeHub() as hub:
        client, _ = await away(hub, send_queue=2)
        with pytest.raises(Disconnected, match=r"ping was not sent$"):
            await client.ping()
        with pytest.raises(Disconnected, match=r"publish was not sent$"):
            await client.publish("actions", 1, mid=None)
        await client.close()


async def test_what_waits_is_given_up_at_its_time_out_and_when_the_client_closes() -> None:
    async with FakeHub() as hub:
        client, _ = await away(hub, send_queue=2)
        with pytest.raises(RequestTimeout):
            await client.publish("actions", 1, timeout=0.05)
        waiting = asyncio.ensure_future(client.publish("actions", 2, timeout=60))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(Exception, match="the client was closed"):
            await waiting


@pytest.mark.parametrize("size", [-1, 1.5, 10_001, True])
def test_the_size_of_the_queue_is_checked(size: Any) -> None:
    with pytest.raises(ValueError, match="send_queue: expected a whole number from 0 to 10,000"):
        NeurographWSClient(send_queue=size)
