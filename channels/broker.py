"""The broker: publishes get their place from the backplane, `deliver` is the only door to subscribers.

What one message costs is decided here, so the way of a publish is short: a lookup, a tuple, a native call. All calls
belong to the thread of the event loop.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from channels._native import PlaneError, PlaneOverloaded, PublishBatch, SignalBatch
from channels.backplane import Backplane, Placed, Result
from channels.backplane.memory import MemoryBackplane
from channels.catching_up import CatchUp, Errors
from channels.channel import PRESENCE, ChannelConfig
from channels.config import Catalog
from channels.directory import MAX_NAMESPACE_CHANNELS, Directory, OpenLog, Placement, unavailable, unknown
from channels.durable import DurableLogs
from channels.errors import BrokerError, LogUnavailable, Overloaded, ReadOnlyChannel
from channels.followers import Followers
from channels.judging import Judging
from channels.publication import Entry, Position, Publication, Stored
from channels.replication import ReplicaLogs
from channels.status import ChannelStatus
from channels.subscription import SubscribeSpec
from channels.sweeping import Sweeper
from channels.telling import Telling

if TYPE_CHECKING:
    from channels._native import Filter
    from channels.directory import Settled
    from channels.plane import LogPlane

logger = logging.getLogger(__name__)

__all__ = [
    "Broker",
    "BrokerError",
    "ChannelStatus",
    "Entry",
    "Position",
    "Publication",
    "Stored",
    "SubscribeSpec",
]

MAX_HISTORY = 1_000
MAX_LISTED = 1_000

Where = Callable[[ChannelConfig, str], bool]


class Broker:
    """Channels of one node: who follows them, what is published to them, what is kept of them."""

    def __init__(
        self,
        plane: "LogPlane",
        catalog: Catalog,
        *,
        node: str,
        backplane: Backplane | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        max_namespace_channels: int = MAX_NAMESPACE_CHANNELS,
    ) -> None:
        self.node = node
        self.catalog = catalog
        self._plane = plane
        self._monotonic = monotonic
        self.backplane = self._own_backplane() if backplane is None else backplane
        self._wall = wall
        self.catching_up = CatchUp(self.backplane)
        self.durable = DurableLogs(plane, lambda: self._logs, self.backplane, wall)
        self._logs = Directory(
            plane,
            catalog,
            is_held=self._is_held,
            recovered=self.durable.opened,
            closed=self._closed,
            are_copies=not self.backplane.is_local,
            wall=wall,
            most=max_namespace_channels,
        )
        self.judging = Judging(plane, self._logs, self.catching_up)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.replicas = ReplicaLogs(
            plane, self._logs, wall=wall, is_running=lambda: self._loop is not None, changed=self._flush_soon
        )
        self._telling = Telling(lambda: self.backplane)
        self.followers = Followers(self._logs, news=self._telling.tell, wall=wall, monotonic=monotonic)
        self._is_flush_due = False
        self._sweeper = Sweeper(self._logs)

    async def start(self) -> None:
        """Open the logs of the configured channels; publishes and subscriptions are taken from now on."""
        self._loop = asyncio.get_running_loop()
        self._logs.open_fixed()
        for channel in self._logs.open_kept():
            text = "%s is not durable now: what the data directory keeps of it becomes the past of another epoch"
            logger.warning(text, channel)
        await self.backplane.start(self.deliver, self.replicas)

    async def stop(self) -> None:
        """Refuse everything from now on; what waited for the backplane has been answered when this returns."""
        await self.backplane.stop()
        self.judging.stop()
        self._loop = None
        self._sweeper.stop()

    # --- publishing ---------------------------------------------------------------------------------------------------

    def publish_nowait(self, publication: Publication, done: Callable[[Result], None]) -> None:
        """Store `publication`; `done` hears where it is, or why it is nowhere (in memory: before this returns)."""
        try:
            log = self._publishable(publication.channel)
        except BrokerError as error:
            done(error)
            return
        if not log.config.trace and publication.traceparent is not None:
            publication = replace(publication, traceparent=None, tracestate=None)
        self.backplane.append(publication.channel, (publication,), lambda results: done(results[0]))

    def publish_batch(self, channel: str, batch: PublishBatch, done: Placed) -> None:
        """Store publishes without `mid`; `done` hears where the last of them is, or why all are nowhere.

        At most `max_signals` of them; where a channel keeps trace contexts from its subscribers, none with one.
        """
        try:
            self._publishable(channel)
        except BrokerError as error:
            done(error)
            return
        self.backplane.append_publishes(channel, batch, done)

    def direct_log(self, channel: str) -> int | None:
        """The number of the log of `channel`, if the I/O threads may append publishes to it by themselves."""
        log = self._logs.get(channel)
        is_direct = self._loop is not None and self.backplane.is_local and log is not None and log.placements is None
        return log.log if is_direct and log is not None and log.base is None else None

    def begin_turn(self) -> None:
        """The caller will `flush` before the loop goes on: what is queued until then needs no call of its own."""
        self._is_flush_due = True

    def flush(self) -> None:
        """Let the I/O threads see now what is queued."""
        self._is_flush_due = False
        self._plane.flush()

    def answers_later(self, channel: str) -> bool:
        """Whether publishes to `channel` may be answered after the call that stores them."""
        return not self.backplane.is_local or self.catalog.is_durable(channel)

    async def publish(self, publication: Publication) -> Stored:
        """Store `publication`; raises `BrokerError`."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.publish_nowait(publication, lambda result: None if answer.done() else answer.set_result(result))
        result = await answer
        if isinstance(result, BrokerError):
            raise result
        return result

    @property
    def max_signals(self) -> int:
        """The most that a batch for `append_signals` or `publish_batch` may hold."""
        return self.backplane.max_signals

    def append_signals(self, channel: str, batch: SignalBatch, done: Placed) -> None:
        """Store a batch of the SignalSystem; `done` hears where its last entry is, or why all are nowhere."""
        self.backplane.append_signals(channel, batch, done)

    async def tell_all(self, companion: str, news: Sequence[Publication]) -> Sequence[Result]:
        """Store 1 to 256 news of presence in the companion that they name. -> what became of each"""
        answer: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self.backplane.append(companion, news, lambda results: None if answer.done() else answer.set_result(results))
        return await answer

    def attend(self, channel: str) -> None:
        """Follow the companion of `channel` for as long as somebody is present: what it holds may be lost (N4)."""
        self.backplane.follow(channel + PRESENCE, None, lambda _: None)

    def deliver(
        self,
        channel: str,
        batch: Sequence[Entry] | PublishBatch | SignalBatch,
        marks: Sequence[bytes | None] | None = None,
        settled: "Settled | None" = None,
    ) -> Position:
        """Append to the log of `channel`, which brings it to every subscriber. THE ONLY DOOR in Python.

        Local publishes, signals and entries of other nodes come through here; what I/O threads were granted
        (`hub.grants`) they append to the same logs by themselves. -> position of the last entry; raises `BrokerError`,
        and nothing was appended. In a durable log the entries have their places then, but are neither stored nor seen
        by anybody: `settled` hears later what became of them. In any other log they are stored, and
        `settled` is not called.
        """
        if self._loop is None:
            raise LogUnavailable(f"the log of {channel} takes nothing: the node is not running", channel=channel)
        log = self._logs.use(channel)
        ts = self._wall()
        try:
            if isinstance(batch, SignalBatch):
                epoch, first = self._plane.append_signals(log.log, batch, ts)
            elif isinstance(batch, PublishBatch):
                epoch, first = self._plane.append_publishes(log.log, batch, ts)
            else:
                epoch, first = self._plane.append(log.log, batch, ts, marks)
        except PlaneOverloaded as error:
            raise Overloaded(f"the log of {channel} takes nothing: {error}", channel=channel) from error
        except PlaneError as error:
            raise unavailable(channel, error) from error
        log.appended_at = ts
        if log.placements is not None:
            log.placements.append(Placement(epoch, first, first + len(batch) - 1, settled))
        if not self._is_flush_due:
            self._flush_soon()
        return Position(epoch, first + len(batch) - 1)

    # --- subscriptions ------------------------------------------------------------------------------------------------

    def follow(
        self, subject: str | None, specs: Sequence[SubscribeSpec], done: Callable[[Errors], None]
    ) -> Errors | None:
        """Before `subscribe`: make sure that the logs are as new as their store (N12, N18), and judged by the filters.

        -> why a channel cannot be followed now, by channel; empty: go on at once; None: `done` hears that later.
        """
        try:
            self._open_all(subject, specs)
        except BrokerError as error:
            return {error.channel: error}

        def caught_up(errors: Errors) -> None:
            found = self.judging.ask(specs, errors, done)
            if found is not None:
                done(found)

        errors = self.catching_up.ask(specs, caught_up)
        return None if errors is None else self.judging.ask(specs, errors, done)

    def subscribe(self, conn: int, subject: str | None, specs: Sequence[SubscribeSpec], reply: Sequence[bytes]) -> None:
        """Put cursors of `conn` where `specs` say and send `reply`, whose gaps the plane fills (see `Plane.subscribe`).

        Rights were checked, and `follow` has found nothing against it. Raises `BrokerError` with nothing done and
        nothing sent.
        """
        self._put_cursors(conn, self._open_all(subject, specs), specs, reply)
        self.followers.add(conn, subject, [spec.channel for spec in specs])

    def refilter(self, conn: int, specs: Sequence[SubscribeSpec]) -> None:
        """Have what `conn` follows pass other policies from where it stands (C17, F12); it is not told of that.

        Raises `BrokerError`.
        """
        self._put_cursors(conn, [self._logs.use(spec.channel) for spec in specs], specs, None)

    def _put_cursors(
        self, conn: int, logs: Sequence[OpenLog], specs: Sequence[SubscribeSpec], reply: Sequence[bytes] | None
    ) -> None:
        cursors = [self.judging.cursor(log, spec, must=reply is None) for log, spec in zip(logs, specs, strict=True)]
        try:
            self._plane.subscribe(conn, cursors, reply)
        except PlaneError as error:
            raise LogUnavailable(f"no subscription is taken: {error}") from error
        self._flush_soon()

    def unsubscribe(self, conn: int, channels: Sequence[str], reply: bytes | None = None) -> None:
        """Take cursors away, then send `reply`. A channel that `conn` does not follow is no error (M28)."""
        logs = [log.log for log in self.followers.remove(conn, channels)]
        try:
            self._plane.unsubscribe(conn, logs, reply)
        except PlaneError as error:
            raise LogUnavailable(f"nothing can be unsubscribed: {error}") from error
        self._flush_soon()

    def acknowledge(self, conn: int, positions: Mapping[str, Position]) -> None:
        """`conn` has handled everything up to `positions`; what M36 says to ignore is ignored."""
        known = ((self._logs.get(channel), position) for channel, position in positions.items())
        self._plane.ack(conn, [(log.log, *position) for log, position in known if log is not None])
        self._flush_soon()

    def locate(self, conn: int) -> None:
        """Ask the plane where the cursors of `conn` stand: it answers by EVENT_POSITIONS, see `located`."""
        self._plane.positions(conn)
        self._flush_soon()

    def watermark(self, conn: int, channels: Iterable[str]) -> None:
        """Let the plane tell `conn` where its cursors on `channels` stand (E4)."""
        known = (self._logs.get(channel) for channel in channels)
        self._plane.watermark(conn, [log.log for log in known if log is not None])
        self._flush_soon()

    def located(self, cursors: Iterable[tuple[int, str]]) -> dict[str, Position]:
        """What EVENT_POSITIONS told, by channel."""
        named = ((self._logs.name_of(number), position) for number, position in cursors)
        return {channel: Position.parse(position) for channel, position in named if channel is not None}

    def identity_changed(self, conn: int, subject: str | None) -> None:
        """What `conn` follows it follows for `subject` from now on (C16: an anonymous connection that logged in)."""
        self.followers.rename(conn, subject)

    def connection_closed(self, conn: int) -> None:
        """`conn` is gone, and its cursors with it."""
        self.followers.forget(conn)

    # --- what operators see -------------------------------------------------------------------------------------------

    @property
    def open_channels(self) -> int:
        """How many channels are open, however many `channels` lists."""
        return len(self._logs)

    def channels(self, limit: int = MAX_LISTED, where: Where | None = None) -> list[ChannelStatus]:
        """Figures of open channels, the configured ones first; at most `limit`, for namespaces may hold very many.

        `where` (configuration, owner) chooses before the limit counts.
        """
        followed = (log for log in self._logs if self.backplane.is_local or log.is_fixed or log.subscriptions)
        chosen = (log for log in followed if where is None or where(log.config, log.owner))
        return [self._status(log) for log in islice(chosen, limit)]

    def status(self, channel: str) -> ChannelStatus | None:
        """Figures of `channel`; None if its log is not open. Raises `UnknownChannel`."""
        log = self._existing(channel)
        return None if log is None else self._status(log)

    def history(self, channel: str, after: int = 0, limit: int = 100, policy: "Filter | None" = None) -> list[bytes]:
        """Entries of `channel` after offset `after`, oldest first, each as its `event` message in JSON (M44).

        Of at most `limit` of them, those that pass `policy` (F12).
        """
        log = self._existing(channel)
        if log is None:
            return []
        try:
            return self._plane.read_log(log.log, after, min(limit, MAX_HISTORY), policy)
        except PlaneError as error:
            raise unavailable(channel, error) from error

    def newest(self, channel: str, after: int = 0) -> list[bytes]:
        """The newest entries of their keys (S5) after offset `after`, oldest first, each as its `event` in JSON (M44).

        At most `MAX_HISTORY`; none of a channel that does not keep them.
        """
        log = self._existing(channel)
        try:
            return [] if log is None else self._plane.read_newest(log.log, after, MAX_HISTORY)
        except PlaneError as error:
            raise unavailable(channel, error) from error

    def present(self, channel: str) -> list[str]:
        """Subjects that are present on `channel` (C25)."""
        return self.followers.present(channel)

    def statistics(self) -> dict[str, int]:
        """Counters since the start, and how much is held now; those of the backplane among them."""
        return self.backplane.statistics() | {
            "logs": len(self._logs),
            "namespace_channels": self._logs.namespace_channels,
            "idle_channels": self._logs.idle,
            "channels_refused": self._logs.refused,
            "followers": len(self.followers),
            "presence_untold": len(self._telling) + self._telling.dropped,
            "epoch_rotations": self.replicas.rotations,
        }

    def sweep(self, now_wall: float, now: float) -> None:
        """What time does, once a second: retention, ends of presence, `mid`s, idle logs of namespaces (C23)."""
        self._plane.sweep(now_wall)
        self.backplane.sweep(now)
        self.followers.sweep(now)
        self._telling.sweep()
        self._sweeper.sweep(now_wall, self._loop)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _own_backplane(self) -> MemoryBackplane:
        is_durable = self.catalog.is_durable if self.catalog.durable else None
        return MemoryBackplane(monotonic=self._monotonic, is_durable=is_durable)

    def _publishable(self, channel: str) -> OpenLog:
        """The log of `channel`, which takes publishes; raises `BrokerError`."""
        log = self._logs.use(channel)
        if log.base is not None:
            raise ReadOnlyChannel(f"the hub alone writes the presence of {log.base}", channel=log.channel)
        return log

    def _open_all(self, subject: str | None, specs: Sequence[SubscribeSpec]) -> list[OpenLog]:
        """The logs of `specs`, and the companions that they need, are open; raises `BrokerError`."""
        if self._loop is None:
            raise LogUnavailable("no subscription is taken: the node is not running")
        logs = [self._logs.use(spec.channel) for spec in specs]
        for log in logs:
            if subject is not None and log.companion is not None:
                self._logs.use(log.companion)
        return logs

    def _closed(self, log: OpenLog) -> None:
        self.backplane.unfollow(log.channel)
        self.durable.closed(log)

    def _existing(self, channel: str) -> OpenLog | None:
        log = self._logs.get(channel)
        if log is None and not self.catalog.exists(channel):
            raise unknown(channel)
        return log

    def _status(self, log: OpenLog) -> ChannelStatus:
        return ChannelStatus.of(log, self._logs.info(log))

    def _is_held(self, log: OpenLog) -> bool:
        """A companion stays open while somebody is present, whether it is read or not; and what somebody waits for."""
        if self.catching_up.is_awaited(log.channel):
            return True
        return log.base is not None and self.followers.is_anybody_on(log.base)

    def _flush_soon(self) -> None:
        """Let the I/O threads see, once per turn of the loop, what the turn has queued."""
        if self._loop is not None and not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        if self._is_flush_due:
            self.flush()
