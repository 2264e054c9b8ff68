"""Nodes that go on alone while Redis is away: what they took is in no epoch of Redis, and that is told (N11, P1)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from channels._native import encode_entries
from channels.backplane.fallback import LocalWhenAway
from channels.backplane.memory import MemoryBackplane
from channels.publication import Position
from tests.support.redis import RedisServer
from tests.support.redis_nodes import IMPATIENT, Node, eventually


class AloneNode(Node):
    """`alone` stands where the broker has its backplane; a test says when a second is over."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, name, **IMPATIENT)
        self.alone = LocalWhenAway(self.backplane, MemoryBackplane())
        self.seconds = 0.0

    async def start(self) -> None:
        await self.alone.start(self.deliver, self.logs)

    async def stop(self) -> None:
        await self.alone.stop()

    def deliver(self, channel: str, batch: Any, *_: object) -> Position:
        epoch, head = self.logs.replica(channel).position
        return self.logs.apply(channel, epoch, head + 1, b"".join(encode_entries(batch, 1.0)))

    async def publish(self, publications: Sequence[Any], batch_id: str | None = None) -> Sequence[Any]:
        answers: list[Sequence[Any]] = []
        self.alone.append(publications[0].channel, publications, answers.append, batch_id)
        await eventually(lambda: bool(answers))
        return answers[0]

    async def is_alone(self, expected: bool) -> None:
        """Let seconds pass until it is, or is no longer."""

        def condition() -> bool:
            self.seconds += 6.0
            self.alone.sweep(self.seconds)
            return self.alone.is_alone is expected and (expected or self.alone.apart == 0)

        await eventually(condition, lambda: f"{self.name}: {self.alone.outage}, {self.alone.apart} apart")


@asynccontextmanager
async def pair(server: RedisServer) -> AsyncIterator[tuple[AloneNode, AloneNode]]:
    nodes = AloneNode(server.url, "a"), AloneNode(server.url, "b")
    try:
        for node in nodes:
            await node.start()
        for node in nodes:
            await node.ready()
        yield nodes
    finally:
        for node in nodes:
            await node.stop()


@pytest.mark.clause("P1", "P10", "I6")
@pytest.mark.parametrize("who_took", ["one", "both"])
async def test_redis_that_was_away_begins_one_epoch_after_what_was_taken_meanwhile(
    server: RedisServer, who_took: str
) -> None:
    async with pair(server) as (a, b):
        (shared,) = await a.append("before")
        await b.logs.has("actions", "before")
        quiet = b.log("logs").epoch
        server.pause()
        for node in (a, b):
            await node.is_alone(True)
        own = await a.append("alone")
        if who_took == "both":
            own += await b.append("alone")
        server.resume()
        for node in (a, b):
            await node.is_alone(False)
        for node in (a, b):
            await node.ready()
        (after,) = await b.append("after")
        assert len({one.split(":")[0] for one in (shared, *own, after)}) == 2 + len(own)
        assert after.endswith(":1")
        for node in (a, b):
            await node.logs.until(lambda node=node: node.log().events[-1] == "after")  # type: ignore[misc]
            assert node.log().events.count("before") == 1
            assert node.log().gaps[-1][2] == after.replace(":1", ":0")
        assert a.rotations().get("apart", 0) + b.rotations().get("apart", 0) == 1
        assert (a.log("logs").epoch, b.log("logs").epoch) == (quiet, quiet)
