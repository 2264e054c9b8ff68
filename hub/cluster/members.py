"""Presence over all nodes (C25): `join` for the first subscription of a subject anywhere, `leave` 10 s after its last.

A node tells of a subject when its own first subscription begins, and 10 s after its own last has ended; the bus counts
over all nodes and says whether that is news. So who resumes on another node was never away.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import orjson

from channels.backplane.bus import Bus, Departed, Member
from channels.presence import LEAVE_SECONDS, Change
from hub.cluster.tasks import Tasks, until_done

if TYPE_CHECKING:
    from hub.counters import Counters

Key = tuple[str, str]


class Members:
    """Changes of one subject on one channel go to the bus one after the other."""

    def __init__(
        self,
        bus: Bus,
        tell: Callable[[Change], None],
        counters: "Counters",
        *,
        wall: Callable[[], float] = time.time,
        leave_seconds: float = LEAVE_SECONDS,
    ) -> None:
        """`tell` stores news in the companion (`Broker.tell`)."""
        self._bus = bus
        self._tell = tell
        self._counters = counters
        self._wall = wall
        self._leave_seconds = leave_seconds
        self._queues: dict[Key, deque[Change]] = {}
        self._tasks = Tasks()
        self._is_clear = asyncio.Event()
        """What a former life of this node had told is struck: what is told now will not be."""
        self._is_clear.set()
        bus.on_returned(self._returned)

    def changed(self, change: Change) -> None:
        """A subject came to a channel on this node, or has been gone from it for 10 s."""
        key = change.channel, change.subject
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(change)
            return
        queue = self._queues[key] = deque([change])
        self._tasks.run(self._work_off(key, queue))

    def start(self) -> None:
        """What a former life of this node had told counts no longer; who comes back within 10 s was never away."""
        self._is_clear.clear()
        self._tasks.run(self._adopt())

    def stop(self) -> None:
        """Tell nobody any more."""
        self._tasks.stop()

    async def bury(self, node: str) -> None:
        """`node` is gone for good: who was only there has left (N16)."""
        for departed in await until_done(partial(self._bus.bury, node), self._failed):
            if departed.member.is_news:
                self._tell(_change("leave", departed.channel, departed.subject, departed.member))

    def _returned(self, again: Sequence[Departed]) -> None:
        """This node was taken for gone, and who is here was told to have left: they are here."""
        for one in again:
            if one.member.is_news:
                self._tell(_change("join", one.channel, one.subject, one.member))

    async def _adopt(self) -> None:
        departed = await until_done(partial(self._bus.bury, self._bus.node), self._failed)
        kept = [one for one in departed if one.member.is_news]
        for one in kept:
            again = partial(self._bus.joined, one.channel, one.subject, one.member.since)
            await until_done(again, self._failed)
        self._is_clear.set()
        await asyncio.sleep(self._leave_seconds)
        for one in kept:
            self.changed(_change("leave", one.channel, one.subject, one.member))

    async def _work_off(self, key: Key, queue: deque[Change]) -> None:
        try:
            await self._is_clear.wait()
            while queue:
                change = queue[0]
                member = await until_done(partial(self._ask, change), self._failed)
                queue.popleft()
                if member.is_news:
                    self._tell(_change(change.event, change.channel, change.subject, member))
        finally:
            del self._queues[key]

    async def _ask(self, change: Change) -> Member:
        if change.event == "join":
            return await self._bus.joined(change.channel, change.subject, self._wall())
        return await self._bus.left(change.channel, change.subject)

    def _failed(self) -> None:
        self._counters.error("bus", "presence")


def _change(event: str, channel: str, subject: str, member: Member) -> Change:
    return Change(channel, event, subject, orjson.dumps({"since": member.since, "connections": member.connections}))
