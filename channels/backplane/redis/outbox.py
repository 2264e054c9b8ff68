"""Publications on their way to the store (N11): in order per channel, one append of a channel at a time.

What accumulates while an append is on its way goes with the next one. Nothing waits longer than it may, and what could
not be stored is answered, not dropped: `LogUnavailable` if it never left, `OutcomeUnknown` if its answer is lost.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Protocol

from channels.backplane import MAX_BATCH, Done, Followed, Placed, Result
from channels.backplane.redis.appending import Answer, Appending, Changed, Late, Verdict
from channels.backplane.redis.errors import FailedError, NotSentError, RefusedError, StoreError, UnansweredError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.keys import Keys, name_of_batch
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.replica import Standing
from channels.backplane.redis.segment import Segment
from channels.backplane.redis.works import Packing, Publications, Sent, Together, Work, kept_entries
from channels.errors import BrokerError, LogUnavailable, OutcomeUnknown, Overloaded
from channels.publication import Publication, Stored

if TYPE_CHECKING:
    from channels._native import PublishBatch, SignalBatch

logger = logging.getLogger(__name__)

MESSAGE_OVERHEAD = 4_096
"""Bytes of a message on the bus beside its entries, at most."""
LONGEST_PAUSE = 1.0
STOP_PATIENCE = 2.0
"""Seconds for what is on its way when the node stops."""


class _Lane:
    """What waits of one channel."""

    __slots__ = ("channel", "queue")

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.queue: deque[Work] = deque()


class Channels(Protocol):
    """What the outbox has to know of channels, and tells of them."""

    def limits(self, channel: str) -> Followed:
        """Raises `BrokerError`."""
        ...

    def standing(self, channel: str) -> Standing:
        """What this node may say of its log."""
        ...

    def own(self, channel: str, segment: Segment) -> None:
        """The store has answered an append."""


class Outbox:
    """All lanes of a node.

    `decide` proves continuity or gives up on it (N5). `wait_up` waits for the server of a channel, `reconnect` leaves
    one that is no longer the master. `failed` hears of what should never fail.
    """

    def __init__(
        self,
        appending: Appending,
        channels: Channels,
        keys: Keys,
        options: RedisOptions,
        figures: RedisFigures,
        *,
        run: str,
        wait_up: Callable[[str, float], Coroutine[None, None, bool]],
        decide: Callable[[str, Changed], Coroutine[None, None, Verdict | None]],
        rotated: Callable[[str, str, str], None],
        is_retired: Callable[[str, str], bool],
        reconnect: Callable[[str, str], None],
        failed: Callable[[str, Exception], None],
        wall: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.counts = {"stored": 0, "duplicates": 0, "conflicts": 0, "refused": 0}
        self._appending = appending
        self._channels = channels
        self._keys = keys
        self._options = options
        self._figures = figures
        self._run_name = run
        self._wait_up = wait_up
        self._decide = decide
        self._rotated = rotated
        self._is_retired = is_retired
        self._reconnect = reconnect
        self._failed = failed
        self._wall = wall
        self._uniform = uniform
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_deadline: deque[Work] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._waiting_bytes = 0
        self._fence = 0
        self._is_open = False

    def __len__(self) -> int:
        """Publications that wait (`outbox_events`)."""
        return self._waiting

    def open(self) -> None:
        """Take publications from now on."""
        self._is_open = True

    async def stop(self) -> None:
        """Refuse from now on; what is on its way has a moment, the rest is answered when this returns."""
        self._is_open = False
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_PATIENCE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._by_deadline:
            self._give_up(self._by_deadline.popleft(), "the node stops")
        if self._timer is not None:
            self._timer.cancel()

    def append(self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None) -> None:
        """See `Backplane.append`."""
        work = Publications(publications, done, self._deadline(), batch_id)
        self._put(channel, work)

    def append_together(self, channel: str, batch: "PublishBatch | SignalBatch", done: Placed) -> None:
        """See `Backplane.append_signals` and `append_publishes`."""
        self._put(channel, Together(batch.encode_entries(self._wall()), done, self._deadline()))

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._options.outbox_wait

    def _put(self, channel: str, work: Work) -> None:
        error = self._refusal(channel, work)
        if error is not None:
            self.counts["refused"] += work.count
            work.refuse(error)
            return
        self._waiting += work.count
        self._waiting_bytes += work.size
        while self._by_deadline and self._by_deadline[0].is_answered:
            self._by_deadline.popleft()
        self._by_deadline.append(work)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(work.deadline, self._expire)
        lane = self._lanes.get(channel)
        if lane is None:
            lane = self._lanes[channel] = _Lane(channel)
            lane.queue.append(work)
            task = asyncio.get_running_loop().create_task(self._run(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            lane.queue.append(work)

    def _refusal(self, channel: str, work: Work) -> BrokerError | None:
        options = self._options
        if not self._is_open:
            text = f"the log of {channel} takes nothing: the node has not started or is stopping"
            return LogUnavailable(text, channel=channel)
        if work.size > options.bus_message - MESSAGE_OVERHEAD:
            self._figures.fault("too_large", "publication")
            text = f"expected at most {options.bus_message} bytes on the bus"
            return Overloaded(text, channel=channel, limit=options.bus_message)
        if self._waiting + work.count > options.outbox or self._waiting_bytes + work.size > options.outbox_bytes:
            self._figures.fault("outbox", "full")
            text = f"the log of {channel} is unreachable, and {self._waiting} publications wait for it already"
            return LogUnavailable(text, channel=channel, retry_after=options.outbox_wait)
        return None

    def _expire(self) -> None:
        """Answer what has waited for as long as it may."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._by_deadline:
            work = self._by_deadline[0]
            if not work.is_answered and work.deadline > loop.time():
                self._timer = loop.call_at(work.deadline, self._expire)
                return
            self._by_deadline.popleft()
            self._give_up(work, f"it was not stored within {self._options.outbox_wait:g} s")

    def _give_up(self, work: Work, text: str) -> None:
        if work.is_answered:
            return
        self._settle(work)
        self.counts["refused"] += work.count
        if work.sent is not None and work.sent.may_be_stored:
            self._figures.fault("outbox", "unknown")
            work.refuse(OutcomeUnknown(f"the store has not said what became of it: {text}"))
        else:
            self._figures.fault("outbox", "expired")
            work.refuse(LogUnavailable(f"the store is unreachable: {text}", retry_after=1.0))

    def _turn_down(self, work: Work, error: BrokerError) -> None:
        self._settle(work)
        self.counts["refused"] += work.count
        work.refuse(error)

    def _settle(self, work: Work) -> None:
        """It waits no longer."""
        self._waiting -= work.count
        self._waiting_bytes -= work.size

    # --- one channel --------------------------------------------------------------------------------------------------

    async def _run(self, lane: _Lane) -> None:
        try:
            while works := self._gather(lane):
                try:
                    sent = self._pack(lane.channel, works)
                    if sent is not None:
                        await self._send(lane, sent)
                except Exception as error:
                    logger.exception("an append of %s failed", lane.channel)
                    self._failed(f"appending to {lane.channel}", error)
                    self._abandon(works, f"appending failed: {error!r}")
        finally:
            # Without an await since the queue was found empty: nothing can have come in between.
            del self._lanes[lane.channel]

    def _abandon(self, works: Sequence[Work], text: str) -> None:
        for work in works:
            if work.sent is not None:
                work.sent.is_uncertain = True  # whatever it was, it may have been stored before
            self._give_up(work, text)

    def _gather(self, lane: _Lane) -> list[Work]:
        """What goes with the next append: as much as may, in order, and a batch with an id of its own alone."""
        works: list[Work] = []
        count = size = 0
        while lane.queue:
            work = lane.queue[0]
            if not work.is_answered:
                is_full = count + work.count > MAX_BATCH or size + work.size > self._options.batch_bytes
                if works and (is_full or work.batch_id is not None):
                    break
                works.append(work)
                count += work.count
                size += work.size
            lane.queue.popleft()
            if work.batch_id is not None and works:
                break
        return works

    def _pack(self, channel: str, works: Sequence[Work]) -> Sent | None:
        """Make one append of `works`; None if there is nothing that could be sent."""
        try:
            packing = Packing(self._keys, self._channels.limits(channel))
        except BrokerError as error:
            for work in works:
                self._turn_down(work, error)
            return None
        ts = self._wall()
        for work in works:
            try:
                packing.add(work, ts)
            except ValueError as error:  # it was checked before it came here; whatever it is, the others can go on
                logger.exception("a publication to %s cannot be written", channel)
                self._turn_down(work, LogUnavailable(f"it cannot be written: {error}", channel=channel))
        if not packing.works:
            return None
        self._fence += 1
        given = packing.works[0].batch_id
        name = f"{self._run_name}-{self._fence:x}" if given is None else name_of_batch(given)
        sent = Sent(packing.batch(name, self._fence), packing.works)
        self._figures.batch_sizes.observe(sent.batch.length)
        return sent

    async def _send(self, lane: _Lane, sent: Sent) -> None:
        """Send until it is answered or nobody wants the answer."""
        verdict: Verdict | None = None
        attempt = 0
        while sent.is_wanted:
            latest = max(work.deadline for work in sent.works)
            if not await self._wait_up(lane.channel, latest):
                continue
            if not sent.is_uncertain and any(work.is_answered for work in sent.works):
                # It never left, and some of it is no longer to be stored.
                self._return(lane, sent)
                return
            try:
                reply = await self._attempt(lane.channel, sent, verdict)
            except (NotSentError, RefusedError, FailedError):
                self._figures.details["outbox/refused"] += 1
                attempt += 1
                await asyncio.sleep(self._uniform(0.0, min(LONGEST_PAUSE, 0.01 * 2.0**attempt)))
            except StoreError:
                self._figures.details["outbox/resent"] += 1
            except BrokerError as error:  # its channel cannot be looked up any more
                if sent.is_uncertain:
                    self._abandon(sent.works, error.message)
                else:
                    self._refuse(sent, error)
                return
            else:
                if isinstance(reply, Answer):
                    self._answered(lane.channel, sent, reply)
                    return
                if isinstance(reply, Late):
                    self._refuse(sent, OutcomeUnknown("a later append of this node was done before"))
                    return
                verdict = await self._decide(lane.channel, reply)

    async def _attempt(self, channel: str, sent: Sent, verdict: Verdict | None) -> Answer | Changed | Late:
        limits, standing = self._channels.limits(channel), self._channels.standing(channel)
        sent.is_sending = True
        try:
            answer = await self._appending.append(limits, standing, sent.batch, verdict)
        except (NotSentError, RefusedError):
            raise
        except (StoreError, asyncio.CancelledError):
            sent.is_uncertain = True
            raise
        finally:
            sent.is_sending = False
        if not isinstance(answer, Changed | Late) and self._is_retired(channel, answer.replid):
            sent.is_uncertain = True
            self._reconnect(channel, "it leads to a former master")
            raise UnansweredError("the master is no longer one")
        # The first history of a channel is no rotation.
        if isinstance(answer, Answer) and answer.why and (standing.epoch or answer.why != "missing"):
            self._rotated(channel, answer.why, answer.epoch)
        return answer

    def _return(self, lane: _Lane, sent: Sent) -> None:
        for work in reversed(sent.works):
            work.sent = None
            if not work.is_answered:
                lane.queue.appendleft(work)

    def _refuse(self, sent: Sent, error: BrokerError) -> None:
        for work in sent.works:
            if not work.is_answered:
                self._turn_down(work, error)

    def _answered(self, channel: str, sent: Sent, answer: Answer) -> None:
        if answer.kept:
            entries = kept_entries(sent.batch, answer)
            segment = Segment(answer.epoch, answer.first, answer.kept, answer.batch, entries, answer.before)
            self._channels.own(channel, segment)
        if answer.left:
            self._figures.details["newest/left"] += answer.left
        for work, results in sent.shares(channel, answer):
            if not work.is_answered:
                self._settle(work)
                self._count(results)
                work.answer(results)

    def _count(self, results: Sequence[Result]) -> None:
        for result in results:
            if isinstance(result, Stored):
                self.counts["duplicates" if result.duplicate else "stored"] += 1
            else:
                self.counts["conflicts"] += 1
