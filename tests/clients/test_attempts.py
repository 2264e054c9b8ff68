"""Attempts to connect that no hub ever sees: each comes to an end, and the client says why."""

import asyncio
import ssl
from typing import Any

import pytest
from neurograph_ws_client import Backoff, Disconnected, HubError, Misconfigured, NeurographWSClient, State
from neurograph_ws_client import opening as opening_of
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import SOON, Seen, client_of

ELSEWHERE = "ws://example.invalid:9/ws"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"proxy": "socks5://127.0.0.1:1"}, "ImportError: connecting through a SOCKS proxy requires"),
        ({"proxy": "ftp://127.0.0.1:1"}, "InvalidProxy: scheme ftp isn't supported"),
        ({"ssl": ssl.create_default_context()}, "ValueError: ssl argument is incompatible with a ws:// URI"),
    ],
    ids=["no library", "no proxy", "no TLS"],
)
@pytest.mark.parametrize("retry", [False, True])
async def test_options_that_can_never_work_are_told_at_once(options: dict[str, Any], what: str, retry: bool) -> None:
    url = ELSEWHERE if "proxy" in options else "ws://127.0.0.1:9/ws"
    client = NeurographWSClient(url, **options)
    async with asyncio.timeout(SOON):
        with pytest.raises(ValueError, match=f"cannot connect to {url} with these options: {what}") as fault:
            await client.connect(retry=retry)
    assert (type(fault.value), client.state) == (Misconfigured, State.CLOSED)
    assert not client._link.sockets._attempts
    await client.close()


async def test_a_fault_that_nobody_expects_ends_the_attempt_as_a_lost_network_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def attempt(*_: object, **__: object) -> None:
        raise LookupError("what is this")

    monkeypatch.setattr("neurograph_ws_client.opening.connect", attempt)
    client = NeurographWSClient("ws://127.0.0.1:9/ws")
    async with asyncio.timeout(SOON):
        with pytest.raises(Disconnected, match=r"cannot connect to ws://127\.0\.0\.1:9/ws: LookupError: what is this"):
            await client.connect()
    assert client.state is State.CLOSED
    await client.close()


async def test_a_second_connection_that_can_never_be_leaves_the_first_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        connect = opening_of.__dict__["connect"]

        def attempt(*_: object, **__: object) -> None:
            raise TypeError("no")

        logs = await client.subscribe("logs")
        monkeypatch.setattr(opening_of, "connect", attempt)
        hub.goaway((0.01, 0.01))
        while client._session._switch._attempt < 2:
            await client.ping()
        monkeypatch.setattr(opening_of, "connect", connect)
        assert client.state is State.CONNECTED
        await hub.connected(2)
        hub.publish("logs", 1)
        assert (await logs.next(SOON)).data == 1


async def test_the_past_is_told_as_out_of_reach_too() -> None:
    client = NeurographWSClient(ELSEWHERE, proxy="socks5://127.0.0.1:1")
    async with asyncio.timeout(SOON):
        with pytest.raises(Misconfigured, match="with these options"):
            await client.history("logs")


async def test_a_reconnect_that_can_never_be_closes_the_client_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeHub() as hub, client_of(hub) as client:
        told = Seen()
        client.on("disconnected", told)
        running = asyncio.ensure_future(client.run_forever())

        def attempt(*_: object, **__: object) -> None:
            raise TypeError("no")

        monkeypatch.setattr(opening_of, "connect", attempt)
        hub.cut()
        with pytest.raises(HubError, match="with these options: TypeError: no"):
            await running
        assert [type(error) for error in told.items] == [Disconnected]


@pytest.mark.clause("X4")
async def test_who_waits_for_the_next_attempt_may_try_now() -> None:
    async with FakeHub() as hub:
        client = client_of(hub, backoff=Backoff(base=3600.0, cap=3600.0))
        client.try_now()
        assert client.state is State.IDLE
        async with client:
            away = asyncio.ensure_future(client.wait_for(State.RECONNECTING, SOON))
            hub.cut()
            await away
            client.try_now()
            await client.wait_for(State.CONNECTED, SOON)
            client.try_now()
            assert await client.ping() > 0
        client.try_now()
        await client.wait_for(State.CLOSED, SOON)
