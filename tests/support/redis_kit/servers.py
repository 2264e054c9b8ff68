"""One redis-server, and whether there is one at all."""

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from ng_ws.exits import Failed
from ng_ws.verify.redis_process import RedisProcess, redis_server
from ng_ws.verify.resp import PATIENCE, Word, ask

from tests.support.tls import write_certificate

SOON = 15.0
_ASK_EVERY = 0.03


def _found() -> tuple[str, str]:
    """The binary, or why there is none."""
    try:
        return redis_server(None), ""
    except Failed as fault:
        return "", f"{fault}: apt-get install redis-server, or REDIS_SERVER=/path/to/redis-server"


BINARY, _WHY = _found()
needs_redis = pytest.mark.skipif(not BINARY, reason=_WHY)


async def until(is_so: Callable[[], Awaitable[bool]], what: str, longest: float = SOON) -> None:
    """Ask until the answer is yes, since a server tells nobody when it is so; TimeoutError says what never was."""
    try:
        async with asyncio.timeout(longest):
            while not await is_so():  # noqa: ASYNC110 - it is another process that is asked
                await asyncio.sleep(_ASK_EVERY)
    except TimeoutError:
        raise TimeoutError(f"{what} was never so, within {longest:g} s") from None


class Server(RedisProcess):
    """A server with a directory of its own, which goes with it.

    async with Server() as redis:
        await redis.ask("SET", "a", 1)
        await redis.kill()  # -9
        await redis.start(is_empty=True)
    """

    def __init__(self, *options: str, port: int | None = None) -> None:
        """`options` go to its command line: "--appendonly", "no"."""
        super().__init__(BINARY, Path(tempfile.mkdtemp(prefix="ng-redis-")), *options, port=port)

    async def lose_listeners(self) -> None:
        """Every pub/sub connection ends."""
        await self.ask("CLIENT", "KILL", "TYPE", "pubsub")

    async def lose_replicas(self) -> None:
        """Every link to a replica ends."""
        await self.ask("CLIENT", "KILL", "TYPE", "replica")

    async def lose_everything(self) -> None:
        """FLUSHALL."""
        await self.ask("FLUSHALL")

    async def end(self) -> None:
        """Kill it, and remove what it kept."""
        self.resume()
        await self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end()


class TlsServer(Server):
    """A server that speaks TLS only, with a certificate for 127.0.0.1 that is its own authority."""

    def __init__(self, *options: str) -> None:
        super().__init__(*options)
        self.certificate = write_certificate(self.directory / "redis.pem")

    @property
    def trust(self) -> ssl.SSLContext:
        """Takes its certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.certificate))

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0?ssl_ca_certs={self.certificate}"

    @property
    def command(self) -> list[str]:
        files = ("--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file")
        own = [text for name in files for text in (name, str(self.certificate))]
        return [*super().command, "--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no", *own]

    async def ask(self, *words: Word, wait: float = PATIENCE) -> object:
        return await ask(self.port, *words, wait=wait, trust=self.trust)
