"""The channels that this node follows (N7, N8, N18): what is heard of them goes through the door, each entry once.

Whatever is missing or doubtful is `suspect`, and `Healing` reads it from the store.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from channels._native import decode_entries
from channels.backplane import Followed, Ready, Replicas
from channels.backplane.redis.continuity import Claims
from channels.backplane.redis.figures import RedisFigures
from channels.backplane.redis.replica import NOWHERE, Judgement, Replica, Standing, Taken
from channels.backplane.redis.segment import Segment, UnreadableError, read_segment
from channels.backplane.redis.waiter import Waiter
from channels.errors import BrokerError, LogUnavailable
from channels.publication import Position

logger = logging.getLogger(__name__)

HOLE_PATIENCE = 0.1
"""Seconds that an own append may be known before what was stored ahead of it is heard."""


class Following:
    """All replicas of this node.

    `suspected(replica)` hears of each that is to be read; `misled(channel)` of one whose subscription still leads to a
    former master; `followed(replica)` and `unfollowed(replica)` of channels that begin or cease to be followed.
    `is_former(channel, batch)` says whether the master that stored a segment is believed no longer.

    What is heard proves nothing: it is applied if it follows, and else the store is read.
    """

    def __init__(self, replicas: Replicas, figures: RedisFigures, *, bus_message: int, patience: float) -> None:
        self.suspected: Callable[[Replica], None] = lambda _: None
        self.misled: Callable[[str], None] = lambda _: None
        self.is_former: Callable[[str, str], bool] = lambda *_: False
        self.followed: Callable[[Replica], None] = lambda _: None
        self.unfollowed: Callable[[Replica], None] = lambda _: None
        self.is_down: Callable[[], bool] = lambda: False
        """Whether the store is away: then what the log has is all there is (N11)."""
        self._replicas = replicas
        self._figures = figures
        self._bus_message = bus_message
        self._patience = patience
        self._all: dict[str, Replica] = {}
        self._waiting: dict[str, dict[Waiter, None]] = {}
        """By channel, in the order in which they came."""
        self._claims = Claims()
        self.round = 0
        """Counts the seconds."""
        self.fixed: list[Replica] = []
        """Those that are followed always."""
        self._changes: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Replica]:
        return iter(list(self._all.values()))

    def get(self, channel: str) -> Replica | None:
        """The replica of a followed channel."""
        return self._all.get(channel)

    def changed_within(self, rounds: range) -> Iterator[Replica]:
        """Replicas whose last change is so many seconds ago, those that changed first first."""
        for channel in list(self._changes):
            replica = self._all.get(channel)
            age = rounds.stop if replica is None else self.round - replica.changed_round
            if age >= rounds.stop:
                del self._changes[channel]
            elif replica is not None and age in rounds:
                yield replica
            else:
                return  # all others changed later

    def channels(self) -> list[str]:
        """All that is followed."""
        return list(self._all)

    def limits(self, channel: str) -> Followed:
        """What the channel keeps; raises `BrokerError`."""
        replica = self._all.get(channel)
        return self._replicas.replica(channel) if replica is None else replica.limits

    # --- who is followed ----------------------------------------------------------------------------------------------

    def follow_fixed(self) -> None:
        """Follow every channel that is configured by its name."""
        for limits in list(self._replicas.replicas()):
            if limits.is_fixed and limits.channel not in self._all:
                self._begin(limits)

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        """See `Backplane.follow`."""
        waiter = Waiter(wanted, done, is_proof=is_proof)
        replica = self._all.get(channel)
        if replica is None:
            try:
                replica = self._begin(self._replicas.replica(channel))
            except BrokerError as error:
                asyncio.get_running_loop().call_soon(done, error)
                return False
        elif waiter.is_met_by(replica) or (wanted is None and replica.is_synced and self.is_down()):
            return True  # without the store, a log that was whole once serves what it has (N11)
        text = f"the log of {channel} could not be compared with its store within {self._patience:g} s"
        waiter.expire_with(LogUnavailable(text, channel=channel), self._patience, partial(self._expired, channel))
        self._waiting.setdefault(channel, {})[waiter] = None
        self.suspected(replica)
        return False

    def unfollow(self, channel: str) -> None:
        """Its log is closed."""
        replica = self._all.pop(channel, None)
        if replica is None:
            return
        if replica in self.fixed:
            self.fixed.remove(replica)
        if replica.standing != NOWHERE:
            self._claims.acked(channel, replica.standing)
        self.unfollowed(replica)
        error = LogUnavailable(f"the log of {channel} was closed", channel=channel)
        for waiter in self.take_waiters(replica):
            waiter.answer(error)

    def take_waiters(self, replica: Replica) -> list[Waiter]:
        """Those who wait for the next read of this channel; they do so no longer."""
        return list(self._waiting.pop(replica.channel, ()))

    def put_back(self, replica: Replica, waiters: Iterable[Waiter]) -> None:
        """They wait for the next read."""
        left = [waiter for waiter in waiters if not waiter.is_answered]
        if left:
            self._waiting[replica.channel] = dict.fromkeys(left + self.take_waiters(replica))

    def has_waiters(self, replica: Replica) -> bool:
        """Whether somebody waits for this channel."""
        return replica.channel in self._waiting

    def stop(self) -> None:
        """Nobody waits any longer."""
        for channel in list(self._all):
            self.unfollow(channel)

    # --- what is heard ------------------------------------------------------------------------------------------------

    def heard(self, channel: str, payload: bytes) -> None:
        """A message on the channel's `live`."""
        replica = self._all.get(channel)
        if replica is None:
            return
        if len(payload) > self._bus_message:
            self._figures.fault("too_large", "message")
            self.suspect(replica)
            return
        try:
            segment = read_segment(payload)
        except UnreadableError as error:
            self._figures.fault("unreadable", "message")
            logger.warning("a message on the bus of %s was dropped: %s", channel, error)
            self.suspect(replica)
            return
        if not self.take(replica, segment):
            self.suspect(replica)

    def own(self, channel: str, segment: Segment) -> None:
        """The store has answered an append of this node."""
        replica = self._all.get(channel)
        told = Standing(segment.epoch, segment.last, segment.batch)
        if replica is None:
            self._claims.acked(channel, told)
            return
        replica.answered_append(told)
        if self.take(replica, segment, is_answer=True):
            return
        if replica.is_disputed:
            self.suspect(replica)
        elif replica.is_synced:
            # Most likely what lies between is on its way on the other connection.
            asyncio.get_running_loop().call_later(HOLE_PATIENCE, self._look_again, replica)

    def take(self, replica: Replica, segment: Segment, *, is_answer: bool = False) -> bool:
        """Do with `segment` what is to be done. -> False if the store has to be read for it

        `is_answer`: the store itself has just said so, whichever master has stored it.
        """
        judgement = replica.judge(segment) if is_answer else self._judge(replica, segment)
        if judgement is Judgement.APPLY:
            return self.apply(replica, segment) is Taken.YES and self.take_parked(replica)
        if judgement is Judgement.KNOWN:
            return True
        if judgement is Judgement.FORMER:
            self.misled(replica.channel)
        elif judgement is Judgement.TWO_PASTS:
            replica.is_disputed = True
        else:
            replica.park(segment)
        return False

    def take_parked(self, replica: Replica, *, is_read: bool = False) -> bool:
        """Take what was heard ahead of a hole, as far as it goes. -> False if there still is a hole

        `is_read`: the store has just said which epoch it is in; what is of another one is not kept, and if it is of a
        later one, the next look tells.
        """
        is_clear = True
        for parked in replica.take_parked():
            judgement = self._judge(replica, parked.segment)
            if judgement is Judgement.APPLY:
                if self.apply(replica, parked.segment) is not Taken.YES:
                    return False
            elif judgement is Judgement.TWO_PASTS:
                replica.is_disputed, is_clear = True, False
            elif judgement is Judgement.FORMER or (judgement is Judgement.OTHER_EPOCH and is_read):
                is_clear = False
            elif judgement is not Judgement.KNOWN:
                replica.put_back(parked)
        if is_read and not is_clear:
            replica.is_suspect = True
        return is_clear and not replica.parked

    # --- the door -----------------------------------------------------------------------------------------------------

    def apply(self, replica: Replica, segment: Segment) -> Taken:
        """Bring `segment` to the log."""
        channel = replica.channel
        try:
            position = self._replicas.apply(channel, segment.epoch, segment.first, segment.entries)
        except ValueError as error:
            self._figures.fault("unreadable", "entry")
            logger.warning("entries %s:%d of %s were dropped: %s", segment.epoch, segment.first, channel, error)
            self._adopt(replica)
            return Taken.UNREADABLE
        except BrokerError as error:
            logger.warning("the log of %s takes nothing: %s", channel, error)
            replica.expect(segment.last)
            return Taken.REFUSED
        if position.offset != segment.last:
            logger.error("%s: expected entries up to %d, came those up to %s", channel, segment.last, position)
            segment = segment._replace(length=position.offset - segment.first + 1)
            self.suspect(replica)
        replica.applied(segment)
        self._changed(replica)
        return Taken.YES

    def begin(self, replica: Replica, position: Position) -> bool:
        """Let the log stand at `position` with nothing kept. -> whether it does"""
        try:
            self._replicas.begin(replica.channel, position)
        except (BrokerError, ValueError) as error:
            logger.warning("the log of %s cannot begin at %s: %s", replica.channel, position, error)
            return False
        replica.begun(position)
        self._changed(replica)
        return True

    def restore(self, replica: Replica, newest: Iterable[tuple[int, bytes]]) -> None:
        """The newest entry per key, as far as the log has got (N13). One that cannot be read is left out."""
        by_offset = {offset: entry for offset, entry in newest if 1 <= offset <= replica.head}
        known = sorted(by_offset.items())
        try:
            try:
                self._replicas.restore(replica.channel, known)
            except ValueError:
                readable = [one for one in known if _is_entry(one[1])]
                self._unreadable(replica, len(known) - len(readable), "expected one entry of each key")
                self._replicas.restore(replica.channel, readable)
        except (BrokerError, ValueError) as error:
            self._unreadable(replica, len(known), error)
        replica.lacks_newest = False

    def _unreadable(self, replica: Replica, count: int, error: object) -> None:
        self._figures.fault("unreadable", "newest", count)
        logger.warning("%d of the newest entries of %s were dropped: %s", count, replica.channel, error)

    def suspect(self, replica: Replica) -> None:
        """The store is to be read: something is or may be missing."""
        replica.is_suspect = replica.is_broken = True
        self.suspected(replica)

    def claim(self, channel: str) -> Standing | None:
        """What this node may say of `channel` (N5); None if it cannot say."""
        replica = self._all.get(channel)
        return self._claims.of(channel) if replica is None else replica.standing

    def standing(self, channel: str) -> Standing:
        """The same for the script, which takes silence for ignorance."""
        return self.claim(channel) or NOWHERE

    # --- inside -------------------------------------------------------------------------------------------------------

    def _expired(self, channel: str, waiter: Waiter) -> None:
        """It waits no longer: nobody may ever read a channel that the store refuses to this node."""
        waiting = self._waiting.get(channel, {})
        waiting.pop(waiter, None)
        if not waiting:
            self._waiting.pop(channel, None)

    def _judge(self, replica: Replica, segment: Segment) -> Judgement:
        if self.is_former(replica.channel, segment.batch):
            self._figures.details["bus/former"] += 1
            return Judgement.FORMER
        return replica.judge(segment)

    def _begin(self, limits: Followed) -> Replica:
        replica = self._all[limits.channel] = Replica(limits)
        replica.acked = self._claims.of(limits.channel) or NOWHERE
        if limits.is_fixed:
            self.fixed.append(replica)
        self.followed(replica)
        self.suspect(replica)
        return replica

    def _changed(self, replica: Replica) -> None:
        if replica.changed_round != self.round:
            replica.changed_round = self.round
            self._changes.pop(replica.channel, None)
            self._changes[replica.channel] = None

    def _adopt(self, replica: Replica) -> None:
        """If the log is not where it was thought to be, it is read anew."""
        with suppress(BrokerError):
            position = self._replicas.replica(replica.channel).position
            if position != (replica.epoch, replica.head):
                logger.error("%s stands at %s, not at %s:%d", replica.channel, position, replica.epoch, replica.head)
                replica.is_synced = False
                replica.epoch, replica.head = position

    def _look_again(self, replica: Replica) -> None:
        if self._all.get(replica.channel) is replica and replica.head < replica.target:
            self.suspect(replica)


def _is_entry(data: bytes) -> bool:
    try:
        return len(decode_entries(data)) == 1
    except ValueError:
        return False
