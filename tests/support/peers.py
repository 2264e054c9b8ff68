"""Virtual peers of a plane, real or double: what they received, awaited on the plane's wake-up descriptor."""

import asyncio
import json
from collections import defaultdict
from typing import Any, Protocol

from channels.plane import LogPlane

TEXT_FRAME = 1
OUTPUT = 5
CLOSED = 4


class PeerPlane(LogPlane, Protocol):
    """What peers ask of a plane besides logs and cursors."""

    def start(self) -> None: ...
    def attach_virtual(self) -> int: ...
    def feed_close(self, conn: int, code: int = 1005, reason: str = "") -> None: ...
    def take_output(self, conn: int, max_bytes: int = 65_536) -> list[tuple[int, bytes]]: ...
    def drain(self, max_events: int = 4096) -> list[tuple[int, int, object, object]]: ...
    def wakeup_fd(self) -> int: ...
    def stop(self, timeout: float = 5.0) -> bool: ...


class Peers:
    """Connections to one plane; use inside a running loop and `close()` at the end."""

    def __init__(self, plane: PeerPlane) -> None:
        self.plane = plane
        self._received: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self._conns: list[int] = []
        self._news = asyncio.Event()
        self._fd = plane.wakeup_fd()
        asyncio.get_running_loop().add_reader(self._fd, self._drain)

    def connect(self) -> int:
        conn = self.plane.attach_virtual()
        self._conns.append(conn)
        return conn

    async def received(self, conn: int, count: int) -> list[dict[str, Any]]:
        """The next `count` messages that `conn` received; waits for them."""
        while len(self._received[conn]) < count:
            self._news.clear()
            async with asyncio.timeout(10):
                await self._news.wait()
        taken, self._received[conn] = self._received[conn][:count], self._received[conn][count:]
        return taken

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        for conn in self._conns:
            self.plane.feed_close(conn, 1000)  # so that the plane does not wait for anybody's close frame
        self.plane.stop()

    def _drain(self) -> None:
        for conn, kind, _, _ in self.plane.drain():
            if kind == OUTPUT:
                self._take(conn)
        self._news.set()

    def _take(self, conn: int) -> None:
        while output := self.plane.take_output(conn):
            self._received[conn].extend(json.loads(payload) for opcode, payload in output if opcode == TEXT_FRAME)
