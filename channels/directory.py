"""The logs that are open on this node: those of fixed channels always, those of namespaces while they are of use (C23).

A channel of a namespace is opened by its first publish or subscription, and forgotten when nobody follows it and
nothing is left of the time it keeps. What `last_per_key` keeps leaves then too: last entries kept for ever would fill
L25 with channels that nobody follows, so only a fixed channel keeps them without an end. The epoch goes with the log: a
position from before is answered by a `gap`, never by entries of another history.
"""

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from channels._native import PlaneError
from channels.channel import PRESENCE, ChannelConfig
from channels.config import Catalog, Resolved
from channels.errors import LogUnavailable, Overloaded, UnknownChannel
from channels.names import is_channel_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from channels.errors import BrokerError
    from channels.plane import LogPlane

    Settled = Callable[[BrokerError | None], None]
    """Hears once: None when the entries are stored, else why they are not."""

logger = logging.getLogger(__name__)

MAX_NAMESPACE_CHANNELS = 100_000
SWEEP_LOGS = 2_048
"""Idle logs looked at in one sweep: the rest waits for the next, so that no sweep holds up the loop."""
SWEEP_SECONDS = 0.004
"""For which durable logs are closed at a time: their files are erased in the call, half a millisecond each or more."""


class Placement(NamedTuple):
    """Entries of a durable log that have their places and are not stored yet, and who hears what becomes of them."""

    epoch: str
    first: int
    last: int
    settled: "Settled | None"


@dataclass(slots=True, eq=False)
class OpenLog:
    """One open log."""

    channel: str
    log: int
    config: ChannelConfig
    base: str | None
    """The channel whose presence it tells; None for any other log."""
    companion: str | None
    """The channel that tells who follows this one; None where nobody is told."""
    is_fixed: bool
    owner: str = ""
    """The subject whose channel it is (C24); empty where it belongs to nobody."""
    subscriptions: int = 0
    appended_at: float = 0.0
    """Wall clock of the newest entry that came by the broker: until its retention is over the log holds something."""
    left_at: float = 0.0
    """Wall clock when it was opened, or followed last by anybody."""
    is_queued: bool = False
    placements: deque[Placement] | None = None
    """What is not stored yet, in the order of the places; None: the log is in memory, where everything is."""


class Directory:
    """Open logs by channel name.

    `is_held(log)` says that an idle log must stay for another reason; `recovered(log)` hears of each durable log,
    `closed(log)` of each that is closed. `are_copies`: what the logs hold is elsewhere too, so that they are kept for
    as long as the channel keeps entries after the last subscription, whatever they hold (N18).
    """

    def __init__(
        self,
        plane: "LogPlane",
        catalog: Catalog,
        *,
        is_held: "Callable[[OpenLog], bool]",
        recovered: "Callable[[OpenLog], None]",
        closed: "Callable[[OpenLog], object]" = lambda _log: None,
        are_copies: bool = False,
        wall: "Callable[[], float]" = time.time,
        most: int = MAX_NAMESPACE_CHANNELS,
        clock: "Callable[[], float]" = time.perf_counter,
    ) -> None:
        self.refused = 0
        self._clock = clock
        self._plane = plane
        self._catalog = catalog
        self._is_held = is_held
        self._recovered = recovered
        self._closed = closed
        self._are_copies = are_copies
        self._wall = wall
        self._most = most
        self._logs: dict[str, OpenLog] = {}
        self._by_number: dict[int, OpenLog] = {}
        self._opened = 0  # channels of namespaces (L25)
        self._idle: deque[OpenLog] = deque()
        self._unswept = 0  # idle logs that the last sweep is still to look at

    def __len__(self) -> int:
        return len(self._logs)

    def __iter__(self) -> "Iterator[OpenLog]":
        return iter(self._logs.values())

    @property
    def namespace_channels(self) -> int:
        """Open logs of namespaces (L25)."""
        return self._opened

    def open_fixed(self) -> None:
        """Open the log of every channel that exists from the start, with its companion."""
        for config in self._catalog.fixed:
            log = self.use(config.name)
            if log.companion is not None:
                self.use(log.companion)

    def open_kept(self) -> list[str]:
        """Open what the data directory keeps of namespaces; so it is forgotten in time, too (C23).

        -> channels it keeps something of although they are not durable now. What they take is not in there, so that it
        becomes the past of another epoch when they are durable again.
        """
        kept = self._plane.durable_channels()
        left = [channel for channel in kept if not self._catalog.is_durable(channel)]
        for channel in kept:
            if self._catalog.is_durable(channel):
                self.use(channel)
        for channel in left:
            self._plane.leave_durable_log(channel)
        return left

    def numbered(self, number: int) -> OpenLog | None:
        """The open log that has this number."""
        return self._by_number.get(number)

    def get(self, channel: str) -> OpenLog | None:
        """The log of `channel` if it is open."""
        return self._logs.get(channel)

    def name_of(self, number: int) -> str | None:
        """The channel of an open log, by the plane's number of it."""
        log = self._by_number.get(number)
        return None if log is None else log.channel

    def use(self, channel: str) -> OpenLog:
        """The log of `channel`, opened if need be; raises `UnknownChannel`, `Overloaded` (L25) or `LogUnavailable`."""
        return self._logs.get(channel) or self._open(channel)

    def unfollow(self, log: OpenLog) -> None:
        """One subscription less; a log without any becomes a candidate for being forgotten."""
        log.subscriptions -= 1
        log.left_at = self._wall()
        self._queue_if_idle(log)

    @property
    def idle(self) -> int:
        """Logs of namespaces that wait for being forgotten."""
        return len(self._idle)

    def forget_idle(self, wall: float, most: int = SWEEP_LOGS) -> int:
        """Close idle logs of namespaces that hold nothing (C23); looks at `most` of them. -> how many were closed

        Stops early where files are to be erased: `forget_more` goes on as long as `is_sweeping`.
        """
        self._unswept = min(most, len(self._idle))
        return self.forget_more(wall)

    @property
    def is_sweeping(self) -> bool:
        """The last sweep has not looked at everything that it has to."""
        return self._unswept > 0

    def forget_more(self, wall: float) -> int:
        """Go on with the sweep that `forget_idle` has begun. -> how many were closed"""
        before, until = len(self._logs), self._clock() + SWEEP_SECONDS
        while self._unswept:
            self._unswept -= 1
            log = self._idle.popleft()
            log.is_queued = False
            if log.subscriptions == 0 and self._is_over(log, wall) and self._close(log):
                if log.placements is not None and self._clock() >= until:
                    break
            else:
                self._queue_if_idle(log)
        return before - len(self._logs)

    def info(self, log: OpenLog) -> dict[str, object]:
        """The plane's figures of a log; raises `LogUnavailable`."""
        try:
            return self._plane.log_info(log.log)
        except PlaneError as error:
            raise unavailable(log.channel, error) from error

    def _open(self, channel: str) -> OpenLog:
        resolved = self._catalog.resolve(channel)
        if resolved is None:
            raise unknown(channel)
        is_fixed = channel == resolved.config.name
        if not is_fixed and self._opened >= self._most:
            self.refused += 1
            raise Overloaded(
                f"expected at most {self._most} channels of namespaces on this node, came {channel!r}",
                channel=channel,
                limit=self._most,
            )
        log = OpenLog(
            channel,
            self._open_log(channel, resolved),
            resolved.config,
            resolved.base,
            _companion(channel, resolved.config),
            is_fixed,
            resolved.owner,
            left_at=self._wall(),
        )
        self._logs[channel] = self._by_number[log.log] = log
        if resolved.config.retention.durable:
            log.placements = deque()
            self._recovered(log)
        self._opened += not is_fixed
        self._queue_if_idle(log)
        return log

    def _open_log(self, channel: str, resolved: Resolved) -> int:
        kept = resolved.config.retention
        durable = {"durable": True} if kept.durable else {}
        try:
            return self._plane.open_log(
                channel, seconds=kept.seconds, max_bytes=kept.max_bytes, last_per_key=kept.last_per_key, **durable
            )
        except PlaneError as error:
            raise unavailable(channel, error) from error

    def _queue_if_idle(self, log: OpenLog) -> None:
        if not (log.is_fixed or log.is_queued or log.subscriptions):
            log.is_queued = True
            self._idle.append(log)

    def _is_over(self, log: OpenLog, wall: float) -> bool:
        kept_until = (log.left_at if self._are_copies else log.appended_at) + log.config.retention.seconds
        if wall < kept_until or log.placements or self._is_held(log):
            return False
        return self._are_copies or not self.info(log)["entries"]

    def _close(self, log: OpenLog) -> bool:
        """False: I/O threads append by themselves, and something has come in between."""
        try:
            if self._are_copies or log.placements is not None:
                self._plane.close_log(log.log)
            elif not self._plane.close_log_if_empty(log.log):
                return False
        except PlaneError as error:  # files that do not go: the log itself is closed
            logger.warning("the files of %s stay: %s", log.channel, error)
        del self._logs[log.channel], self._by_number[log.log]
        self._opened -= 1
        self._closed(log)
        return True


def _companion(channel: str, config: ChannelConfig) -> str | None:
    """The name of the companion (C25), where it is still a name (M16)."""
    name = channel + PRESENCE
    return name if config.presence and is_channel_name(name) else None


def unknown(channel: str) -> UnknownChannel:
    """There is no such channel."""
    return UnknownChannel(f"expected a configured channel, came {channel!r}", channel=channel)


def unavailable(channel: str, error: PlaneError) -> LogUnavailable:
    """What the plane's refusal means to the caller."""
    return LogUnavailable(f"the log of {channel} is unreachable: {error}", channel=channel)
