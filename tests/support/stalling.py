"""A way to Redis that can go dead without being closed: the connections that listen, or all of them."""

import asyncio
from typing import Self

from tests.support.redis import RedisServer


class _Line:
    """One connection through the proxy."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self.listens = False
        self.flows = asyncio.Event()
        self.flows.set()
        self._ends = ends

    def close(self) -> None:
        for end in self._ends:
            end.close()


class Stalling:
    """A proxy before `server`. What is stalled stays so until it is closed; new connections flow."""

    def __init__(self, server: RedisServer) -> None:
        self._upstream = server
        self._lines: list[_Line] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}"

    def stall_listening(self) -> int:
        """-> how many connections are dead from now on"""
        dead = [line for line in self._lines if line.listens and line.flows.is_set()]
        for line in dead:
            line.flows.clear()
        return len(dead)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.flows.set()
            line.close()
        await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            there, here = await asyncio.open_connection("127.0.0.1", self._upstream.port)
        except OSError:
            writer.close()
        else:
            line = _Line(writer, here)
            self._lines.append(line)
            await asyncio.gather(self._pump(reader, here, line), self._pump(there, writer, line))
            self._lines.remove(line)
        self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: _Line) -> None:
        try:
            while data := await reader.read(65_536):
                line.listens = line.listens or b"SUBSCRIBE" in data
                await line.flows.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        line.close()
