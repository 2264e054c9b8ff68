"""Going on alone while the store is away: by choice only, because two nodes that do so have two histories (N11, P6).

Alone, every log begins an epoch of this node, so that no place is ever given twice, and its subscribers are told by a
`gap`; when the store is back the logs hold again what it holds, and that is a `gap` too. What was stored meanwhile
stays on this node and ends there.
"""

import logging
import secrets
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

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
from channels.errors import BrokerError, LogUnavailable
from channels.publication import Position, Publication

if TYPE_CHECKING:
    from channels._native import PublishBatch, SignalBatch

logger = logging.getLogger(__name__)


class LocalWhenAway:
    """`remote`, and `local` in its place once it has failed for `patience` seconds."""

    is_local = False

    def __init__(
        self,
        remote: Backplane,
        local: MemoryBackplane,
        *,
        patience: float = OUTBOX_WAIT,
    ) -> None:
        self.is_alone = False
        self._remote = remote
        self._local = local
        self._patience = patience
        self._failed_at: float | None = None
        self._replicas: Replicas | None = None

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
        self._now.append(channel, publications, done, batch_id)

    def append_signals(self, channel: str, batch: "SignalBatch", done: Placed) -> None:
        """See the contract."""
        self._now.append_signals(channel, batch, done)

    def append_publishes(self, channel: str, batch: "PublishBatch", done: Placed) -> None:
        """See the contract."""
        self._now.append_publishes(channel, batch, done)

    def follow(self, channel: str, wanted: Position | None, done: Ready, *, is_proof: bool = False) -> bool:
        """See the contract. Alone, no position proves anything: those of the store are of other epochs."""
        return self._now.follow(channel, wanted, done, is_proof=is_proof)

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
        elif self._failed_at is None:
            self._failed_at = now
        elif not self.is_alone and now - self._failed_at >= self._patience:
            self._go_alone()

    def statistics(self) -> dict[str, int]:
        """Of both together."""
        remote, local = self._remote.statistics(), self._local.statistics()
        return {name: count + local.get(name, 0) for name, count in remote.items()}

    @property
    def _now(self) -> Backplane:
        return self._local if self.is_alone else self._remote

    def _go_alone(self) -> None:
        why = self._remote.outage
        logger.warning("the store is away (%s): this node goes on alone, with histories of its own", why)
        self.is_alone = True
        for followed in self._logs():
            self._remote.unfollow(followed.channel)
            try:
                self._logs_of().begin(followed.channel, Position(secrets.token_urlsafe(7), 0))
            except BrokerError as error:
                logger.warning("%s", error)

    def _rejoin(self) -> None:
        logger.warning("the store is back: the logs hold again what it holds")
        self.is_alone = False
        for followed in self._logs():
            self._remote.follow(followed.channel, None, _ignore)

    def _logs(self) -> list[Followed]:
        return list(self._logs_of().replicas())

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
        if self._owner.is_alone:
            raise LogUnavailable(f"{channel} has a history of this node while it is alone", channel=channel)


def _ignore(_error: BrokerError | None) -> None:
    """Nobody waits: the log is filled when it is."""
