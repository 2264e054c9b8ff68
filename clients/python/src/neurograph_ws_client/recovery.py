"""What a reconnect brought back: how long it took, what was replayed, what is gone, and when that is known."""

from typing import NamedTuple

from .effects import Effect, SubRecovered, Tell
from .follows import Follow
from .positions import Position

# A gap stands before the replay (M9): a channel that seems to be at its head waits so long for one.
SETTLE_AFTER = 0.1

# A replay that the hub does not show the end of (filters, conflation) is told after this long.
TELL_WITHIN = 5.0


class Resumed(NamedTuple):
    """A reconnect in figures: seconds away, events replayed (below the head at the welcome), gaps told."""

    downtime: float
    replayed: int
    gaps: int


class Recovery:
    """The replays after one reconnect, each until the head its channel had at the welcome."""

    def __init__(self) -> None:
        self._lost_at: float | None = None
        self._downtime: float | None = None
        self._tell_by: float | None = None
        self._settle_at: float | None = None
        self._open: dict[Follow, None] = {}
        self._replayed = self._gaps = 0

    def lost(self, now: float) -> None:
        """The connection is gone; a reconnect that follows another is told with it."""
        if self._lost_at is None:
            self._lost_at = now
            self._replayed = self._gaps = 0
        for follow in self._open:
            follow.is_recovering = False
        self._open.clear()
        self._downtime = self._tell_by = self._settle_at = None

    def reset(self) -> None:
        """The application ended it."""
        self.lost(0.0)
        self._lost_at = None

    def started(self, follow: Follow, now: float, *, is_whole: bool) -> list[Effect]:
        """A channel goes on from its cursor, or beyond it; it is whole when its head of this moment is reached."""
        follow.is_recovering, follow.is_whole = True, is_whole
        self._open[follow] = None
        self._gaps += not is_whole
        self._settle_at = now + SETTLE_AFTER
        return [] if is_whole else [SubRecovered(follow.channel, False)]

    def connected(self, now: float) -> list[Effect]:
        """The connection is in order."""
        if self._lost_at is None:
            return []
        self._downtime, self._lost_at = now - self._lost_at, None
        self._tell_by = now + TELL_WITHIN
        return self._told()

    def event(self, follow: Follow) -> list[Effect]:
        """An event came while its channel recovers."""
        head = follow.head
        self._replayed += head is not None and head.epoch == follow.epoch and follow.offset <= head.offset
        return self.moved(follow)

    def gap(self, follow: Follow, end: Position) -> list[Effect]:
        """Something of it will not come."""
        self._gaps += 1
        is_news, follow.is_whole = follow.is_whole, False
        told: list[Effect] = [SubRecovered(follow.channel, False)] if is_news else []
        return told + self.shifted(follow, end)

    def shifted(self, follow: Follow, end: Position) -> list[Effect]:
        """The replay goes on in another epoch: the hub counted what is behind from its start there (P10)."""
        if follow.head is not None and follow.head.epoch != end.epoch:
            follow.head = Position(end.epoch, end.offset + follow.behind)
        return self.moved(follow)

    def moved(self, follow: Follow) -> list[Effect]:
        """The place of a recovering channel moved."""
        place, head = follow.place, follow.head
        if place is None or head is None or not place.reaches(head):
            return []
        return self._done(follow) + self._told()

    def left(self, follow: Follow) -> list[Effect]:
        """The channel is followed no more, or not now."""
        follow.is_recovering = False
        self._open.pop(follow, None)
        return self._told()

    def _done(self, follow: Follow) -> list[Effect]:
        self._open.pop(follow, None)
        follow.is_recovering = False
        return [SubRecovered(follow.channel, True)] if follow.is_whole else []

    def deadline(self) -> float | None:
        """When to look again."""
        return self._settle_at if self._settle_at is not None else self._tell_by

    def expired(self, now: float) -> list[Effect]:
        """Settle what had nothing to replay; tell what is known, though a channel may not have shown its end."""
        effects: list[Effect] = []
        if self._settle_at is not None and now >= self._settle_at:
            self._settle_at = None
            for follow in tuple(self._open):
                effects += self.moved(follow)
        if self._tell_by is not None and now >= self._tell_by:
            effects += self._tell()
        return effects

    def _told(self) -> list[Effect]:
        return self._tell() if self._downtime is not None and not self._open else []

    def _tell(self) -> list[Effect]:
        told = Resumed(self._downtime or 0.0, self._replayed, self._gaps)
        self._downtime = self._tell_by = None
        return [Tell("resumed", told)]
