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


class Stream:
    """Events, gaps and watermarks, checked by P6 and P7."""

    def __init__(self, acks: Acks, recovery: Recovery) -> None:
        self.events = self.duplicates = self.gaps = 0
        self._acks = acks
        self._recovery = recovery

    def event(self, line: Line, message: Mapping[str, Any], now: float, wire: bytes | None) -> Sequence[Effect]:
        """An entry, unless it is a repeat (P6) or of a channel that is no longer wanted."""
        reading = line.readings.get(message["channel"])
        if reading is None or reading.follow.state is not SubState.ACTIVE:
            return ()
        follow, offset = reading.follow, message["offset"]
        reading.offset = max(reading.offset, offset)
        if reading.epoch != follow.epoch or offset <= follow.offset:
            self._repeated(follow, reading.epoch, offset, now)
            return ()
        follow.offset = offset
        self.events += 1
        event: Event[Any] = Event(message, reading.epoch, wire)
        return (event, *self._recovery.event(follow)) if follow.is_recovering else (event,)

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
            return self._crossed(follow, message, start, end)
        if end.epoch == follow.epoch and end.offset <= follow.offset and end.offset >= start.offset:
            self.duplicates += 1
            return ()
        gap = _told(follow, message, start, end)
        follow.stand_at(end)
        self.gaps += 1
        return (gap, *self._recovery.gap(follow, end)) if follow.is_recovering else (gap,)

    def _crossed(self, follow: Follow, message: Mapping[str, Any], start: Position, end: Position) -> Sequence[Effect]:
        """A gap out of an epoch that was left behind: where it leads no further than what was received it is a repeat.

        A resume presents what was handled (R8), which may lie epochs behind what was received meanwhile.
        """
        here = follow.place
        if here is None or not follow.is_past(start):
            return ()
        if follow.is_past(end):
            self.duplicates += 1
            return self._recovery.crossed(follow, end) if follow.is_recovering else ()
        follow.stand_at(end)
        self.gaps += 1
        gap = Gap(follow.channel, str(here), str(end), None, str(message.get("reason", "")))
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


def _told(follow: Follow, message: Mapping[str, Any], start: Position, end: Position) -> Gap:
    """The gap as it is told: what was received from within its stretch is not missing."""
    missed, reason = message.get("missed"), str(message.get("reason", ""))
    if start.offset < follow.offset <= end.offset or (start.offset < follow.offset and end.epoch != start.epoch):
        is_all = missed is not None and end.epoch == start.epoch and missed == end.offset - start.offset
        # Which of the owed ones were received cannot be known where a filter makes holes.
        missed = end.offset - follow.offset if is_all else None
        start = Position(start.epoch, follow.offset)
    return Gap(follow.channel, str(start), str(end), missed, reason)
