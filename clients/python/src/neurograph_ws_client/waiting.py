"""What waits for a handler or an iterator: events, gaps, and cursors that moved, in their order."""

from collections import deque
from typing import Any

from .effects import CursorMoved
from .events import Event, Gap

Item = Event[Any] | Gap | CursorMoved


class Waiting(deque[Item]):
    """A queue whose owner keeps its bound; what it drops stands in it as a gap."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0

    def put(self, item: Item) -> None:
        """At the end; a moved cursor replaces one that stands there."""
        if isinstance(item, CursorMoved) and self and isinstance(self[-1], CursorMoved):
            self.pop()
        self.append(item)

    def drop_oldest(self) -> None:
        """Make room for one: a gap takes the place of the oldest two events, or grows over the next item."""
        oldest = self.popleft()
        match oldest:
            case CursorMoved():
                return
            case Event():
                before = f"{oldest.epoch}:{oldest.offset - 1}"
                gap = self._cover(Gap(oldest.channel, before, before, 0, "client_queue"), oldest)
            case Gap():
                gap = oldest
        self.appendleft(self._cover(gap, self.popleft()))

    def _cover(self, gap: Gap, item: Item) -> Gap:
        self.dropped += isinstance(item, Event)
        return _joined(gap, item)


def _joined(gap: Gap, item: Item) -> Gap:
    """A gap that also covers the item after it."""
    more: int | None
    match item:
        case Event():
            more, to = 1, item.position
        case Gap():
            more, to = item.missed, item.to
        case CursorMoved():
            more, to = 0, item.position
    missed = None if gap.missed is None or more is None else gap.missed + more
    return Gap(gap.channel, gap.from_, to, missed, gap.reason)
