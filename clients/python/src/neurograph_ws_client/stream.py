"""What comes of the channels, on whatever connection: every event and gap goes once through the cursor of its channel.

A connection tells its own epochs (M45) and may be ahead of another or behind; the place received (`Follow.place`) is
one for all of them, so that two connections bring each entry once and in order (M51).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .acks import Acks
from .effects import CursorMoved, Effect
from .events import Event, Gap
from .follows import Follow
from .line import Line
from .positions import Position
from .recovery import Recovery
from .states import SubState

# Looked at for every event: a member of an enumeration costs more than a name of the module.
_ACTIVE = SubState.ACTIVE


class Stream:
    """Events, gaps and watermarks, checked by P6 and P7."""

    def __init__(self, acks: Acks, recovery: Recovery) -> None:
        self.events = self.duplicates = self.gaps = 0
        self._acks = acks
        self._recovery = recovery

    def event(self, line: Line, message: Mapping[str, Any], now: float, wire: bytes | None) -> Sequence[Effect]:
        """An entry, unless it is a repeat (P6) or of a channel that is no longer wanted."""
        reading = line.readings.get(message["channel"])
        if reading is None or reading.follow.state is not _ACTIVE:
            return ()
        follow, offset = reading.follow, message["offset"]
        if offset > reading.offset:  # noqa: PLR1730 - a call per event less
            reading.offset = offset
        if reading.epoch != follow.epoch or offset <= follow.offset:
            self._repeated(follow, reading.epoch, offset, now)
            return ()
        follow.offset = offset
        self.events += 1
        event: Event[Any] = Event(message, reading.epoch, wire)
        return (event, *self._recovery.event(follow)) if follow.is_recovering else (event,)

    def unread(self, line: Line, channel: str, offset: int | None, now: float) -> Sequence[Effect]:
        """An entry that cannot be read, now or another time: a gap in its place, unless it is a repeat or unwanted.

        Where its offset cannot be told, it stands right behind what came on that connection, or further on.
        """
        reading = line.readings.get(channel)
        if reading is None or reading.follow.state is not _ACTIVE:
            return ()
        follow = reading.follow
        place = Position(reading.epoch, reading.offset + 1 if offset is None else offset)
        reading.offset = max(reading.offset, place.offset)
        if place.epoch != follow.epoch or place.offset <= follow.offset:
            self._repeated(follow, place.epoch, place.offset, now)
            return ()
        follow.offset = place.offset
        self.gaps += 1
        gap = Gap(channel, f"{place.epoch}:{place.offset - 1}", str(place), 1, "unreadable")
        return (gap, *self._recovery.gap(follow, place)) if follow.is_recovering else (gap,)

    def _repeated(self, follow: Follow, epoch: str, offset: int, now: float) -> None:
        """A repeat of what was handled fills the window of its connection like the first, and is acknowledged too."""
        self.duplicates += 1
        if follow.window is not None and follow.cursor and follow.cursor.reaches(Position(epoch, offset)):
            self._acks.count(follow, now)

    def gap(self, line: Line, message: Mapping[str, Any]) -> Sequence[Effect]:
        """Entries that will not come (P7)."""
        reading = line.readings.get(message["channel"])
        if reading is None or reading.follow.state is not SubState.ACTIVE:
            return ()
        follow = reading.follow
        start, end = Position.parse(message["from"]), Position.parse(message["to"])
        reading.epoch, reading.offset = end
        if start.epoch != follow.epoch:
            if not _is_news(follow, start, end):
                # Another connection, or the queue, has crossed this boundary before.
                return self._recovery.shifted(follow, end) if follow.is_recovering else ()
            message, start = {**message, "missed": None}, follow.place or start
        if end.epoch == follow.epoch and end.offset <= follow.offset and end.offset >= start.offset:
            self.duplicates += 1
            return ()
        gap = _told(follow, message, start, end)
        follow.stand_at(end)
        self.gaps += 1
        return (gap, *self._recovery.gap(follow, end)) if follow.is_recovering else (gap,)

    def watermark(self, line: Line, positions: Mapping[str, Any]) -> Sequence[Effect]:
        """The hub has settled everything up to here (P9)."""
        effects: list[Effect] = []
        for channel, text in positions.items():
            reading, place = line.readings.get(channel), Position.parse(text)
            if reading is None or reading.follow.state is not SubState.ACTIVE or place.epoch != reading.epoch:
                continue
            follow = reading.follow
            reading.offset = max(reading.offset, place.offset)
            if place.epoch == follow.epoch and place.offset > follow.offset:
                follow.stand_at(place)
                effects.append(CursorMoved(channel, text))
                effects += self._recovery.moved(follow) if follow.is_recovering else ()
        return effects


def _is_news(follow: Follow, start: Position, end: Position) -> bool:
    """Whether a gap from another epoch than ours leads beyond what was received: further in ours, or to a newer one."""
    if end.epoch == follow.epoch:
        return end.offset > follow.offset
    return start.epoch != end.epoch and end.epoch not in follow.past


def _told(follow: Follow, message: Mapping[str, Any], start: Position, end: Position) -> Gap:
    """The gap as it is told: what was received from within its stretch is not missing."""
    missed, reason = message.get("missed"), str(message.get("reason", ""))
    if start.offset < follow.offset <= end.offset or (start.offset < follow.offset and end.epoch != start.epoch):
        is_all = missed is not None and end.epoch == start.epoch and missed == end.offset - start.offset
        # Which of the owed ones were received cannot be known where a filter makes holes.
        missed = end.offset - follow.offset if is_all else None
        start = Position(start.epoch, follow.offset)
    return Gap(follow.channel, str(start), str(end), missed, reason)
