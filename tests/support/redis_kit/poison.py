"""What is on a bus, and what should never be there (rc6): segments cut, doubled, of another version, pickled, huge."""

import asyncio
import pickle
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from ng_ws.verify.redis_process import RedisProcess
from ng_ws.verify.resp import packed, read

SOON = 10.0

# One MiB above what a node takes (`bus_message`, hardening.md section 1).
HUGE = 5 << 20


class Ear:
    """Hears what is published on channels of a bus, to be repeated or spoiled.

    async with Ear(redis, "ng:{actions}:live") as ear:
        channel, segment = await ear.hear()
    """

    def __init__(self, server: RedisProcess, *channels: str) -> None:
        self._server = server
        self._channels = channels
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def hear(self) -> tuple[str, bytes]:
        """The next one."""
        assert self._reader is not None
        async with asyncio.timeout(SOON):
            _, channel, payload = await read(self._reader)
        return channel.decode(), payload

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._server.port, limit=HUGE + 1_024)
        self._writer.write(packed("SUBSCRIBE", *self._channels))
        for _ in self._channels:
            async with asyncio.timeout(SOON):
                await read(self._reader)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()


def poisons(segment: bytes = b"") -> Mapping[str, bytes]:
    """Messages that no node may take, by what is wrong with them; of a `segment` that was heard, its spoiled forms."""
    return dict(_poisons(segment))


def _poisons(segment: bytes) -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "zeros", bytes(64)
    yield "ones", b"\xff" * 64
    yield "text", b"hello"
    yield "json", b'{"epoch":"aaaa","first":1,"entries":[]}'
    yield "deep json", b"[" * 100_000
    yield "pickled", pickle.dumps(_Bomb())
    yield "huge", b"x" * HUGE
    if segment:
        yield "cut in half", segment[: len(segment) // 2]
        yield "without its end", segment[:-1]
        yield "with more behind", segment + b"\x00"
        yield "another version", bytes([segment[0] ^ 0x7F]) + segment[1:]
        yield "turned round", segment[::-1]


class _Bomb:
    """Whoever unpickles it raises in a way that a test sees."""

    def __reduce__(self) -> tuple[type[BaseException], tuple[str]]:
        return (SystemExit, ("a message of the bus was unpickled",))


async def poison(server: RedisProcess, channel: str, segment: bytes = b"") -> int:
    """Publish all of `poisons`. -> how many"""
    messages = poisons(segment)
    for payload in messages.values():
        await server.ask("PUBLISH", channel, payload)
    return len(messages)
