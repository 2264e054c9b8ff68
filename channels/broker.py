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
from typing import TYPE_CHECKING, cast

from channels._native import PlaneError, PlaneOverloaded, SignalBatch
from channels.backplane import Backplane, Result
from channels.backplane.memory import MemoryBackplane
from channels.channel import PRESENCE, ChannelConfig
from channels.config import Catalog
from channels.directory import MAX_NAMESPACE_CHANNELS, Directory, OpenLog, Placement, unavailable, unknown
from channels.errors import BrokerError, LogUnavailable, OutcomeUnknown, Overloaded, ReadOnlyChannel
from channels.presence import Presence
from channels.publication import Entry, Position, Publication, Stored
from channels.status import ChannelStatus
from channels.subscription import Roster, SubscribeSpec

if TYPE_CHECKING:
    from collections import deque

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
SWEEP_PAUSE = 0.01
"""Seconds between two parts of one sweep, for everything else that the loop has to do."""

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
        self._backplane = self._own_backplane() if backplane is None else backplane
        self._wall = wall
        self._presence = Presence()
        self._roster = Roster()
        self._logs = Directory(
            plane,
            catalog,
            is_held=self._is_held,
            recovered=self._recovered,
            closed=lambda log: self.unwritable.pop(log.log, None),
            most=max_namespace_channels,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_flush_due = False
        self._sweeping: asyncio.TimerHandle | None = None
        self.unwritable: dict[int, str] = {}
        """Durable logs that could not be written the last time, by number: the channel, and why."""
        self._untold = 0  # news of presence that could not be stored
        self._rotations = 0

    async def start(self) -> None:
        """Open the logs of the configured channels; publishes and subscriptions are taken from now on."""
        self._loop = asyncio.get_running_loop()
        self._logs.open_fixed()
        if self.catalog.durable:
            for channel in self._logs.open_kept():
                logger.warning("%s is not durable any more: what the data directory keeps of it is left alone", channel)
        await self._backplane.start(self.deliver)

    async def stop(self) -> None:
        """Refuse everything from now on; what waited for the backplane has been answered when this returns."""
        await self._backplane.stop()
        self._loop = None
        if self._sweeping is not None:
            self._sweeping.cancel()

    # --- publishing ---------------------------------------------------------------------------------------------------

    def publish_nowait(self, publication: Publication, done: Callable[[Result], None]) -> None:
        """Store `publication`; `done` hears where it is, or why it is nowhere (in memory: before this returns)."""
        try:
            log = self._logs.use(publication.channel)
            if log.base is not None:
                raise ReadOnlyChannel(f"the hub alone writes the presence of {log.base}", channel=log.channel)
        except BrokerError as error:
            done(error)
            return
        if not log.config.trace and publication.traceparent is not None:
            publication = replace(publication, traceparent=None, tracestate=None)
        self._backplane.append(publication.channel, (publication,), lambda results: done(results[0]))

    async def publish(self, publication: Publication) -> Stored:
        """Store `publication`; raises `BrokerError`."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.publish_nowait(publication, lambda result: None if answer.done() else answer.set_result(result))
        result = await answer
        if isinstance(result, BrokerError):
            raise result
        return result

    def deliver(
        self,
        channel: str,
        batch: Sequence[Entry] | SignalBatch,
        marks: Sequence[bytes | None] | None = None,
        settled: "Settled | None" = None,
    ) -> Position:
        """Append to the log of `channel`, which brings it to every subscriber. THE ONLY DOOR.

        Local publishes, signals and entries of other nodes come through here. -> position of the last entry; raises
        `BrokerError`, and nothing was appended. In a durable log the entries have their places then, but are neither
        stored nor seen by anybody: `settled` hears later what became of them. In any other log they are stored, and
        `settled` is not called.
        """
        if self._loop is None:
            raise LogUnavailable(f"the log of {channel} takes nothing: the node is not running", channel=channel)
        log = self._logs.use(channel)
        ts = self._wall()
        try:
            if isinstance(batch, SignalBatch):
                epoch, first = self._plane.append_signals(log.log, batch, ts)
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

    # --- what the plane tells of durable logs -------------------------------------------------------------------------

    def stored(self, number: int, epoch: str, offset: int) -> None:
        """EVENT_STORED of log `number`: everything up to `offset` is."""
        self.unwritable.pop(number, None)
        placements = self._placements(number)
        while placements and placements[0].epoch == epoch and placements[0].last <= offset:
            _settle(placements.popleft(), None)

    def store_failed(self, number: int, epoch: str, first: int, text: str, *, is_uncertain: bool) -> None:
        """EVENT_STORE_FAILED of log `number`: what had a place in `epoch` from `first` on by then is not stored.

        What stands before `first` there is. Those that failed are the oldest, as far as their places rise: what came
        later has the first place again.
        """
        log = self._logs.numbered(number)
        if log is None:
            return
        self.stored(number, epoch, first - 1)
        self.unwritable[number] = f"{log.channel}: {text}"
        if not log.placements or log.placements[0].epoch != epoch:
            return
        kind = OutcomeUnknown if is_uncertain else LogUnavailable
        error = kind(f"the log of {log.channel} could not be written: {text}", channel=log.channel)
        logger.error("%s", error.message)
        failed = [log.placements.popleft()]
        while log.placements and _is_after(log.placements[0], failed[-1]):
            failed.append(log.placements.popleft())
        for placement in failed:
            _settle(placement, error)

    def retain_failed(self, number: int, text: str) -> None:
        """EVENT_RETAIN_FAILED of log `number`: its files are not within their bounds, or only with a loss."""
        log = self._logs.numbered(number)
        if log is not None:
            logger.error("what %s keeps on disk could not be cut to its bounds as it should: %s", log.channel, text)

    def is_durable(self, channel: str) -> bool:
        """Whether what is appended to `channel` is stored later than that."""
        return self.catalog.is_durable(channel)

    # --- subscriptions ------------------------------------------------------------------------------------------------

    def subscribe(self, conn: int, subject: str | None, specs: Sequence[SubscribeSpec], reply: Sequence[bytes]) -> None:
        """Put cursors of `conn` where `specs` say and send `reply`, whose gaps the plane fills (see `Plane.subscribe`).

        Rights were checked. Raises `BrokerError` with nothing done and nothing sent; only where a history could not be
        rotated, others that had lost entries too may have been before (N4).
        """
        if self._loop is None:
            raise LogUnavailable("no subscription is taken: the node is not running")
        logs = [self._logs.use(spec.channel) for spec in specs]
        for log in logs:
            if subject is not None and log.companion is not None:
                self._logs.use(log.companion)
        self._rotate([log for log, spec in zip(logs, specs, strict=True) if self._has_lost(log, spec)])
        cursors = [
            (log.log, spec.delivery, spec.on_slow, spec.max_rate, spec.start, spec.keep, spec.ack)
            for log, spec in zip(logs, specs, strict=True)
        ]
        try:
            self._plane.subscribe(conn, cursors, reply)
        except PlaneError as error:
            raise LogUnavailable(f"no subscription is taken: {error}") from error
        self.identity_changed(conn, subject)
        for channel in self._roster.add(conn, subject, [spec.channel for spec in specs]):
            log = self._logs.use(channel)
            log.subscriptions += 1
            self._enter(log, subject)
        self._flush_soon()

    def unsubscribe(self, conn: int, channels: Sequence[str], reply: bytes | None = None) -> None:
        """Take cursors away, then send `reply`. A channel that `conn` does not follow is no error (M28)."""
        logs = [log.log for log in self._leave(conn, channels)]
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

    def located(self, cursors: Iterable[tuple[int, str]]) -> dict[str, Position]:
        """What EVENT_POSITIONS told, by channel."""
        named = ((self._logs.name_of(number), position) for number, position in cursors)
        return {channel: Position.parse(position) for channel, position in named if channel is not None}

    def identity_changed(self, conn: int, subject: str | None) -> None:
        """What `conn` follows it follows for `subject` from now on (C16: an anonymous connection that logged in)."""
        before = self._roster.subject(conn)
        if before == subject:
            return
        self._roster.rename(conn, subject)
        for log in map(self._logs.use, self._roster.channels(conn)):
            self._exit(log, before)
            self._enter(log, subject)

    def connection_closed(self, conn: int) -> None:
        """`conn` is gone, and its cursors with it."""
        self._leave(conn, self._roster.channels(conn))

    # --- what operators see -------------------------------------------------------------------------------------------

    @property
    def open_channels(self) -> int:
        """How many channels are open, however many `channels` lists."""
        return len(self._logs)

    def channels(self, limit: int = MAX_LISTED, where: Where | None = None) -> list[ChannelStatus]:
        """Figures of open channels, the configured ones first; at most `limit`, for namespaces may hold very many.

        `where` (configuration, owner) chooses before the limit counts.
        """
        chosen = (log for log in self._logs if where is None or where(log.config, log.owner))
        return [self._status(log) for log in islice(chosen, limit)]

    def status(self, channel: str) -> ChannelStatus | None:
        """Figures of `channel`; None if its log is not open. Raises `UnknownChannel`."""
        log = self._existing(channel)
        return None if log is None else self._status(log)

    def history(self, channel: str, after: int = 0, limit: int = 100) -> list[bytes]:
        """Entries of `channel` after offset `after`, oldest first, each as its `event` message in JSON (M44)."""
        log = self._existing(channel)
        if log is None:
            return []
        try:
            return self._plane.read_log(log.log, after, min(limit, MAX_HISTORY))
        except PlaneError as error:
            raise unavailable(channel, error) from error

    def present(self, channel: str) -> list[str]:
        """Subjects that are present on `channel` (C25)."""
        return self._presence.subjects(channel)

    def statistics(self) -> dict[str, int]:
        """Counters since the start, and how much is held now; those of the backplane among them."""
        return self._backplane.statistics() | {
            "logs": len(self._logs),
            "namespace_channels": self._logs.namespace_channels,
            "idle_channels": self._logs.idle,
            "channels_refused": self._logs.refused,
            "followers": len(self._roster),
            "presence_untold": self._untold,
            "epoch_rotations": self._rotations,
        }

    def sweep(self, now_wall: float, now: float) -> None:
        """What time does, once a second: retention, ends of presence, `mid`s, idle logs of namespaces (C23)."""
        self._plane.sweep(now_wall)
        self._backplane.sweep(now)
        for change in self._presence.departures(now):
            self._tell(change.channel + PRESENCE, change.entry)
        self._logs.forget_idle(now_wall)
        self._go_on_sweeping(now_wall)

    # --- inside: durable logs -----------------------------------------------------------------------------------------

    def _own_backplane(self) -> MemoryBackplane:
        is_durable = self.is_durable if self.catalog.durable else None
        return MemoryBackplane(monotonic=self._monotonic, is_durable=is_durable)

    def _placements(self, number: int) -> "deque[Placement] | None":
        log = self._logs.numbered(number)
        return None if log is None else log.placements

    def _recovered(self, log: OpenLog) -> None:
        """A durable log is open: say what was found of it, and take up its `mid`s."""
        for kind, text in self._plane.recovery_notes(log.log):
            if kind == "torn":
                logger.warning("the log of %s was cut to its last whole record: %s", log.channel, text)
            else:
                logger.warning("the log of %s begins another epoch (%s): %s", log.channel, kind, text)
        epoch, now = self._logs.info(log)["epoch"], self._wall()
        marks = self._plane.recovered_marks(log.log)
        self._backplane.recover(log.channel, [(f"{epoch}:{offset}", now - ts, mark) for offset, ts, mark in marks])

    # --- inside -------------------------------------------------------------------------------------------------------

    def _go_on_sweeping(self, wall: float) -> None:
        """Files take their time: the rest of a sweep has its turn after what else waits."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        if self._loop is not None and self._logs.is_sweeping:
            self._sweeping = self._loop.call_later(SWEEP_PAUSE, self._sweep_more, wall)

    def _sweep_more(self, wall: float) -> None:
        self._logs.forget_more(wall)
        self._go_on_sweeping(wall)

    def _has_lost(self, log: OpenLog, spec: SubscribeSpec) -> bool:
        """N4: a position that this hub has told and that lies beyond the head proves that entries were lost."""
        if spec.proof is None:
            return False
        info = self._logs.info(log)
        return info["epoch"] == spec.proof.epoch and cast("int", info["head"]) < spec.proof.offset

    def _rotate(self, logs: Sequence[OpenLog]) -> None:
        for log in dict.fromkeys(logs):
            try:
                self._plane.rotate_log(log.log)
            except PlaneError as error:
                raise unavailable(log.channel, error) from error
            self._rotations += 1

    def _leave(self, conn: int, channels: Sequence[str]) -> list[OpenLog]:
        """Strike `channels` from what `conn` follows. -> the logs of those that it did follow"""
        subject = self._roster.subject(conn)
        gone = [self._logs.use(channel) for channel in self._roster.remove(conn, channels)]
        for log in gone:
            self._logs.unfollow(log)
            self._exit(log, subject)
        return gone

    def _enter(self, log: OpenLog, subject: str | None) -> None:
        """A subscription of `subject` begins; the anonymous are nobody."""
        if subject is None or log.companion is None:
            return
        change = self._presence.joined(log.channel, subject, self._wall())
        if change is not None:
            self._tell(log.companion, change.entry)

    def _exit(self, log: OpenLog, subject: str | None) -> None:
        """A subscription of `subject` ends."""
        if subject is not None and log.companion is not None:
            self._presence.left(log.channel, subject, self._monotonic())

    def _tell(self, companion: str, entry: Entry) -> None:
        try:
            self.deliver(companion, (entry,))
        except BrokerError:
            self._untold += 1

    def _existing(self, channel: str) -> OpenLog | None:
        log = self._logs.get(channel)
        if log is None and not self.catalog.exists(channel):
            raise unknown(channel)
        return log

    def _status(self, log: OpenLog) -> ChannelStatus:
        return ChannelStatus.of(log, self._logs.info(log))

    def _is_held(self, log: OpenLog) -> bool:
        """A companion stays open while somebody is present, whether it is read or not."""
        return log.base is not None and not self._presence.is_empty(log.base)

    def _flush_soon(self) -> None:
        """Let the I/O threads see, once per turn of the loop, what the turn has queued."""
        if self._loop is not None and not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        self._plane.flush()


def _is_after(placement: Placement, former: Placement) -> bool:
    return placement.epoch == former.epoch and placement.first > former.last


def _settle(placement: Placement, error: BrokerError | None) -> None:
    if placement.settled is None:
        return
    try:
        placement.settled(error)
    except Exception:
        logger.exception("what was to be done after storing failed")
