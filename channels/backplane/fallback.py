"""Going on alone while the store is away: by choice only, because two nodes that do so have two histories (N11, P6).

Alone, a log goes on as what the store was known to hold until this node takes an entry itself. Then it begins an epoch
of this node, so that no place is ever given twice, and its subscribers are told by a `gap`. When the store is back,
what was taken meanwhile is in no history of it. So the epoch that the store had ends for everybody, whoever stayed or
left before, and the logs hold the one that follows. What was stored meanwhile stays on this node and ends there.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from channels.backplane import (
    OUTBOX_WAIT,
    Backplane,
    Deliver,
    Done,
    Followed,
    Placed,
    Ready,
    Recovered,
    Replicas,
)
from channels.backplane.figures import BackplaneFigures
from channels.backplane.memory import MemoryBackplane
from channels.errors import BrokerError, LogUnavailable, Overloaded
from channels.publication import Position, Publication

if TYPE_CHECKING:
    from channels._native import PublishBatch, SignalBatch

MOST_APART = 100_000
"""Channels that may have an epoch of this node, as many as there may be channels of namespaces (L25)."""

logger = logging.getLogger(__name__)


class Common(Backplane, Protocol):
    """A backplane whose store others share, and which can be told of entries that it does not have."""

    def end_epoch(self, channel: str, at: float) -> None:
        """Up to the monotonic time `at` this node took entries of `channel` that the store does not have.

        An epoch of the store MUST end, by a call of this or any node, unless it began after that; until then nothing of
        it may be shown here. Told of by several nodes, one end after the newest `at` is enough.
        """


class LocalWhenAway:
    """`remote`, and `local` in its place once it has failed for `patience` seconds.

    At most `most` channels take entries while the store is away; those of further ones are refused. `monotonic` says
    the time in seconds.
    """

    is_local = False

    def __init__(
        self,
        remote: Common,
        local: MemoryBackplane,
        *,
        patience: float = OUTBOX_WAIT,
        most: int = MOST_APART,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_alone = False
        self._remote = remote
        self._local = local
        self._patience = patience
        self._most = most
        self._monotonic = monotonic
        self._failed_at: float | None = None
        self._replicas: Replicas | None = None
        self._apart: dict[str, float] = {}
        """Channels with an epoch of this node, and when each took its newest entry."""
        self._returning: dict[str, bool] = {}
        """Channels whose epoch in the store is to end, each with whether that is on its way."""

    @property
    def apart(self) -> int:
        """Channels that have, or lately had, an epoch of this node which is not over in the store yet."""
        return len(self._apart.keys() | self._returning.keys())

    @property
    def max_signals(self) -> int:
        """What both take."""
        return min(self._remote.max_signals, self._local.max_signals)

    @property
    def figures(self) -> BackplaneFigures:
        """Those of the store."""
        return self._remote.figures

    @property
    def outage(self) -> str | None:
        """None while the node goes on alone."""
        return None if self.is_alone else self._remote.outage

    @property
    def failure(self) -> str | None:
        """None while the node goes on alone: it takes and delivers what there is."""
        return None if self.is_alone else self._remote.failure

    async def start(self, deliver: Deliver, replicas: Replicas) -> None:
        """See the contract."""
        self._replicas = replicas
        await self._local.start(deliver, replicas)
        await self._remote.start(deliver, _Gate(self, replicas))

    async def stop(self) -> None:
        """See the contract."""
        await self._remote.stop()
        await self._local.stop()

    def append(
        self, channel: str, publications: Sequence[Publication], done: Done, batch_id: str | None = None
    ) -> None:
        """See the contract."""
        if not self.is_alone:
            self._remote.append(channel, publications, done, batch_id)
        elif (error := self._refusal(channel)) is not None:
            done([error] * len(publications))
        else:
            self._local.append(channel, publications, done, batch_id)

    def append_signals(self, channel: str, batch: "SignalBatch", done: Placed) -> None:
        """See the contract."""
        if not self.is_alone:
            self._remote.append_signals(channel, batch, done)
        elif (error := self._refusal(channel)) is not None:
            done(error)
        else:
            self._local.append_signals(channel, batch, done)

    def append_publishes(self, channel: str, batch: "PublishBatch", done: Placed) -> None:
        """See the contract."""
        if not self.is_alone:
            self._remote.append_publishes(channel, batch, done)
        elif (error := self._refusal(channel)) is not None:
            done(error)
        else:
            self._local.append_publishes(channel, batch, done)

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        """See the contract. Alone, a log without an epoch of this node serves what it holds, and nothing beyond.

        For a position that it does not know, and that this hub has told, an epoch of this node begins: the one that
        the store has may hold that place, and cannot be had. A client's bare word changes no log (P11).
        """
        if not self.is_alone:
            return self._remote.follow(channel, wanted, done, is_proof=is_proof)
        is_known = channel in self._apart or self._remote.follow(channel, wanted, _ignore)
        if is_known or wanted is None or self._has(channel, wanted):
            return True
        if not is_proof:
            text = f"whether {channel} has an entry at {wanted} cannot be said while Redis is away"
            done(LogUnavailable(text, channel=channel))
            return False
        if (error := self._refusal(channel)) is not None:
            done(error)
            return False
        return True

    def unfollow(self, channel: str) -> None:
        """See the contract."""
        self._remote.unfollow(channel)

    def recover(self, channel: str, entries: Sequence[Recovered]) -> None:
        """Nothing durable is kept beside a store."""

    def sweep(self, now: float) -> None:
        """See the contract; also once a second: is the store away for good, or back?"""
        self._remote.sweep(now)
        self._local.sweep(now)
        if self._remote.outage is None:
            self._failed_at = None
            if self.is_alone:
                self._rejoin()
            self._end_epochs()
        elif self._failed_at is None:
            self._failed_at = now
        elif not self.is_alone and now - self._failed_at >= self._patience:
            self._go_alone()

    def is_apart(self, channel: str) -> bool:
        """Whether `channel` has an epoch of this node now."""
        return channel in self._apart

    def statistics(self) -> dict[str, int]:
        """Of both together."""
        remote, local = self._remote.statistics(), self._local.statistics()
        return {name: count + local.get(name, 0) for name, count in remote.items()}

    def _has(self, channel: str, wanted: Position) -> bool:
        try:
            head = self._logs_of().replica(channel).position
        except BrokerError:
            return False
        return wanted.epoch == head.epoch and wanted.offset <= head.offset

    def _go_alone(self) -> None:
        why = self._remote.outage
        logger.warning("the store is away (%s): this node goes on alone, with histories of its own", why)
        self.is_alone = True

    def _refusal(self, channel: str) -> BrokerError | None:
        """Let `channel` have an epoch of this node, for an entry that comes now. -> why it cannot"""
        if channel not in self._apart:
            if self.apart >= self._most and channel not in self._returning:
                text = f"expected at most {self._most} channels that go on without Redis"
                return Overloaded(text, channel=channel, limit=self._most)
            self._remote.unfollow(channel)
            self._apart[channel] = self._monotonic()  # first: whoever hears of the epoch may have an entry for it
            try:
                self._logs_of().begin(channel, Position(secrets.token_urlsafe(7), 0))
            except BrokerError as error:
                del self._apart[channel]
                return error
        self._apart[channel] = self._monotonic()
        return None

    def _rejoin(self) -> None:
        count = len(self._apart)
        logger.warning("the store is back: %d channels that took entries meanwhile begin another epoch in it", count)
        self.is_alone = False
        apart, self._apart = self._apart, {}
        for channel, at in apart.items():
            self._remote.end_epoch(channel, at)
            self._returning[channel] = False

    def _end_epochs(self) -> None:
        """Let the store hear of every channel that took entries without it: also where nobody follows it any more."""
        for channel in [one for one, is_asked in self._returning.items() if not is_asked]:
            self._returning[channel] = True
            if self._remote.follow(channel, None, partial(self._ended, channel)):
                self._ended(channel, None)

    def _ended(self, channel: str, error: BrokerError | None) -> None:
        if error is None:
            self._returning.pop(channel, None)
        else:
            logger.info("the epoch of %s is not ended yet: %s", channel, error)
            self._returning[channel] = False

    def _logs_of(self) -> Replicas:
        if self._replicas is None:
            raise LogUnavailable("the backplane has not started")
        return self._replicas


class _Gate:
    """The logs as the store may fill them: not while they are the node's own."""

    def __init__(self, owner: LocalWhenAway, replicas: Replicas) -> None:
        self._owner = owner
        self._replicas = replicas

    def replica(self, channel: str) -> Followed:
        return self._replicas.replica(channel)

    def replicas(self) -> Iterable[Followed]:
        return self._replicas.replicas()

    def apply(self, channel: str, epoch: str, first: int, entries: bytes) -> Position:
        self._check(channel)
        return self._replicas.apply(channel, epoch, first, entries)

    def begin(self, channel: str, position: Position) -> None:
        self._check(channel)
        self._replicas.begin(channel, position)

    def restore(self, channel: str, newest: Sequence[tuple[int, bytes]]) -> None:
        self._check(channel)
        self._replicas.restore(channel, newest)

    def rotate(self, channel: str) -> None:
        self._check(channel)
        self._replicas.rotate(channel)

    def _check(self, channel: str) -> None:
        if self._owner.is_apart(channel):
            raise LogUnavailable(f"{channel} has a history of this node while it is alone", channel=channel)


def _ignore(_error: BrokerError | None) -> None:
    """Nobody waits: the log is filled when it is."""
