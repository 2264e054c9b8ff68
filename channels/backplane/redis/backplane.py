"""The backplane of many nodes: its parts, and how they hear of each other."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from channels.backplane import MAX_BATCH, Deliver, Done, Placed, Ready, Recovered, Replicas
from channels.backplane.redis.appending import Appending, Changed, Verdict, random_epoch
from channels.backplane.redis.backoff import Backoff
from channels.backplane.redis.bus import RedisBus
from channels.backplane.redis.cluster import ClusterStore
from channels.backplane.redis.connection import Dialer
from channels.backplane.redis.continuity import Continuity
from channels.backplane.redis.errors import StoreError
from channels.backplane.redis.figures import RedisFigures, Reported
from channels.backplane.redis.following import Following
from channels.backplane.redis.heads import Heads
from channels.backplane.redis.healing import Healing
from channels.backplane.redis.inspection import inspect
from channels.backplane.redis.link import Opened
from channels.backplane.redis.listener import Listener
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.outbox import Outbox
from channels.backplane.redis.replica import Replica
from channels.backplane.redis.store import SingleStore, Store
from channels.backplane.redis.tasks import Tasks
from channels.errors import BrokerError, LogUnavailable
from channels.publication import Position, Publication

if TYPE_CHECKING:
    from channels._native import PublishBatch, SignalBatch

logger = logging.getLogger(__name__)


class RedisBackplane:
    """See `Backplane`. Everything runs in the loop that `start` was called in. `bus` is the `Bus` of the same node."""

    is_local = False
    is_alone = False
    max_signals = MAX_BATCH

    def __init__(
        self,
        options: RedisOptions,
        *,
        epochs: Callable[[], str] = random_epoch,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.figures = RedisFigures()
        self.run = secrets.token_hex(6)
        self.bus = RedisBus(options, self.run, self.figures)
        self._options = options
        self._epochs = epochs
        self._wall = wall
        self._tasks = Tasks()
        self._parts: Parts | None = None

    def __repr__(self) -> str:
        return f"<RedisBackplane {self._options.node} {self.failure or 'ready'}>"

    @property
    def parts(self) -> "Parts":
        """What it consists of, once it was started."""
        if self._parts is None:
            raise RuntimeError("the backplane has not started")
        return self._parts

    async def start(self, deliver: Deliver, replicas: Replicas) -> None:
        """See the contract. `deliver` is for entries without places, of which there are none here."""
        self._parts = parts = Parts(
            self._options, self.run, self.figures, self.bus, replicas, self._tasks, self._epochs, self._wall
        )
        parts.start()

    async def stop(self) -> None:
        """See the contract."""
        parts, self._parts = self._parts, None
        if parts is not None:
            await parts.stop()

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
            self._parts.outbox.append_together(channel, batch, done)

    def append_publishes(self, channel: str, batch: "PublishBatch", done: Placed) -> None:
        """See the contract."""
        if self._parts is None:
            done(_stopped(channel))
        else:
            self._parts.outbox.append_together(channel, batch, done)

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        """See the contract."""
        if self._parts is None:
            done(_stopped(channel))
            return False
        return self._parts.following.follow(channel, wanted, done, is_proof=is_proof)

    def unfollow(self, channel: str) -> None:
        """See the contract."""
        if self._parts is not None:
            self._parts.following.unfollow(channel)

    def end_epoch(self, channel: str, at: float) -> None:
        """See `channels.backplane.fallback.Common`."""
        if self._parts is not None:
            self._parts.appending.end_epoch(channel, at)

    @property
    def outage(self) -> str | None:
        """See the contract."""
        return "the backplane has not started" if self._parts is None else self._parts.outage

    @property
    def failure(self) -> str | None:
        """See the contract."""
        if self._parts is None:
            return "the backplane has not started"
        return self._parts.failure

    def recover(self, channel: str, entries: Sequence[Recovered]) -> None:
        """See the contract: the store remembers `mid`s itself."""

    def sweep(self, now: float) -> None:
        """See the contract: the store forgets by itself."""

    def statistics(self) -> dict[str, int]:
        """See the contract. How many `mid`s the whole cluster remembers is not known to any node."""
        counts = {"stored": 0, "duplicates": 0, "conflicts": 0, "refused": 0}
        if self._parts is not None:
            counts |= self._parts.outbox.counts
        return counts | {"mids": 0, "mids_refused": 0, "mids_forgotten": 0, "batches_refused": 0}


class Parts:
    """What exists from the start to the stop."""

    def __init__(
        self,
        options: RedisOptions,
        run: str,
        figures: RedisFigures,
        bus: RedisBus,
        replicas: Replicas,
        tasks: Tasks,
        epochs: Callable[[], str],
        wall: Callable[[], float],
    ) -> None:
        self._options = options
        self._figures = figures
        self._tasks = tasks
        self._hurries: list[asyncio.Event] = []
        self._loop = asyncio.get_running_loop()
        self._is_to_be_inspected = asyncio.Event()
        self.bus = bus
        bus.forgotten = lambda: self.heads.doubt_all("the store does not know this node any more")
        self.store = store = self._made_store()
        self.appending = Appending(store, options, run, epochs)
        self.following = Following(replicas, figures, bus_message=options.bus_message, patience=options.outbox_wait)
        self.healing = Healing(store, self.following, self.appending, figures, options)
        self.listener = Listener(store, self.following, bus, figures, options, run)
        self.heads = Heads(
            store,
            self.following,
            self.appending,
            lost=self.listener.doubt,
            at_once=max(options.pool // 2, 1),  # others need the store as well
            backoff=Backoff(*options.backoff),
        )
        self.continuity = Continuity(
            bus,
            figures,
            standing=self.following.claim,
            heard_of=lambda: bus.heard_of(self.listener.proven_at),
            known=lambda: bus.known(self.listener.proven_at),
            left=lambda channel, replid: store.leave(store.keys.meta(channel), replid),
            patience=options.proof_wait,
        )
        self.outbox = Outbox(
            self.appending,
            self.following,
            store.keys,
            options,
            figures,
            run=run,
            wait_up=lambda channel, until: store.wait_up(store.keys.meta(channel), until),
            decide=self._decide,
            rotated=self.healing.rotated,
            is_retired=self.continuity.is_retired,
            reconnect=lambda channel, reason: store.reconnect(store.keys.meta(channel), reason),
            failed=tasks.died,
            wall=wall,
        )
        self.listener.heads = self.heads
        self.listener.hurried = self._hurry
        self.heads.is_retired = self.continuity.is_retired
        self.appending.is_retired = self.continuity.is_retired
        self.healing.failed = tasks.died
        self.healing.hears_soon = self.listener.hears_soon
        self.healing.decide = self._decide
        self.healing.is_retired = self.continuity.is_retired
        self.following.is_former = self.continuity.is_former
        self.following.misled = lambda channel: self.listener.doubt(channel, "former master")
        self.following.is_down = lambda: store.failure is not None
        self.following.followed = self.listener.follow
        self.following.unfollowed = self._unfollowed
        figures.asks_up = lambda: store.failure is None
        figures.asks_outbox = lambda: len(self.outbox)
        figures.asks_lag = lambda: {one.channel: one.lag for one in self.following if one.lag}
        figures.asks_state = self._state

    def start(self) -> None:
        """Connect, and take publications."""
        self.bus.attach(self.store)
        self.store.start()
        self.listener.start()
        self.outbox.open()
        self.following.follow_fixed()
        works: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("canary", self._send_canaries),
            ("fills", self.healing.read_urgent),
            ("heals", self.healing.read_holes),
            ("heads", partial(self._each_second, self._compare)),
            ("echo", partial(self._each_second, self.listener.echo)),
            ("beat", partial(self._each_second, self.bus.beat)),
            ("comparing", self.heads.compare_anew),
            ("telling", self.bus.write),
            ("hearing", self.bus.read),
            ("inspection", self._inspect),
        )
        for name, work in works:
            self._tasks.start(name, work)

    async def stop(self) -> None:
        """Answer what waits, say that this node goes, and disconnect."""
        await self.outbox.stop()
        self.following.stop()
        await self.continuity.stop()
        await self.bus.say_bye()
        await self._tasks.stop()
        await self.listener.stop()
        await self.store.stop()

    @property
    def outage(self) -> str | None:
        """Why nothing can be stored, or nothing arrives."""
        if self.store.failure is not None:
            return f"Redis is unreachable: {self.store.failure}"
        if "unfit" in self._figures.server:
            return str(self._figures.server["unfit"])
        return self.listener.failure

    @property
    def failure(self) -> str | None:
        """Why this node is not ready (N10)."""
        failure = self._tasks.failure or self.outage or self.bus.failure
        if failure is not None:
            return failure
        broken = [one.channel for one in self.following if _is_amiss(one)]
        if broken:
            return f"{len(broken)} logs are being filled or healed, {broken[0]} among them"
        return None

    def _made_store(self) -> Store:
        if Dialer(self._options).is_cluster:
            return ClusterStore(self._options, self._figures, self._opened, self._settle)
        return SingleStore(self._options, self._figures, self._opened)

    def _opened(self, opened: Opened) -> None:
        """There is a new command connection."""
        self.continuity.found(opened.replid, opened.begun_at)
        if opened.is_other:
            self.heads.doubt_all("another master, or another life of it")
            self.bus.doubt()
        self._is_to_be_inspected.set()
        self.listener.hurry()
        self._hurry()

    def _hurry(self) -> None:
        for event in self._hurries:
            event.set()

    def _settle(self) -> None:
        self.listener.settle()

    def _state(self) -> dict[str, Reported]:
        return {
            **self.store.state,
            "followed": len(self.following),
            "nodes": len(self.bus.nodes()) + 1,
        }

    def _unfollowed(self, replica: Replica) -> None:
        self.listener.unfollow(replica)
        self.heads.forget(replica.channel)

    async def _send_canaries(self) -> None:
        due = self._loop.time()
        while True:
            self.listener.tick()
            due = max(due + self._options.tick, self._loop.time())
            await asyncio.sleep(due - self._loop.time())

    async def _each_second(self, work: Callable[[], Awaitable[None]]) -> None:
        """For ever, and at once when there is a new connection. None of them waits for another."""
        hurry = asyncio.Event()
        self._hurries.append(hurry)
        due = self._loop.time()
        try:
            while True:
                if due <= self._loop.time():
                    due = max(due + self._options.tick, self._loop.time())
                if self.store.failure is None:
                    try:
                        await work()
                    except (StoreError, BrokerError) as error:
                        logger.info("what is done each second was not: %s", error)
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await hurry.wait()
                hurry.clear()
        finally:
            self._hurries.remove(hurry)

    async def _compare(self) -> None:
        await self.heads.compare()

    async def _inspect(self) -> None:
        while True:
            await self._is_to_be_inspected.wait()
            self._is_to_be_inspected.clear()
            try:
                await self.store.wait_up(self.store.keys.nodes, self._loop.time() + self._options.command)
                self._figures.server = await inspect(self.store)
            except StoreError as error:
                logger.info("Redis could not be looked at: %s", error)

    async def _decide(self, channel: str, changed: Changed) -> Verdict | None:
        if not self._options.info_in_scripts:
            # Another connection may have told the id of another master: one's own is read again first (N6).
            meta = self.store.keys.meta(channel)
            try:
                if await self.store.read_replid(meta) != changed.new:
                    return None
            except StoreError:
                return None
        return await self.continuity.decide(channel, changed)


def _is_amiss(replica: Replica) -> bool:
    """Whether a log makes the node unready. A channel of a namespace that is just being opened does not."""
    if not replica.is_synced:
        return replica.limits.is_fixed
    return replica.is_broken or not replica.is_subscribed


def _stopped(channel: str) -> LogUnavailable:
    text = f"the log of {channel} takes nothing: the node has not started or is stopping"
    return LogUnavailable(text, channel=channel)
