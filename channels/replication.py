"""The logs of this node as copies of a store that is elsewhere: entries that have their places come in here (N7, N8).

What a backplane asks of them is `channels.backplane.Replicas`; a backplane whose store is this node asks for little.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from channels._native import PlaneError
from channels.backplane import Followed
from channels.directory import Directory, OpenLog, unavailable
from channels.errors import LogUnavailable
from channels.publication import Position

if TYPE_CHECKING:
    from channels.plane import LogPlane

MAX_ENTRIES = 1_000_000
"""Entries that a log keeps at most, whatever its time and its bytes: the plane's own bound."""


class Observer(Protocol):
    """Reads one channel as it comes, beside its subscribers."""

    def applied(self, first: int, entries: bytes) -> None:
        """Entries have come, as `encode_entries` made them, which stand at `first` and behind it.

        Or the newest of each key, one by one, which may be older than what came before.
        """

    def begun(self) -> None:
        """Whatever came before is not of this history."""


class ReplicaLogs:
    """`Replicas`. `changed` is called after each change that the I/O threads should see."""

    def __init__(
        self,
        plane: "LogPlane",
        logs: Directory,
        *,
        wall: Callable[[], float],
        is_running: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        self.begun: Callable[[OpenLog, str], None] = lambda *_: None
        """Told of each log that stands in another epoch than before, and of which."""
        self.rotations = 0
        """Histories ended by `rotate`."""
        self._plane = plane
        self._logs = logs
        self._wall = wall
        self._is_running = is_running
        self._changed = changed
        self._observers: dict[str, Observer] = {}

    def observe(self, channel: str, observer: Observer) -> None:
        """Let `observer` read `channel`, which must be a fixed one; one observer for each."""
        self._observers[channel] = observer

    def replica(self, channel: str) -> Followed:
        """See `Replicas`."""
        return self._followed(self._use(channel))

    def replicas(self) -> Iterator[Followed]:
        """See `Replicas`."""
        return map(self._followed, list(self._logs))

    def apply(self, channel: str, epoch: str, first: int, entries: bytes) -> Position:
        """See `Replicas`."""
        log = self._use(channel)
        try:
            last = self._plane.apply_entries(log.log, epoch, first, entries)
        except PlaneError as error:
            raise unavailable(channel, error) from error
        log.appended_at = self._wall()
        self._changed()
        if (observer := self._observers.get(channel)) is not None:
            observer.applied(first, entries)
        return Position(epoch, last)

    def begin(self, channel: str, position: Position) -> None:
        """See `Replicas`."""
        log = self._use(channel)
        before = self._logs.info(log)["epoch"]
        try:
            self._plane.begin_log(log.log, position.epoch, position.offset)
        except PlaneError as error:
            raise unavailable(channel, error) from error
        self._changed()
        if before == position.epoch:
            return
        if (observer := self._observers.get(channel)) is not None:
            observer.begun()
        self.begun(log, position.epoch)

    def restore(self, channel: str, newest: Sequence[tuple[int, bytes]]) -> None:
        """See `Replicas`."""
        log = self._use(channel)
        try:
            self._plane.restore_newest(log.log, newest)
        except PlaneError as error:
            raise unavailable(channel, error) from error
        self._changed()
        if (observer := self._observers.get(channel)) is not None:
            for offset, entry in newest:
                observer.applied(offset, entry)

    def rotate(self, channel: str) -> None:
        """See `Replicas`."""
        try:
            self._plane.rotate_log(self._use(channel).log)
        except PlaneError as error:
            raise unavailable(channel, error) from error
        self.rotations += 1

    def _use(self, channel: str) -> OpenLog:
        if not self._is_running():
            raise LogUnavailable(f"the log of {channel} takes nothing: the node is not running", channel=channel)
        return self._logs.use(channel)

    def _followed(self, log: OpenLog) -> Followed:
        info, kept = self._logs.info(log), log.config.retention
        position = Position(cast("str", info["epoch"]), cast("int", info["head"]))
        return Followed(
            log.channel, position, kept.seconds, kept.max_bytes, MAX_ENTRIES, kept.last_per_key, log.is_fixed
        )
