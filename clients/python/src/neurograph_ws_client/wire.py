"""The socket of websockets, with payloads taken as they are read instead of through its receive queue.

Whole unfragmented data frames, which is what a hub sends all day, are taken here at a fraction of the cost; every
other frame is given to websockets, complete, so that its parser always stands between two frames.
"""

import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from .connection import FIRST_LIMIT

_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_WHOLE = frozenset({0x81, 0x82})
_HEAD_END = b"\r\n\r\n"


class Wire(ClientConnection):
    """A client connection that hands payloads over at once."""

    heard_at = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # The hub speaks first: its welcome may come with the last bytes of the handshake.
        self._early: list[bytes] = []
        self._taken: Callable[[bytes], None] = self._early.append
        self._read: Callable[[], None] = lambda: None
        self._ended: Callable[[], None] = lambda: None
        self._head: bytes | None = b""
        self._tail = b""
        self._parts: list[bytes] = []
        self._max_message = FIRST_LIMIT

    @property
    def is_open(self) -> bool:
        """Whether messages may be written."""
        return self.protocol.state is State.OPEN

    @property
    def is_gone(self) -> bool:
        """Whether nothing follows any more."""
        return self.protocol.state is State.CLOSED

    async def shut(self, code: int, reason: str) -> None:
        """The closing handshake; OSError where it cannot be finished."""
        try:
            await self.close(code, reason)
        except WebSocketException as fault:
            raise ConnectionError(str(fault)) from fault

    def attach(self, taken: Callable[[bytes], None], read: Callable[[], None], ended: Callable[[], None]) -> None:
        """From now on payloads go to `taken`, `read` is called after each read that may have brought some, and `ended`
        when the socket is gone.
        """
        self._taken, self._read, self._ended = taken, read, ended
        for payload in self._early:
            taken(payload)
        self._early.clear()
        read()

    def limit(self, max_message: int) -> None:
        """Refuse longer messages from now on, before they are read."""
        protocol: Any = self.protocol
        # The name of the member until websockets 15, and since.
        protocol.max_size = protocol.max_message_size = max_message
        self._max_message = max_message

    def data_received(self, data: bytes) -> None:
        """Bytes came: a sign of life (H1)."""
        self.heard_at = monotonic()
        if self._head is not None:
            data = self._take_head(self._head, data)
        if self._tail:
            data, self._tail = self._tail + data, b""
        if data and self.protocol.state is State.OPEN:
            data = self._take_frames(data)
        if data:
            # The body of a refusal, or what comes after a fault or a close frame: websockets knows what to do with it.
            super().data_received(data)
        self._read()

    def _take_head(self, before: bytes, data: bytes) -> bytes:
        """Give the head of the HTTP answer to websockets; what follows it."""
        seen = before + data
        end = seen.find(_HEAD_END)
        rest = len(seen) - end - len(_HEAD_END) if end >= 0 else 0
        self._head = seen[-3:] if end < 0 else None
        super().data_received(data[: len(data) - rest])
        return data[len(data) - rest :]

    def _take_frames(self, data: bytes) -> bytes:
        """Take the whole frames of an open connection; what is left is kept for later, or returned for websockets to
        refuse.
        """
        at, size, taken = 0, len(data), self._taken
        while True:
            if size - at > 4 and data[at + 1] == 126:
                # Of most events: 126 to 65,535 bytes.
                start, length = at + 4, data[at + 2] << 8 | data[at + 3]
            else:
                start, length = _measure(data, at, size)
            if length > self._max_message:
                return data[at:]
            end = start + length
            if end > size:
                self._tail = data[at:]
                return b""
            if data[at] in _WHOLE and not self._parts:
                taken(data[start:end])
            else:
                super().data_received(data[at:end])
                if self.protocol.state is not State.OPEN:
                    return data[end:]
            at = end

    def process_event(self, event: Any) -> None:
        """A frame that websockets has parsed, or its answer to the handshake."""
        if isinstance(event, Frame) and event.opcode in _DATA:
            self._parts.append(bytes(event.data))
            if event.fin:
                parts, self._parts = self._parts, []
                self._taken(b"".join(parts))
        else:
            super().process_event(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        super().connection_lost(exc)
        self._ended()


def _measure(data: bytes, at: int, size: int) -> tuple[int, int]:
    """Where the payload of the frame at `at` starts, and its length; absurd where it is masked, as no hub may."""
    if size - at < 2:
        return size + 1, 0
    length = data[at + 1]
    if length < 126:
        return at + 2, length
    if length > 127:
        return at + 2, sys.maxsize
    start = at + (4 if length == 126 else 10)
    return (start, int.from_bytes(data[at + 2 : start])) if start <= size else (size + 1, 0)
