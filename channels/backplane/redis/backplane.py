"""The backplane of many nodes: its parts, and how they hear of each other."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from channels.backplane import MAX_BATCH, Deliver, Done, Placed, Ready, Recovered, Replicas
from channels.backplane.redis.appending import Appending, Changed, Verdict, random_epoch
from channels.backplane.redis.canary import Canary
from channels.backplane.redis.control import Control, UnreadableControlError, read_control, write_control
from channels.backplane.redis.feed import Feed
from channels.backplane.redis.figures import Figures
from channels.backplane.redis.following import Following
from channels.backplane.redis.heads import Heads
from channels.backplane.redis.healing import Healing
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.outbox import Outbox
from channels.backplane.redis.replica import Replica
from channels.backplane.redis.store import SingleStore
from channels.backplane.redis.tasks import Tasks
from channels.errors import LogUnavailable
from channels.publication import Position, Publication

if TYPE_CHECKING:
    from channels._native import SignalBatch

logger = logging.getLogger(__name__)

TICK = 1.0
"""Seconds between two canaries (N9)."""


class RedisBackplane:
    """See `Backplane`. Everything runs in the loop that `start` was called in."""

    max_signals = MAX_BATCH

    def __init__(
        self,
        options: RedisOptions,
        *,
        epochs: Callable[[], str] = random_epoch,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.options = options
        self.figures = Figures()
        self.run = secrets.token_hex(6)
        self._epochs = epochs
        self._wall = wall
        self._tasks = Tasks()
        self._parts: _Parts | None = None

    def __repr__(self) -> str:
        return f"<RedisBackplane {self.options.node} {self.failure or 'ready'}>"

    async def start(self, deliver: Deliver, replicas: Replicas) -> None:
        """See the contract. `deliver` is for entries without places, of which there are none here."""
        self._parts = parts = _Parts(self, replicas)
        parts.store.start()
        for name, work in parts.work():
            self._tasks.start(name, work)
        parts.outbox.open()
        parts.following.follow_fixed()

    async def stop(self) -> None:
        """See the contract."""
        parts = self._parts
        if parts is None:
            return
        await parts.outbox.stop()
        parts.following.stop()
        await self._tasks.stop()
        await parts.store.stop()

    def append(
        self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None = None
    ) -> None:
        """See the contract."""
        if self._parts is None:
            done([_stopped(channel)] * len(publications))
        else:
            self._parts.outbox.append(channel, publications, done, batch_id)

    def append_signals(self, channel: str, batch: "SignalBatch", done: Placed) -> None:
        """See the contract."""
        if self._parts is None:
            done(_stopped(channel))
        else:
            self._parts.outbox.append_signals(channel, batch, done)

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        """See the contract."""
        if self._parts is None:
            asyncio.get_running_loop().call_soon(done, _stopped(channel))
            return False
        return self._parts.following.follow(channel, wanted, done, is_proof=is_proof)

    def unfollow(self, channel: str) -> None:
        """See the contract."""
        if self._parts is not None:
            self._parts.following.unfollow(channel)

    @property
    def failure(self) -> str | None:
        """See the contract."""
        if self._parts is None:
            return "the backplane has not started"
        return self._tasks.failure or self._parts.failure

    def recover(self, channel: str, entries: Sequence[Recovered]) -> None:
        """See the contract: the store remembers `mid`s itself."""

    def sweep(self, now: float) -> None:
        """See the contract: the store forgets by itself."""

    def statistics(self) -> dict[str, int]:
        """See the contract. `mids` of the whole cluster are not counted by any node."""
        counts = {"stored": 0, "duplicates": 0, "conflicts": 0, "refused": 0}
        if self._parts is not None:
            counts |= self._parts.outbox.counts
        return counts | {"mids": 0, "mids_refused": 0, "mids_forgotten": 0, "batches_refused": 0}


class _Parts:
    """What exists from the start on."""

    def __init__(self, owner: RedisBackplane, replicas: Replicas) -> None:
        options, figures = owner.options, owner.figures
        self._options = options
        self._figures = figures
        self._run = owner.run
        self._loop = asyncio.get_running_loop()
        self.store = SingleStore(options, figures, opened=lambda: None)
        self.appending = Appending(self.store, options, owner.run, owner._epochs)  # noqa: SLF001 - a part of it
        self.following = Following(
            replicas, figures, bus_message=options.bus_message, patience=options.outbox_wait
        )
        self.healing = Healing(self.store, self.following, self.appending, figures, options)
        self.heads = Heads(self.store, self.following, self.appending, lost=lambda: self.feed.reopen("head"))
        self.canary = Canary(figures, options.canary_wait)
        self.feed = Feed(
            lambda: self.store.dialer.dial(listens=True),
            options,
            figures,
            heard=self._heard,
            subscribed=self._subscribed,
            closed=self._feed_closed,
        )
        self.outbox = Outbox(
            self.appending,
            self.following,
            self.store.keys,
            options,
            figures,
            run=owner.run,
            wait_up=lambda channel, until: self.store.wait_up(self.store.keys.meta(channel), until),
            decide=self._decide,
            rotated=self.healing.rotated,
            wall=owner._wall,  # noqa: SLF001
        )
        self._channel_of: dict[str, str] = {}
        self._number = 0
        following = self.following
        following.followed, following.unfollowed = self._followed, self._unfollowed
        following.is_down = lambda: self.store.failure is not None
        self.healing.listens = lambda: self.feed.is_open
        self.feed.subscribe(self.store.keys.control)

    def work(self) -> list[tuple[str, Callable[[], "asyncio.Future[None]"]]]:
        """What runs for ever."""
        return [
            ("feed", self.feed.run),
            ("fills", self.healing.read_urgent),
            ("heals", self.healing.read_holes),
            ("ticks", self._tick),
        ]

    @property
    def failure(self) -> str | None:
        """Why this node is not ready (N10)."""
        if self.store.failure is not None:
            return f"Redis is unreachable: {self.store.failure}"
        if not self.feed.is_open:
            return f"nothing is heard from Redis: {self.feed.reason}"
        if not self.canary.is_trusted:
            return "the subscription has not been proven yet"
        broken = [one.channel for one in self.following if not one.is_whole and self._counts(one)]
        if broken:
            return f"{len(broken)} logs are being filled or healed, {broken[0]} among them"
        return None

    def _counts(self, replica: Replica) -> bool:
        """Channels of namespaces that are just being opened make no node unready."""
        return replica.limits.is_fixed or replica.is_synced

    async def _tick(self) -> None:
        due = self._loop.time()
        while True:
            due = max(due + TICK, self._loop.time())
            self._send_canary()
            await self.heads.compare()
            await asyncio.sleep(max(due - self._loop.time(), 0.0))
            if self.canary.is_dead(self._loop.time()):
                self.feed.reopen("canary")

    def _send_canary(self) -> None:
        self._number += 1
        body = {"canary": self.canary.next(self._loop.time()), "heads": self.heads.told()}
        message = Control(self._options.node, self._run, self._number, 0, "canary", body, False)
        self.feed.publish(self.store.keys.control, write_control(message))

    def _heard(self, name: str, payload: bytes) -> None:
        channel = self._channel_of.get(name)
        if channel is not None:
            self.following.heard(channel, payload)
            return
        try:
            message = read_control(payload, self._options.bus_message)
        except UnreadableControlError as error:
            self._figures.unreadable["control"] += 1
            logger.warning("a message between nodes was dropped: %s", error)
            return
        if message.kind == "canary":
            number, heads = message.body.get("canary"), message.body.get("heads")
            if message.run == self._run and isinstance(number, int):
                self.canary.returned(number, self._loop.time())
            elif isinstance(heads, dict):
                self.heads.heard(heads)

    def _subscribed(self, name: str) -> None:
        if name == self.store.keys.control:
            self.canary.opened(self._loop.time())
            self._send_canary()
            return
        replica = self.following.get(self._channel_of.get(name, ""))
        if replica is not None:
            replica.is_subscribed = True
            self.following.suspect(replica)

    def _feed_closed(self) -> None:
        self.canary.closed()
        for replica in self.following:
            replica.is_subscribed = False

    def _followed(self, replica: Replica) -> None:
        name = self.store.keys.live(replica.channel)
        self._channel_of[name] = replica.channel
        self.feed.subscribe(name)

    def _unfollowed(self, replica: Replica) -> None:
        name = self.store.keys.live(replica.channel)
        del self._channel_of[name]
        self.feed.unsubscribe(name)
        self.heads.forget(replica.channel)

    async def _decide(self, channel: str, changed: Changed) -> Verdict:
        return Verdict(False, changed.old, changed.new)


def _stopped(channel: str) -> LogUnavailable:
    text = f"the log of {channel} takes nothing: the node has not started or is stopping"
    return LogUnavailable(text, channel=channel)
