"""A WebSocket client as light as Python allows, for thousands of them in one process: frames are walked, not decoded.

It checks what a delivery promises: offsets of one channel rise by one from the position told, over any number of
connections that feed the same cursor (P3-P7). What is not an `event` is decoded and handed on.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OFFSET = b'"offset":'
UPGRADE = (
    "GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Cursor:
    """What one client has seen of the one channel it follows."""

    def __init__(self) -> None:
        self.epoch = ""
        self.offset = 0
        self.events = self.repeats = self.holes = 0

    def take(self, offset: int) -> None:
        """One event: the next one, one that another connection brought already (P6), or a hole."""
        if offset <= self.offset:
            self.repeats += 1
            return
        self.holes += offset != self.offset + 1
        self.offset = offset
        self.events += 1

    def stand_at(self, position: str) -> None:
        """P4: a larger cursor of the same epoch is kept."""
        epoch, _, offset = position.rpartition(":")
        if epoch != self.epoch or int(offset) > self.offset:
            self.epoch, self.offset = epoch, int(offset)

    @property
    def position(self) -> str:
        """Everything up to here was seen."""
        return f"{self.epoch}:{self.offset}"


class Connection(asyncio.Protocol):
    """One connection: `told` hears every message but events, and `None` when it has ended."""

    def __init__(self, port: int, cursor: Cursor, told: Callable[[Connection, dict[str, Any] | None], None]) -> None:
        self.cursor = cursor
        self.code: int | None = None
        self._port = port
        self._told = told
        self._buffer = bytearray()
        self._is_upgraded = False
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(
        cls, port: int, cursor: Cursor, told: Callable[[Connection, dict[str, Any] | None], None], query: str = ""
    ) -> Connection:
        """Connect and ask for the upgrade; the hub speaks first."""
        connection = cls(port, cursor, told)
        await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
        connection._write(UPGRADE.format(target=f"/ws{query}", port=port).encode())
        return connection

    def send(self, message: dict[str, Any]) -> None:
        """One text message."""
        self.send_all([message])

    def send_all(self, messages: Iterable[dict[str, Any]]) -> None:
        """Text messages in one write."""
        self._write(b"".join(map(framed, messages)))

    def abort(self) -> None:
        """As if the network were cut."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._told(self, None)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if not self._is_upgraded:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not buffer.startswith(b"HTTP/1.1 101"):
                self.abort()
                return
            self._is_upgraded = True
            del buffer[: end + 4]
        at, size = 0, len(buffer)
        while size - at >= 2:
            length, start = buffer[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(buffer[at + 2 : at + 4]), at + 4
            elif length == 127:
                length, start = int.from_bytes(buffer[at + 2 : at + 10]), at + 10
            if size - start < length:
                break
            self._frame(buffer[at] & 15, buffer[start : start + length])
            at = start + length
        del buffer[:at]

    def _frame(self, opcode: int, payload: bytearray) -> None:
        if opcode == 1 and payload.startswith(b'{"type":"event"'):
            start = payload.index(OFFSET) + len(OFFSET)
            self.cursor.take(int(payload[start : payload.index(b",", start)]))
        elif opcode == 1:
            self._told(self, json.loads(payload))
        elif opcode == 9:
            self._write(bytes([0x8A, 0x80 | len(payload)]) + bytes(4) + payload)
        elif opcode == 8 and self._transport is not None:
            self.code = int.from_bytes(payload[:2])
            self._write(bytes([0x88, 0x80 | len(payload)]) + bytes(4) + payload)
            self._transport.close()


class Pace:
    """Lets so many through per second, in the order they came."""

    def __init__(self, per_second: float) -> None:
        self._step = 1 / per_second
        self._next = 0.0
        self.late: deque[float] = deque(maxlen=1)

    async def turn(self) -> None:
        """Wait for the next turn."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next + self._step, now - 1.0)
        await asyncio.sleep(max(0.0, self._next - now))


def framed(message: dict[str, Any]) -> bytes:
    """A frame, masked with zeros."""
    payload = json.dumps(message).encode()
    head = bytes([0x81, 0x80 | len(payload)]) if len(payload) < 126 else b"\x81\xfe" + len(payload).to_bytes(2)
    return head + bytes(4) + payload
