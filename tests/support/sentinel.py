"""What a client asks of Sentinel, answered by a test: which Redis is the master."""

import asyncio
from typing import Self

from tests.support.redis import RedisServer

NAME = "main"


class Pointer:
    """Answers SENTINEL GET-MASTER-ADDR-BY-NAME with whatever server it points at."""

    def __init__(self, master: RedisServer) -> None:
        self.master: RedisServer | None = master
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self._port}/{NAME}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(4_096):
                if self.master is None:
                    writer.write(b"*-1\r\n")
                else:
                    port = str(self.master.port).encode()
                    writer.write(b"*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%b\r\n" % (len(port), port))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()
