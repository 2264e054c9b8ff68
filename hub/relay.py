"""Relays between an ASGI WebSocket and a virtual connection of the plane, where no socket can be handed over.

Slower, same behaviour: the plane sees the same messages and writes the same ones. Two tasks per connection, none per
message; the peer is read no faster than the plane takes it, and the plane writes no faster than the peer reads.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Send

if TYPE_CHECKING:
    from channels._native import Plane

TEXT, CLOSE = 1, 8
NO_CODE, ABNORMAL = 1005, 1006
PATIENCE = 2.0
"""Seconds that a peer has to take what is left once the plane has closed (X6)."""


class Relay:
    """One relayed connection. `hub.connections` tells it what the plane has to say."""

    def __init__(self, plane: "Plane", conn: int, receive: Receive, send: Send) -> None:
        self._plane = plane
        self._conn = conn
        self._receive = receive
        self._send = send
        self._has_output = asyncio.Event()
        self._can_feed = asyncio.Event()
        self._closed: tuple[int, str] | None = None
        self._peer_is_gone = False
        self._writer: asyncio.Task[None] | None = None

    def output_ready(self) -> None:
        """EVENT_OUTPUT."""
        self._has_output.set()

    def feed_ready(self) -> None:
        """EVENT_FEED."""
        self._can_feed.set()

    def closed(self, code: int, reason: str) -> None:
        """EVENT_CLOSED: what is left is written, as far as the peer takes it, then the connection ends."""
        self._closed = (code, reason)
        self._has_output.set()
        self._can_feed.set()
        if self._writer is not None:
            asyncio.get_running_loop().call_later(PATIENCE, self._writer.cancel)

    async def run(self) -> None:
        """Relay until either side has closed."""
        reader = asyncio.create_task(self._read(), name=f"relay {self._conn} reads")
        self._writer = asyncio.create_task(self._write(), name=f"relay {self._conn} writes")
        try:
            await asyncio.wait({self._writer})
        finally:
            reader.cancel()
            self._writer.cancel()
            await asyncio.gather(reader, self._writer, return_exceptions=True)
            self._lose(ABNORMAL, "")

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                self._peer_is_gone = True
                self._lose(message.get("code", NO_CODE), message.get("reason") or "")
                return
            await self._feed(message)

    async def _feed(self, message: Any) -> None:
        text = message.get("text")
        data = message["bytes"] if text is None else text.encode()
        self._can_feed.clear()
        is_taken = self._plane.feed(self._conn, data, binary=text is None)
        self._plane.flush()
        if not is_taken:
            await self._can_feed.wait()

    async def _write(self) -> None:
        while True:
            await self._has_output.wait()
            self._has_output.clear()
            while output := self._plane.take_output(self._conn):
                for opcode, payload in output:
                    if opcode == CLOSE:
                        await self._close(int.from_bytes(payload[:2], "big"), payload[2:].decode(errors="replace"))
                        return
                    await self._send_one(opcode, payload)
            if self._closed is not None:
                await self._close(*self._closed)
                return

    async def _send_one(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            await self._send({"type": "websocket.send", "text": payload.decode()})
        else:
            await self._send({"type": "websocket.send", "bytes": payload})

    async def _close(self, code: int, reason: str) -> None:
        if not self._peer_is_gone and code not in (NO_CODE, ABNORMAL):
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _lose(self, code: int, reason: str) -> None:
        """The peer's side has ended; nobody minds where the plane's has too."""
        if self._closed is None:
            self._plane.feed_close(self._conn, code, reason)
            self._plane.flush()
