"""Comparing heads (N9): a loss that nothing else would show is found, though nobody publishes any more.

Each second: what is configured by its name, and what has just become quiet, for what changes shows its own losses; of
the thousands of quiet channels some, in turn, so that all have had theirs within a minute.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from channels.backplane.redis.appending import Appending
from channels.backplane.redis.backoff import Backoff
from channels.backplane.redis.errors import StoreError
from channels.backplane.redis.following import Following
from channels.backplane.redis.replica import NOWHERE, Replica, Standing
from channels.backplane.redis.scripts import TOUCH
from channels.backplane.redis.store import Store

logger = logging.getLogger(__name__)

SETTLING_ROUNDS = range(1, 3)
"""Seconds after its last change in which a channel is told and compared."""
FULL_TURN = 60
"""Seconds within which every quiet channel has its turn; fewer where there are few."""
LEAST_AT_ONCE = 100
MOST_AT_ONCE = 500
ANEW_AT_ONCE = 64
TOLD_AT_ONCE = 1_000


class _Doubt(NamedTuple):
    """A head of the store that this node has not reached, and the round in which that was seen."""

    epoch: str
    head: int
    since: int


class Heads:
    """Compares. `lost(channel)` hears that a message has not come, which makes the subscription suspect.

    What other nodes tell proves nothing, and only makes this one look at the store.
    """

    def __init__(
        self,
        store: Store,
        following: Following,
        appending: Appending,
        lost: Callable[[str], None],
        *,
        at_once: int,
        backoff: Backoff,
    ) -> None:
        """`at_once`: questions to the store that may be on their way; `backoff`: while it answers none of them."""
        self._store = store
        self._following = following
        self._appending = appending
        self._lost = lost
        self._slots = asyncio.Semaphore(at_once)
        self.is_retired: Callable[[str, str], bool] = lambda *_: False
        """Whether the master of a replication id is believed no longer of a channel."""
        self._doubts: dict[str, _Doubt] = {}
        self._rumours: dict[str, tuple[str, int]] = {}
        """Heads that another node has told of, epoch and offset, by channel."""
        self._turn: list[str] = []
        self._backoff = backoff
        self._anew: dict[str, None] = {}
        self._wake = asyncio.Event()

    def told(self) -> dict[str, tuple[str, int]]:
        """Heads for the other nodes to compare: of what changed, and of some others."""
        return {one.channel: (one.epoch, one.head) for one in islice(self._due(), TOLD_AT_ONCE)}

    def heard(self, heads: Mapping[str, Any]) -> None:
        """Another node tells where it stands."""
        for channel, place in islice(heads.items(), TOLD_AT_ONCE):
            replica = self._following.get(channel)
            if replica is None or not replica.is_synced or not _is_place(place):
                continue
            epoch, head = place
            if epoch == replica.epoch:
                if head > replica.head:
                    self._rumours[channel] = (epoch, head)
            elif epoch not in replica.former:
                self._following.suspect(replica)

    async def compare(self) -> None:
        """Once a second: resolve the doubts of the last round, and look at the store."""
        self._following.round += 1
        self._resolve()
        await asyncio.gather(*map(self._look, dict.fromkeys((*self._rumoured(), *self._chosen()))))

    def doubt_all(self, reason: str) -> None:
        """The store is not what it was: compare everything that is followed, however quiet."""
        logger.warning("all %d channels are compared: %s", len(self._following), reason)
        for replica in self._following:
            if replica.is_synced:
                self.heard_anew(replica)

    def heard_anew(self, replica: Replica) -> None:
        """It is subscribed to again: whatever was stored meanwhile is missing."""
        replica.is_broken = True
        self._anew[replica.channel] = None
        self._wake.set()
        self._backoff.hurry()

    async def compare_anew(self) -> None:
        """For ever: compare what is subscribed to again, so that only what has changed is read."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._anew:
                await self._store.wait_up(self._store.keys.meta(next(iter(self._anew))), loop.time() + 1.0)
                for channel in list(islice(self._anew, ANEW_AT_ONCE)):
                    if self._following.get(channel) is None:
                        del self._anew[channel]
                some = [self._following.get(channel) for channel in islice(self._anew, ANEW_AT_ONCE)]
                looks = [self._look_anew(replica) for replica in some if replica is not None]
                if any(await asyncio.gather(*looks)) or not looks:
                    self._backoff.succeeded()
                else:
                    self._backoff.failed()
                    await self._backoff.pause()

    def forget(self, channel: str) -> None:
        """It is followed no longer."""
        self._doubts.pop(channel, None)
        self._rumours.pop(channel, None)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _due(self) -> Iterator[Replica]:
        yield from (one for one in self._following.fixed if one.is_synced)
        yield from (one for one in self._following.changed_within(SETTLING_ROUNDS) if not one.limits.is_fixed)

    def _chosen(self) -> list[Replica]:
        chosen = dict.fromkeys(islice(self._due(), MOST_AT_ONCE))
        count = len(self._following)
        share = min(max(math.ceil(count / FULL_TURN), min(count, LEAST_AT_ONCE)), MOST_AT_ONCE)
        if len(self._turn) < share:
            self._turn += self._following.channels()
        turn, self._turn = self._turn[:share], self._turn[share:]
        for channel in turn:
            replica = self._following.get(channel)
            if replica is not None and replica.is_synced and replica not in chosen:
                replica.rest()
                chosen[replica] = None
        return list(chosen)

    def _rumoured(self) -> Iterator[Replica]:
        """Of what was told, what still is news, so that the store is asked."""
        rumours, self._rumours = self._rumours, {}
        for channel, (epoch, head) in rumours.items():
            replica = self._following.get(channel)
            if replica is not None and replica.epoch == epoch and replica.head < head:
                yield replica

    def _resolve(self) -> None:
        for channel, doubt in list(self._doubts.items()):
            replica = self._following.get(channel)
            if replica is None or replica.epoch != doubt.epoch or replica.head >= doubt.head:
                del self._doubts[channel]
            elif self._following.round - doubt.since > 1:
                del self._doubts[channel]
                is_news = not replica.is_suspect and not replica.is_reading
                replica.expect(doubt.head)
                self._following.suspect(replica)
                if is_news:
                    self._lost(channel)

    def _doubt(self, replica: Replica, epoch: str, head: int) -> None:
        if head > replica.head:
            known = self._doubts.get(replica.channel)
            if known is None or known.epoch != epoch or known.head <= replica.head:
                self._doubts[replica.channel] = _Doubt(epoch, head, self._following.round)

    async def _look_anew(self, replica: Replica) -> bool:
        """-> whether the store has answered; else it is asked once more, behind the others"""
        there = await self._look(replica)
        is_due = replica.channel in self._anew
        self._anew.pop(replica.channel, None)
        if there is None:
            if is_due:
                self._anew[replica.channel] = None
            return False
        if there.epoch == replica.epoch and there.head > replica.head:
            self._following.suspect(replica)
        if replica.is_subscribed and not replica.is_suspect and not replica.is_reading:
            replica.is_broken = False
        return True

    async def _look(self, replica: Replica) -> Standing | None:
        """-> where the store stands; None if it has not answered"""
        keys, limits = self._store.keys, replica.limits
        meta = keys.meta(limits.channel)
        async with self._slots:
            before = replica.standing
            try:
                reply = await self._store.run(
                    TOUCH,
                    (meta, keys.log(limits.channel), keys.last(limits.channel)),
                    limits.max_entries,
                    limits.max_bytes,
                    int(limits.seconds * 1_000),
                    self._appending.ttl(limits),
                    self._store.replid(meta),
                )
            except StoreError:
                return None
        if not reply:
            self._following.suspect(replica)
            return NOWHERE
        epoch, head, batch, written_by, replid = reply
        if self.is_retired(limits.channel, replid.decode()):
            self._store.reconnect(meta, "it leads to a former master")
            return None
        there = Standing(epoch.decode(), int(head), batch.decode())
        if self._following.get(limits.channel) is not replica or not replica.is_synced:
            return there
        if written_by not in (b"", replid):
            # Whether its history goes on is decided now, while those are there who know what they have told (N5).
            self._following.suspect(replica)
            return there
        if there.epoch != replica.epoch:
            if there.epoch != before.epoch:  # else the node has gone on meanwhile
                self._following.suspect(replica)
        elif _contradicts(there, before):
            self._following.suspect(replica)
        else:
            self._doubt(replica, there.epoch, there.head)
        return there


def _contradicts(there: Standing, before: Standing) -> bool:
    """Whether the store lacks what this node had when it asked."""
    if there.epoch != before.epoch or there.head > before.head:
        return False
    return there.head < before.head or before.batch not in ("", there.batch)


def _is_place(place: Any) -> bool:
    return isinstance(place, list) and len(place) == 2 and isinstance(place[0], str) and isinstance(place[1], int)
