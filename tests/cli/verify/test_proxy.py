"""The fault proxy between a client and an echo."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from ng_ws.verify.proxy import Proxy
from ng_ws.verify.schedule import Fault

SOON = 10.0


@dataclass
class Way:
    proxy: Proxy
    port: int

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def echoed(self, data: bytes = b"hello") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.open()
        writer.write(data)
        await comes(reader, data)
        return reader, writer


async def refused(way: Way) -> None:
    async with asyncio.timeout(SOON):
        reader, writer = await way.open()
        try:
            await reader.read()
        finally:
            writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1], seed=1)
    yield Way(proxy, await proxy.start())
    await proxy.stop()
    server.close()


def fault(kind: str, number: int = 1, **members: Any) -> Fault:
    return Fault(number, kind, 0.0, 0.0, **{"share": 1.0, **members})


async def nothing_comes(reader: asyncio.StreamReader) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(1)


async def comes(reader: asyncio.StreamReader, expected: bytes) -> None:
    async with asyncio.timeout(SOON):
        assert await reader.readexactly(len(expected)) == expected


async def test_without_faults_bytes_go_through(way: Way) -> None:
    _, writer = await way.echoed(b"x" * 300_000)
    assert (way.proxy.open, way.proxy.accepted) == (1, 1)
    writer.close()


async def test_a_cut_closes_and_a_reset_resets(way: Way) -> None:
    reader, writer = await way.echoed()
    way.proxy.begin(fault("cut"))
    async with asyncio.timeout(SOON):
        assert await reader.read() == b""
    writer.close()
    reader, writer = await way.echoed()
    way.proxy.begin(fault("rst"))
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(SOON):
            await reader.read()
    writer.close()


async def test_a_cut_takes_its_share(way: Way) -> None:
    peers = [await way.echoed() for _ in range(4)]
    way.proxy.begin(fault("cut", share=0.5))
    ends = [asyncio.ensure_future(reader.read()) for reader, _ in peers]
    async with asyncio.timeout(SOON):
        while sum(end.done() for end in ends) < 2:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED, timeout=0.05)
    assert sum(end.done() for end in ends) == 2
    for _, writer in peers:
        writer.close()
    await asyncio.gather(*ends)


async def test_a_stall_holds_everything_back_until_it_heals(way: Way) -> None:
    reader, writer = await way.echoed()
    way.proxy.begin(stall := fault("stall"))
    writer.write(b"later")
    await nothing_comes(reader)
    way.proxy.heal(stall)
    await comes(reader, b"later")
    writer.close()


async def test_a_stall_within_a_stall_ends_with_the_last_of_them(way: Way) -> None:
    reader, writer = await way.echoed()
    first, second = fault("stall", 1), fault("stall", 2)
    way.proxy.begin(first)
    way.proxy.begin(second)
    way.proxy.heal(first)
    writer.write(b"later")
    await nothing_comes(reader)
    way.proxy.heal(second)
    await comes(reader, b"later")
    writer.close()


async def test_a_hole_swallows_and_who_lost_bytes_is_reset_when_it_ends(way: Way) -> None:
    reader, writer = await way.echoed()
    _, idle = idle_pair = await way.echoed()
    way.proxy.begin(hole := fault("hole"))
    writer.write(b"gone")
    await nothing_comes(reader)
    way.proxy.heal(hole)
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(SOON):
            await reader.read()
    idle.write(b"alive")
    await comes(idle_pair[0], b"alive")
    writer.close()
    idle.close()


async def test_new_connections_are_refused_while_old_ones_live(way: Way) -> None:
    reader, writer = await way.echoed()
    way.proxy.begin(refusal := fault("refuse"))
    with pytest.raises(ConnectionResetError):
        await refused(way)
    writer.write(b"alive")
    await comes(reader, b"alive")
    way.proxy.heal(refusal)
    _, again = await way.echoed()
    writer.close()
    again.close()


@pytest.mark.parametrize("kinds", [("delay",), ("jitter",), ("slice",), ("jitter", "slice", "slow")])
async def test_however_slow_the_bytes_keep_their_order(way: Way, kinds: tuple[str, ...]) -> None:
    for number, kind in enumerate(kinds):
        way.proxy.begin(fault(kind, number))
    reader, writer = await way.open()
    sent = b"".join(number.to_bytes(4, "big") for number in range(1_000))
    for start in range(0, len(sent), 500):
        writer.write(sent[start : start + 500])
    async with asyncio.timeout(SOON):
        assert await reader.readexactly(len(sent)) == sent
    writer.close()


async def test_a_target_that_is_gone_resets_who_comes() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    proxy = Proxy("127.0.0.1", port, seed=1)
    way = Way(proxy, await proxy.start())
    reader, writer = await way.open()
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(SOON):
            await reader.read()
    writer.close()
    await proxy.stop()


async def test_a_fault_touches_the_same_connections_whenever_it_is_asked(way: Way) -> None:
    half = fault("stall", share=0.5)
    touched = [way.proxy._is_touched(half, number) for number in range(200)]
    assert touched == [way.proxy._is_touched(half, number) for number in range(200)]
    assert 60 < sum(touched) < 140
