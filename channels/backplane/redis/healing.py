"""Reading what is missing from the store (N7, N12, N13): once per channel at a time, however many wait for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from struct import Struct
from typing import Any, NamedTuple

from channels.backplane.redis.appending import EMPTY, Answer, Appending, Changed, Verdict
from channels.backplane.redis.errors import NotSentError, StoreError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.following import Following
from channels.backplane.redis.options import MIB, RedisOptions
from channels.backplane.redis.replica import Judgement, Replica, Standing, Taken
from channels.backplane.redis.scripts import NEWEST, READ
from channels.backplane.redis.segment import UnreadableError, last_of, read_stored
from channels.backplane.redis.store import Store
from channels.backplane.redis.waiter import Waiter
from channels.errors import LogUnavailable
from channels.publication import Position

logger = logging.getLogger(__name__)

READ_TOGETHER = 64
"""Channels that are read at once, each at its own pace, and of holes those of one round."""
READ_BYTES = 4 * MIB
"""Of the answers to all that are being read."""
LEAST_BYTES = 65_536
NEWEST_BYTES = MIB
"""Of one page of the newest entries per key, and what the last of them has more."""

_offset = Struct("<Q")


class _Reply(NamedTuple):
    epoch: str
    head: int
    batch: str
    why: str
    items: Sequence[Any]


class Healing:
    """Reads. Those who wait for an answer come first, holes at most `heal_rate` times a second."""

    def __init__(
        self, store: Store, following: Following, appending: Appending, figures: RedisFigures, options: RedisOptions
    ) -> None:
        self._store = store
        self._following = following
        self._appending = appending
        self._figures = figures
        self._options = options
        self._urgent: dict[str, None] = {}
        self._holes: dict[str, None] = {}
        self._reading = 0
        self._ends: dict[str, tuple[str, str]] = {}
        """Epochs that are to end, by channel: name and reason."""
        self.decide: Callable[[str, Changed], Awaitable[Verdict | None]] | None = None
        """Proves continuity or gives up on it (N5)."""
        self.is_retired: Callable[[str, str], bool] = lambda *_: False
        """Whether the master of a replication id is believed no longer of a channel."""
        self.hears_soon: Callable[[str], bool] = lambda _: True
        """Whether a subscription is confirmed soon; then nothing is read before, lest something fall between."""
        self.failed: Callable[[str, Exception], None] = lambda *_: None
        """Hears of what should never fail."""
        self._wake_urgent = asyncio.Event()
        self._wake_holes = asyncio.Event()
        following.suspected = self.suspected

    def suspected(self, replica: Replica) -> None:
        """`replica` is to be read."""
        if self._following.has_waiters(replica) or not replica.is_synced or replica.channel in self._ends:
            self._holes.pop(replica.channel, None)
            self._urgent[replica.channel] = None
            self._wake_urgent.set()
        else:
            self._holes[replica.channel] = None
            self._wake_holes.set()

    def end_epoch(self, replica: Replica, reason: str) -> None:
        """The current history of `replica` is to end (N4)."""
        self._ends[replica.channel] = (replica.epoch, reason)
        replica.is_suspect = replica.is_broken = True
        self.suspected(replica)

    async def read_urgent(self) -> None:
        """For ever: read what somebody waits for, and what was never read."""
        await self._serve(self._urgent, self._wake_urgent)

    async def read_holes(self) -> None:
        """For ever: read what is missing, at the rate that is allowed."""
        await self._serve(self._holes, self._wake_holes, pause=1.0 / self._options.heal_rate)

    async def _serve(self, queue: dict[str, None], wake: asyncio.Event, pause: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        slots = asyncio.Semaphore(READ_TOGETHER)
        async with asyncio.TaskGroup() as reads:
            while True:
                await wake.wait()
                wake.clear()
                until, count = loop.time() + pause, 0
                for replica in islice(self._ready(queue), READ_TOGETHER):
                    replica.is_reading = True
                    count += 1
                    await slots.acquire()
                    reads.create_task(self._read_safely(replica, slots))
                if count == READ_TOGETHER:
                    wake.set()
                await asyncio.sleep(max(until - loop.time(), 0.0))

    def _ready(self, queue: dict[str, None]) -> Iterator[Replica]:
        """What can be read now, taken out of `queue`. The rest is being read, or not subscribed yet, and comes back."""
        for channel in list(queue):
            replica = self._following.get(channel)
            if replica is None:
                queue.pop(channel, None)
            elif not replica.is_reading and (replica.is_subscribed or not self.hears_soon(channel)):
                queue.pop(channel, None)
                yield replica

    async def _read_safely(self, replica: Replica, slots: asyncio.Semaphore) -> None:
        self._reading += 1
        try:
            await self._read(replica)
        except Exception as error:
            logger.exception("%s could not be read", replica.channel)
            self.failed(f"reading {replica.channel}", error)
        finally:
            self._reading -= 1
            slots.release()

    # --- one channel --------------------------------------------------------------------------------------------------

    async def _read(self, replica: Replica) -> None:
        following = self._following
        waiters = following.take_waiters(replica)
        hears = replica.is_subscribed
        replica.is_suspect = False
        is_done = False
        try:
            # Without the store nothing can be read; who waits hears it by a timer of his own.
            meta = self._store.keys.meta(replica.channel)
            await self._store.wait_up(meta, asyncio.get_running_loop().time() + 1.0)
            await self._end_if_disputed(replica)
            is_done = await self._catch_up(replica)
        except StoreError as error:
            logger.info("%s could not be read: %s", replica.channel, error)
        finally:
            replica.is_reading = False
            if not (is_done and hears):
                replica.is_suspect = True
            replica.is_broken = replica.is_suspect
            if following.get(replica.channel) is replica:
                self._end_read(replica, waiters, is_done=is_done)
            else:
                for waiter in waiters:
                    waiter.answer(LogUnavailable(f"the log of {replica.channel} was closed", channel=replica.channel))

    def _end_read(self, replica: Replica, waiters: Sequence[Waiter], *, is_done: bool) -> None:
        following = self._following
        proofs = [waiter for waiter in waiters if not is_done or waiter.proves_loss(replica)]
        following.put_back(replica, proofs)
        for waiter in waiters:
            if waiter not in proofs:
                waiter.answer(None)
        if is_done and proofs:
            self.end_epoch(replica, "token")
        elif not is_done:
            # Not at once, whoever waits: what failed is likely to fail again.
            self._holes[replica.channel] = None
            self._wake_holes.set()
        elif following.has_waiters(replica) or (replica.is_suspect and replica.is_subscribed):
            self.suspected(replica)

    async def _catch_up(self, replica: Replica) -> bool:
        """Read until the log is what the store holds. -> whether it is"""
        following = self._following
        while True:
            before, told = replica.own, replica.standing
            replica.asked()
            reply = await self._ask(replica)
            if following.get(replica.channel) is not replica:
                return True
            if replica.is_synced and self._has_gone_back(replica, reply, told):
                return False
            if not self._take_in(replica, reply):
                return False
            disproved = replica.answered(reply.head)
            if disproved:
                self._figures.fault("unproven", "heard", disproved)
                logger.warning("of %s was heard what its store does not hold", replica.channel)
            following.take_parked(replica, is_read=True)
            if replica.head >= max(reply.head, replica.target):
                break
            if replica.own == before:
                return False
        if replica.lacks_newest:
            newest = await self._newest(replica)
            if newest is None:
                return False
            following.restore(replica, newest)
        return replica.has_all_known

    def _has_gone_back(self, replica: Replica, reply: _Reply, told: Standing) -> bool:
        """The store lacks what this node has told somebody: that history ends (N4). -> whether it is so"""
        if reply.epoch in replica.former:
            self._ends[replica.channel] = (reply.epoch, "former")
        elif reply.epoch == told.epoch and reply.head < told.head:
            self._ends[replica.channel] = (reply.epoch, "behind")
        return replica.channel in self._ends

    async def _ask(self, replica: Replica) -> _Reply:
        keys, channel, own = self._store.keys, replica.channel, replica.own
        meta = keys.meta(channel)
        epoch, head, batch, why, replid, items, written_by = await self._store.run(
            READ,
            (meta, keys.log(channel), keys.last(channel), keys.live(channel)),
            self._options.node,
            self._appending.epochs(),
            self._store.replid(meta),
            self._store.publish,
            *own,
            max(READ_BYTES // self._reading, LEAST_BYTES),
            self._appending.ttl(replica.limits),
        )
        if self.is_retired(channel, replid.decode()):
            self._store.reconnect(meta, "it leads to a former master")
            raise NotSentError("the master is no longer one")
        if written_by not in (b"", replid):
            await self._go_on(replica)
            raise NotSentError("it was not decided whether its history goes on")
        reply = _Reply(epoch.decode(), int(head), batch.decode(), why.decode(), items)
        # The first history of a channel is no rotation.
        if reply.why and (replica.is_synced or reply.why != "missing"):
            self.rotated(channel, reply.why, reply.epoch)
        return reply

    def _take_in(self, replica: Replica, reply: _Reply) -> bool:
        """Bring what was read to the log. -> whether it could be"""
        following = self._following
        if not replica.is_synced or reply.epoch != replica.epoch:
            start = _first_of(reply.items) - 1 if reply.items else reply.head
            if not following.begin(replica, Position(reply.epoch, start)):
                return False
        elif reply.items or reply.head > replica.head:
            self._figures.healed(replica.channel)
        for item in reply.items:
            if not self._take_item(replica, reply.epoch, item):
                return False
        is_over = not reply.items and replica.head < reply.head  # nothing of it is kept any more
        if is_over and not following.begin(replica, Position(reply.epoch, reply.head)):
            return False
        if replica.own == (reply.epoch, reply.head, ""):
            replica.remember(reply.batch)
        return True

    def _take_item(self, replica: Replica, epoch: str, item: Sequence[Any]) -> bool:
        following = self._following
        last = last_of(item)
        if last <= replica.head:
            return True
        try:
            segment = read_stored(item)
        except UnreadableError as error:
            self._figures.fault("unreadable", "stored")
            logger.warning("entries up to %s:%d of %s are skipped: %s", epoch, last, replica.channel, error)
            return following.begin(replica, Position(epoch, last))
        judgement = replica.judge(segment)
        if judgement is Judgement.HOLE:
            # What lies before it has left the store (N8).
            if not following.begin(replica, Position(epoch, segment.first - 1)):
                return False
            judgement = replica.judge(segment)
        if judgement is Judgement.TWO_PASTS:
            self.end_epoch(replica, "two_pasts")
            return False
        if judgement is not Judgement.APPLY:
            return True
        taken = following.apply(replica, segment)
        if taken is Taken.UNREADABLE and replica.is_synced:
            return following.begin(
                replica, Position(epoch, last)
            )  # nobody can read these entries: nobody waits for them
        return taken is Taken.YES

    async def _newest(self, replica: Replica) -> Iterable[tuple[int, bytes]] | None:
        """-> (offset, entry) of each key; None if another history began, or another master answered, meanwhile"""
        keys, channel = self._store.keys, replica.channel
        meta, found = keys.meta(channel), dict[bytes, tuple[int, bytes]]()
        cursor, master = b"0", b""
        while True:
            epoch, replid, cursor, page = await self._store.run(
                NEWEST, (meta, keys.last(channel)), self._store.replid(meta), cursor, NEWEST_BYTES
            )
            is_other = replid != (master or replid) or self.is_retired(channel, replid.decode())
            if is_other or epoch.decode() != replica.epoch:
                return None
            master = replid
            for name, value in zip(page[::2], page[1::2], strict=True):
                if len(value) >= _offset.size:
                    found[name] = (_offset.unpack_from(value)[0], value[_offset.size :])
                else:
                    self._figures.fault("unreadable", "newest")
            if cursor == b"0":
                return found.values()

    # --- ends of epochs -----------------------------------------------------------------------------------------------

    async def _end_if_disputed(self, replica: Replica) -> None:
        if self._appending.is_to_end(replica.channel):
            await self._go_on(replica)
            if self._appending.is_to_end(replica.channel):
                raise NotSentError("its epoch could not be ended yet")
        end = self._ends.pop(replica.channel, None)
        if end is None:
            return
        epoch, reason = end
        try:
            answer = await self._appending.append(replica.limits, replica.own, EMPTY, force=epoch)
            if isinstance(answer, Changed):
                verdict = Verdict(False, answer.old, answer.new)
                answer = await self._appending.append(replica.limits, replica.own, EMPTY, verdict, force=epoch)
        except StoreError:
            self._ends[replica.channel] = end
            raise
        if isinstance(answer, Answer) and answer.why:
            self.rotated(replica.channel, reason if answer.why == "forced" else answer.why, answer.epoch)

    async def _go_on(self, replica: Replica) -> None:
        """Decide whether what is stored goes on, before its head is believed.

        Another master wrote it (N5), or this node took entries without the store.
        """
        answer = await self._appending.append(replica.limits, replica.own, EMPTY)
        if isinstance(answer, Changed) and self.decide is not None:
            verdict = await self.decide(replica.channel, answer)
            if verdict is not None:
                answer = await self._appending.append(replica.limits, replica.own, EMPTY, verdict)
        if isinstance(answer, Answer) and answer.why:
            self.rotated(replica.channel, answer.why, answer.epoch)

    def rotated(self, channel: str, why: str, epoch: str) -> None:
        """This node has begun an epoch: count it, and tell the operator."""
        self._figures.rotated(channel, why)
        logger.warning("the log of %s begins another epoch, %s: %s", channel, epoch, why)


def _first_of(items: Sequence[Any]) -> int:
    """The first offset of what was read; of an entry that cannot be read, the place after it."""
    try:
        return read_stored(items[0]).first
    except UnreadableError:
        return last_of(items[0]) + 1
