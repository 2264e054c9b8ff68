"""A TCP proxy on loopback between clients and hub, which injects faults: asyncio, in this process, seeded.

A connection lives in whatever faults touch it at the moment. TCP never delivers a stream with a piece missing, so a
connection that lost bytes in a hole is reset when the hole ends.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from random import Random

from .schedule import Fault

_CHUNK = 65_536
_QUEUED = 64  # chunks per direction; past it the sender feels back-pressure
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a connection suffers: seconds of delay and of jitter, bytes per write and per second (0: no limit)."""

    delay: float = 0.0
    jitter: float = 0.0
    piece: int = 0
    rate: int = 0
    is_stalled: bool = False
    is_hollow: bool = False


# What one fault of a kind does to a connection.
_DOES: dict[str, Conditions] = {
    "stall": Conditions(is_stalled=True),
    "hole": Conditions(is_hollow=True),
    "partition": Conditions(is_hollow=True),
    "delay": Conditions(delay=0.08),
    "jitter": Conditions(jitter=0.12),
    "slice": Conditions(piece=48),
    "slow": Conditions(rate=20_000),
}


class Link:
    """One proxied connection: two sockets, the conditions between them, the bytes it lost."""

    def __init__(self, number: int, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.number = number
        self.lost = 0
        self.conditions = Conditions()
        self.flows = asyncio.Event()
        self.flows.set()
        self._ends = (near, far)

    def suffer(self, faults: list[Fault]) -> None:
        """These touch it from now on."""
        does = [_DOES[fault.kind] for fault in faults if fault.kind in _DOES]
        self.conditions = Conditions(
            delay=sum(one.delay for one in does),
            jitter=max((one.jitter for one in does), default=0.0),
            piece=min((one.piece for one in does if one.piece), default=0),
            rate=min((one.rate for one in does if one.rate), default=0),
            is_stalled=any(one.is_stalled for one in does),
            is_hollow=any(one.is_hollow for one in does),
        )
        if self.conditions.is_stalled:
            self.flows.clear()
        else:
            self.flows.set()
        if self.lost and not self.conditions.is_hollow:
            self.end(is_reset=True)

    def end(self, *, is_reset: bool) -> None:
        """With FIN, or with RST."""
        for end in self._ends:
            if is_reset:
                reset(end)
            else:
                end.close()


def reset(end: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    with contextlib.suppress(OSError):
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.transport.abort()


class Proxy:
    """Listens on a free port of 127.0.0.1 and forwards to `host`:`port`."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        self.accepted = 0
        self._target = (host, port)
        self._seed = seed
        self._random = Random(seed)  # noqa: S311 - to be repeated
        self._links: dict[int, Link] = {}
        self._faults: dict[int, Fault] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._is_shut = False
        self._news = asyncio.Event()

    async def start(self) -> int:
        """-> the port it listens on"""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=_CHUNK)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """End every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def open(self) -> int:
        """Connections at this moment."""
        return len(self._links)

    def shut(self) -> None:
        """Reset everybody, and whoever comes, until `lead`."""
        self._is_shut = True
        for link in tuple(self._links.values()):
            link.end(is_reset=True)

    def lead(self, port: int) -> None:
        """From now on it leads to that port."""
        self._is_shut = False
        self._target = (self._target[0], port)

    async def is_taken(self, longest: float) -> bool:
        """Whether somebody comes this way within so many seconds."""
        self._news.clear()
        try:
            async with asyncio.timeout(longest):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def begin(self, fault: Fault) -> None:
        """A fault begins; a cut is over at once."""
        if fault.kind in {"cut", "rst"}:
            numbers = sorted(self._links)
            for number in self._random.sample(numbers, min(len(numbers), max(1, round(fault.share * len(numbers))))):
                self._links[number].end(is_reset=fault.kind == "rst")
            return
        self._faults[fault.no] = fault
        self._apply()

    def heal(self, fault: Fault) -> None:
        """A fault ends."""
        if self._faults.pop(fault.no, None) is not None:
            self._apply()

    def _apply(self) -> None:
        for link in tuple(self._links.values()):
            link.suffer(self._touching(link.number))

    def _touching(self, number: int) -> list[Fault]:
        """The faults on a connection: each takes its share of them, the same ones whenever it is asked."""
        return [fault for fault in self._faults.values() if self._is_touched(fault, number)]

    def _is_touched(self, fault: Fault, number: int) -> bool:
        return Random(f"{self._seed}/{fault.no}/{number}").random() < fault.share  # noqa: S311 - to be repeated

    # -- forwarding --------------------------------------------------------------------------------------------------

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._is_shut or any(fault.kind == "refuse" for fault in self._faults.values()):
            reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=_CHUNK)
        except OSError:
            reset(writer)
            return
        if self._is_shut:
            # While it was opened.
            far_writer.close()
            reset(writer)
            return
        self.accepted += 1
        self._news.set()
        link = self._links[self.accepted] = Link(self.accepted, writer, far_writer)
        for end in (writer, far_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.suffer(self._touching(link.number))
        try:
            await asyncio.gather(self._pump(link, reader, far_writer), self._pump(link, far_reader, writer))
        except asyncio.CancelledError:
            # The server asks for it by `stop` alone; asyncio would log it as an error of ours.
            return
        finally:
            self._links.pop(link.number, None)
            link.end(is_reset=True)

    async def _pump(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: a reader stamps each chunk with the time it is due, a writer waits for that time."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED)
        receiving = asyncio.create_task(self._receive(link, reader, queue))
        try:
            with contextlib.suppress(OSError):
                await self._forward(link, queue, writer)
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            writer.close()

    async def _receive(
        self, link: Link, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        loop = asyncio.get_running_loop()
        due = 0.0
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await link.flows.wait()
                conditions = link.conditions
                if conditions.is_hollow or link.lost:
                    link.lost += len(data)
                    continue
                # A later chunk never overtakes an earlier one.
                due = max(due, loop.time() + conditions.delay + self._random.uniform(0, conditions.jitter))
                await queue.put((due, data))
        await queue.put((due, b""))

    async def _forward(
        self, link: Link, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            if not data:
                return
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            await self._write(link, data, writer)

    async def _write(self, link: Link, data: bytes, writer: asyncio.StreamWriter) -> None:
        conditions = link.conditions
        size = conditions.piece or len(data)
        if conditions.rate:
            size = min(size, max(1, conditions.rate // 20))
        for start in range(0, len(data), size):
            await link.flows.wait()
            piece = data[start : start + size]
            if link.conditions.rate:
                await asyncio.sleep(len(piece) / link.conditions.rate)
            writer.write(piece)
            await writer.drain()
