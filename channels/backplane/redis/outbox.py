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

from channels._native import decode_entries, encode_entries
from channels.backplane import MAX_BATCH, Done, Followed, Placed, Result
from channels.backplane.redis.appending import Answer, Appending, Batch, Changed, Late, Verdict
from channels.backplane.redis.errors import FailedError, NotSentError, RefusedError, StoreError, UnansweredError
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.keys import Keys, name_of_batch
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.replica import Standing
from channels.backplane.redis.segment import Segment
from channels.channel import PRESENCE
from channels.dedup import digest
from channels.errors import BrokerError, LogUnavailable, MidConflict, OutcomeUnknown, Overloaded
from channels.publication import Entry, Position, Publication, Stored

if TYPE_CHECKING:
    from channels._native import SignalBatch

logger = logging.getLogger(__name__)

ENTRY_OVERHEAD = 64
"""Bytes that an entry takes beside its texts, at most."""
MESSAGE_OVERHEAD = 4_096
"""Bytes of a message on the bus beside its entries, at most."""
LONGEST_PAUSE = 1.0
STOP_PATIENCE = 2.0
"""Seconds for what is on its way when the node stops."""


class _Sent:
    """Works that are one append, and whether it may have been done."""

    __slots__ = ("batch", "is_sending", "is_uncertain", "works")

    def __init__(self, batch: Batch, works: "list[_Publications | _Signals]") -> None:
        self.batch = batch
        self.works = works
        self.is_sending = False
        self.is_uncertain = False

    @property
    def is_wanted(self) -> bool:
        return not all(work.is_answered for work in self.works)

    @property
    def may_be_stored(self) -> bool:
        return self.is_sending or self.is_uncertain


class _Work:
    """What a request to append has in common with others."""

    __slots__ = ("batch_id", "count", "deadline", "is_answered", "sent", "size")

    def __init__(self, count: int, size: int, deadline: float, batch_id: str | None) -> None:
        self.count = count
        self.size = size
        self.deadline = deadline
        self.batch_id = batch_id
        self.sent: _Sent | None = None
        self.is_answered = False


class _Publications(_Work):
    """`Backplane.append`."""

    __slots__ = ("_done", "publications")

    def __init__(self, publications: Sequence[Publication], done: Done, deadline: float, batch_id: str | None) -> None:
        size = sum(len(one.data) + len(one.tags or b"") + ENTRY_OVERHEAD for one in publications)
        super().__init__(len(publications), size, deadline, batch_id)
        self.publications = publications
        self._done = done

    def entries(self, ts: float) -> list[bytes]:
        return encode_entries([one.entry for one in self.publications], ts)

    def mids(self, keys: Keys, first: int) -> list[tuple[int, str, bytes]]:
        return [
            (
                first + at,
                keys.mid(one.channel, one.subject, one.mid),
                digest(one.event, one.key, one.tags, one.data),
            )
            for at, one in enumerate(self.publications)
            if one.mid is not None
        ]

    def named(self, entries: Sequence[bytes]) -> list[Entry]:
        return [one.entry for one in self.publications]

    def answer(self, results: Sequence[Result]) -> None:
        if not self.is_answered:
            self.is_answered = True
            self._done(results)

    def refuse(self, error: BrokerError) -> None:
        self.answer([error] * self.count)


class _Signals(_Work):
    """`Backplane.append_signals`."""

    __slots__ = ("_done", "_entries")

    def __init__(self, entries: list[bytes], done: Placed, deadline: float) -> None:
        super().__init__(len(entries), sum(map(len, entries)), deadline, None)
        self._entries = entries
        self._done = done

    def entries(self, ts: float) -> list[bytes]:
        return self._entries

    def mids(self, keys: Keys, first: int) -> list[tuple[int, str, bytes]]:
        return []

    def named(self, entries: Sequence[bytes]) -> list[Entry]:
        return [one[:6] for one in decode_entries(b"".join(entries))]

    def answer(self, results: Sequence[Result]) -> None:
        if not self.is_answered:
            self.is_answered = True
            last = results[-1]
            self._done(_position(last) if isinstance(last, Stored) else last)

    def refuse(self, error: BrokerError) -> None:
        if not self.is_answered:
            self.is_answered = True
            self._done(error)


class _Lane:
    """What waits of one channel."""

    __slots__ = ("channel", "queue")

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.queue: deque[_Publications | _Signals] = deque()


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
    one that is no longer the master.
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
        is_retired: Callable[[str], bool],
        reconnect: Callable[[str, str], None],
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
        self._wall = wall
        self._uniform = uniform
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_deadline: deque[_Publications | _Signals] = deque()
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
        work = _Publications(publications, done, self._deadline(), batch_id)
        self._put(channel, work)

    def append_signals(self, channel: str, batch: "SignalBatch", done: Placed) -> None:
        """See `Backplane.append_signals`."""
        self._put(channel, _Signals(batch.encode_entries(self._wall()), done, self._deadline()))

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._options.outbox_wait

    def _put(self, channel: str, work: _Publications | _Signals) -> None:
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

    def _refusal(self, channel: str, work: _Work) -> BrokerError | None:
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

    def _give_up(self, work: _Publications | _Signals, text: str) -> None:
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

    def _turn_down(self, work: "_Publications | _Signals", error: BrokerError) -> None:
        self._settle(work)
        self.counts["refused"] += work.count
        work.refuse(error)

    def _settle(self, work: _Work) -> None:
        """It waits no longer."""
        self._waiting -= work.count
        self._waiting_bytes -= work.size

    # --- one channel --------------------------------------------------------------------------------------------------

    async def _run(self, lane: _Lane) -> None:
        try:
            while works := self._gather(lane):
                sent = self._pack(lane.channel, works)
                if sent is not None:
                    await self._send_safely(lane, sent)
        except Exception:
            logger.exception("appends of %s failed: what waits of it is answered in time", lane.channel)
        finally:
            # Without an await since the queue was found empty: nothing can have come in between.
            del self._lanes[lane.channel]

    def _gather(self, lane: _Lane) -> "list[_Publications | _Signals]":
        """What goes with the next append: as much as may, in order, and a batch with an id of its own alone."""
        works: list[_Publications | _Signals] = []
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

    def _pack(self, channel: str, works: "list[_Publications | _Signals]") -> "_Sent | None":
        """Make one append of `works`; None if there is nothing that could be sent."""
        try:
            limits = self._channels.limits(channel)
        except BrokerError as error:
            for work in works:
                self._turn_down(work, error)
            return None
        ts = self._wall()
        entries: list[bytes] = []
        mids: list[tuple[int, str, bytes]] = []
        keys: list[tuple[int, str, bool]] = []
        for work in list(works):
            try:
                own = work.entries(ts)
            except ValueError as error:  # it was checked before it came here; whatever it is, the others can go on
                logger.exception("a publication to %s cannot be written", channel)
                works.remove(work)
                self._turn_down(work, LogUnavailable(f"it cannot be written: {error}", channel=channel))
                continue
            mids += work.mids(self._keys, len(entries))
            if limits.last_per_key:
                named = enumerate(work.named(own), len(entries))
                keys += [(at, one[2] or one[0], _removes(channel, one)) for at, one in named]
            entries += own
        if not works:
            return None
        self._fence += 1
        name = works[0].batch_id
        batch = Batch(
            f"{self._run_name}-{self._fence:x}" if name is None else name_of_batch(name),
            self._fence,
            len(entries),
            b"".join(entries),
            mids,
            keys,
        )
        sent = _Sent(batch, works)
        for work in works:
            work.sent = sent
        self._figures.batch_sizes.observe(len(entries))
        return sent

    async def _send_safely(self, lane: _Lane, sent: _Sent) -> None:
        try:
            await self._send(lane, sent)
        except Exception:
            sent.is_uncertain = True  # whatever it was, it may have been stored before
            raise

    async def _send(self, lane: _Lane, sent: _Sent) -> None:
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
            except BrokerError as error:
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

    async def _attempt(self, channel: str, sent: _Sent, verdict: Verdict | None) -> Answer | Changed | Late:
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
        if not isinstance(answer, Changed | Late) and self._is_retired(answer.replid):
            sent.is_uncertain = True
            self._reconnect(channel, "it leads to a former master")
            raise UnansweredError("the master is no longer one")
        # The first history of a channel is no rotation.
        if isinstance(answer, Answer) and answer.why and (standing.epoch or answer.why != "missing"):
            self._rotated(channel, answer.why, answer.epoch)
        return answer

    def _return(self, lane: _Lane, sent: _Sent) -> None:
        for work in reversed(sent.works):
            work.sent = None
            if not work.is_answered:
                lane.queue.appendleft(work)

    def _refuse(self, sent: _Sent, error: BrokerError) -> None:
        for work in sent.works:
            if not work.is_answered:
                self._turn_down(work, error)

    def _answered(self, channel: str, sent: _Sent, answer: Answer) -> None:
        if answer.kept:
            entries = _kept(sent.batch, answer)
            self._channels.own(channel, Segment(answer.epoch, answer.first, answer.kept, sent.batch.name, entries))
        results = _results(channel, sent.batch, answer)
        at = 0
        for work in sent.works:
            own = results[at : at + work.count]
            at += work.count
            if not work.is_answered:
                self._settle(work)
                self._count(own)
                work.answer(own)

    def _count(self, results: Sequence[Result]) -> None:
        for result in results:
            if isinstance(result, Stored):
                self.counts["duplicates" if result.duplicate else "stored"] += 1
            else:
                self.counts["conflicts"] += 1


def _results(channel: str, batch: Batch, answer: Answer) -> list[Result]:
    results: list[Result] = []
    offset = answer.first
    for index in range(batch.length):
        place = answer.repeats.get(index)
        if place is None:
            results.append(Stored(f"{answer.epoch}:{offset}"))
            offset += 1
        elif place:
            results.append(Stored(place, duplicate=True))
        else:
            text = "expected what the mid was used for before, came another event, key, tags or data"
            results.append(MidConflict(text, channel=channel))
    return results


def _kept(batch: Batch, answer: Answer) -> bytes:
    """The entries that were stored."""
    if not answer.repeats:
        return batch.entries
    kept, at = [], 0
    for index in range(batch.length):
        end = at + 4 + int.from_bytes(batch.entries[at : at + 4], "little")
        if index not in answer.repeats:
            kept.append(batch.entries[at:end])
        at = end
    return b"".join(kept)


def _removes(channel: str, entry: Entry) -> bool:
    """S6: whether the entry takes its key out of later snapshots."""
    return entry[1] == b"null" or (entry[0] == "leave" and (channel == "connections" or channel.endswith(PRESENCE)))


def _position(stored: Stored) -> Position:
    epoch, _, offset = stored.position.partition(":")
    return Position(epoch, int(offset))
