"""Acknowledgements of windows (S10): handled positions, once per half a window or per second, all in one message."""

from .follows import Follow
from .line import Line
from .positions import Position

# What was handled is acknowledged this long after the first of it.
EVERY = 1.0


class Acks:
    """What was handled and not acknowledged yet, of the subscriptions that have a window."""

    def __init__(self) -> None:
        # In the order in which they were handled, so that what is said is the same each time.
        self._pending: dict[Follow, None] = {}
        self._due_at: float | None = None

    def count(self, follow: Follow, now: float) -> bool:
        """One more was handled; whether the acknowledgement is due at once."""
        if follow.window is None:
            return False
        follow.unacked += 1
        self._pending[follow] = None
        if self._due_at is None:
            self._due_at = now + EVERY
        return follow.unacked * 2 >= follow.window

    def deadline(self) -> float | None:
        """When the next one is due."""
        return self._due_at

    def is_due(self, now: float) -> bool:
        """Whether the time has come."""
        return self._due_at is not None and now >= self._due_at

    def take(self, line: Line) -> dict[str, str]:
        """The positions to acknowledge on a connection.

        Never beyond what came on that very connection: the hub ignores what it has not sent there (M36), and its
        window would stay shut. What was handled from elsewhere is counted again when it comes as a repeat.
        """
        positions: dict[str, str] = {}
        for follow in self._pending:
            follow.unacked = 0
            reading, cursor = line.readings.get(follow.channel), follow.cursor
            if reading is None or reading.follow is not follow or not cursor or cursor.epoch != reading.epoch:
                continue
            place = Position(cursor.epoch, min(cursor.offset, reading.offset))
            if not reading.acked.reaches(place):
                reading.acked = place
                positions[follow.channel] = str(place)
        self._pending.clear()
        self._due_at = None
        return positions

    def forget(self) -> None:
        """The connection is gone; a resume presents the positions themselves (R8)."""
        for follow in self._pending:
            follow.unacked = 0
        self._pending.clear()
        self._due_at = None
