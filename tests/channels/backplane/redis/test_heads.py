"""Looking at the store again where a subscription was broken: what cannot be looked at is asked for at leisure."""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from channels.backplane.redis.backoff import Backoff
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.following import Following
from channels.backplane.redis.heads import Heads
from channels.backplane.redis.replica import NOWHERE, Replica, Standing
from tests.support.redis_nodes import eventually
from tests.support.replicas import Logs

if TYPE_CHECKING:
    from channels.backplane.redis.appending import Appending
    from channels.backplane.redis.store import Store


class Blind(Heads):
    """Cannot look at `spoilt`: a key of the wrong type, or one that is not to be read."""

    def __init__(self, following: Following, backoff: Backoff) -> None:
        store = SimpleNamespace(keys=SimpleNamespace(meta=str), wait_up=_at_once)
        super().__init__(
            cast("Store", store), following, cast("Appending", None), lambda _: None, at_once=1, backoff=backoff
        )
        self.spoilt = {"actions"}
        self.looks: list[str] = []

    async def _look(self, replica: Replica) -> Standing | None:
        self.looks.append(replica.channel)
        return None if replica.channel in self.spoilt else NOWHERE


class Pauses(Backoff):
    """Each lasts until it is cut short."""

    def __init__(self) -> None:
        super().__init__(1.0, 1.0)
        self.begun = asyncio.Event()

    async def pause(self, least: int = 0) -> None:
        self._hurry.clear()
        self.begun.set()
        await self._hurry.wait()


async def _at_once(*_: Any) -> None:
    pass


@pytest.mark.clause("N7", "N11")
async def test_a_channel_that_cannot_be_looked_at_keeps_neither_the_store_nor_others_busy() -> None:
    following, backoff = Following(Logs("a"), RedisFigures(), bus_message=1_024, patience=1.0), Pauses()
    following.follow_fixed()
    heads = Blind(following, backoff)
    for replica in following:
        heads.heard_anew(replica)
    work = asyncio.create_task(heads.compare_anew())
    await backoff.begun.wait()
    assert sorted(heads.looks) == ["actions", "actions", "logs", "status"]
    backoff.begun.clear()
    replica = next(one for one in following if one.channel == "logs")
    heads.heard_anew(replica)
    await backoff.begun.wait()
    assert sorted(heads.looks[4:]) == ["actions", "actions", "logs"]
    heads.spoilt.clear()
    backoff.hurry()
    await eventually(lambda: not heads._anew and backoff.attempts == 0)
    work.cancel()
