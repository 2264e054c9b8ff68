"""Nodes over a real Redis: backplane, bus and logs of each, without a plane."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from channels.backplane import Result
from channels.backplane.redis import RedisBackplane, RedisOptions
from channels.errors import BrokerError
from channels.publication import Position, Publication, Stored
from tests.support.redis import RedisServer
from tests.support.replicas import Log, Logs

QUICK: dict[str, Any] = {"tick": 0.1, "backoff": (0.02, 0.1), "outbox_wait": 30.0, "proof_wait": 20.0}
"""What happens by itself happens soon; what may be waited for on a busy machine may be waited for long."""

IMPATIENT: dict[str, Any] = {"command": 0.5, "connect": 0.5}
"""For tests in which Redis does not answer."""


class Node:
    """One node."""

    def __init__(self, url: str, name: str = "a", *, logs: Logs | None = None, **options: Any) -> None:
        self.name = name
        self.logs = logs or Logs(name)
        self.backplane = RedisBackplane(RedisOptions(url, name, **QUICK | options))
        self.bus = self.backplane.bus

    async def start(self) -> None:
        await self.backplane.start(_nowhere, self.logs)

    async def stop(self) -> None:
        await self.backplane.stop()

    def log(self, channel: str = "actions") -> Log:
        return self.logs.logs[channel]

    async def append(
        self,
        *events: str,
        channel: str = "actions",
        data: bytes = b"{}",
        batch_id: str | None = None,
        **rest: Any,
    ) -> list[Any]:
        """Positions; of others (position, "duplicate") or the name of the error."""
        publications = [Publication(channel, event, data, subject="ann", **rest) for event in events]
        return shown(await self.publish(publications, batch_id))

    async def publish(self, publications: Sequence[Publication], batch_id: str | None = None) -> Sequence[Result]:
        answer: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self.backplane.append(publications[0].channel, publications, answer.set_result, batch_id)
        return await answer

    async def follow(
        self, channel: str, wanted: Position | None = None, *, is_proof: bool = False
    ) -> BrokerError | None:
        """None: the log is as new as was asked for."""
        answer: asyncio.Future[BrokerError | None] = asyncio.get_running_loop().create_future()
        if self.backplane.follow(channel, wanted, answer.set_result, is_proof=is_proof):
            return None
        return await answer

    async def ready(self) -> None:
        await eventually(lambda: self.backplane.failure is None, lambda: f"{self.name}: {self.backplane.failure}")

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Segments that are published do not reach it."""
        following: Any = self.backplane.parts.following
        heard, following.heard = following.heard, lambda *_: None
        yield
        following.heard = heard

    def never_compare(self) -> None:
        """It looks at no heads any more, its own or others'."""
        heads: Any = self.backplane.parts.heads
        heads.compare, heads.heard = _nothing, lambda _: None

    def rotations(self) -> dict[str, int]:
        """Epochs that this node ended, by reason."""
        counts: dict[str, int] = {}
        for (_, reason), count in self.backplane.figures.rotations.items():
            counts[reason] = counts.get(reason, 0) + count
        return counts


@asynccontextmanager
async def nodes(
    server: RedisServer | str, *names: str, limits: dict[str, float] | None = None, **options: Any
) -> AsyncIterator[list[Node]]:
    """Nodes that are ready. `server`: it or a URL; `limits`: what their channels keep."""
    url = server if isinstance(server, str) else server.url
    started = [Node(url, name, logs=Logs(name, limits), **options) for name in names]
    try:
        for node in started:
            await node.start()
        for node in started:
            await node.ready()
        yield started
    finally:
        for node in started:
            await node.stop()


async def eventually(
    condition: Callable[[], bool], told: Callable[[], str] = lambda: "", seconds: float = 20.0
) -> None:
    """Poll what tells nobody that it has changed: another process, or a figure."""
    until = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > until:
            raise TimeoutError(f"it never came true: {told()}")
        await asyncio.sleep(0.01)


def shown(results: Sequence[Result]) -> list[Any]:
    found: list[Any] = []
    for result in results:
        if isinstance(result, Stored):
            found.append((result.position, "duplicate") if result.duplicate else result.position)
        else:
            found.append(result.error)
    return found


async def _nothing() -> None:
    pass


def _nowhere(*_: Any) -> Position:
    raise AssertionError("nothing without a place is delivered (N11)")
