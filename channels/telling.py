"""News of presence on their way to the companions of a node alone (C25): in their order, tried again until stored."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from channels.backplane import MAX_BATCH, Backplane, Result
from channels.errors import BrokerError
from channels.publication import Publication

if TYPE_CHECKING:
    from channels.presence import Change

MOST = 10_000
"""News that wait, over all companions; beyond it the oldest of the companion that has waited longest goes."""


class Telling:
    """What waits, by companion. `backplane` is asked for each time: it is made after this."""

    def __init__(self, backplane: Callable[[], Backplane]) -> None:
        self.dropped = 0
        self._backplane = backplane
        self._waiting: dict[str, deque[Change]] = {}
        self._on_the_way: dict[str, int] = {}
        """How many of the first, by companion."""
        self._held: dict[str, None] = {}
        """Companions with news that are not on their way."""
        self._count = 0

    def __len__(self) -> int:
        """News that wait."""
        return self._count

    def tell(self, change: "Change") -> None:
        """Store one of the news behind those that came before it."""
        companion = change.companion
        queue = self._waiting.setdefault(companion, deque())
        queue.append(change)
        self._count += 1
        self._held.setdefault(companion)
        if self._count > MOST:
            self._drop_oldest()
        if len(queue) == 1 and companion not in self._on_the_way:
            self._send(companion, queue)

    def sweep(self) -> None:
        """Once a second: what was refused before."""
        for companion, queue in list(self._waiting.items()):
            if companion not in self._on_the_way:
                self._send(companion, queue)

    def _send(self, companion: str, queue: "deque[Change]") -> None:
        some = [queue[index] for index in range(min(len(queue), MAX_BATCH))]
        self._on_the_way[companion] = len(some)
        if len(some) == len(queue):
            self._held.pop(companion, None)
        news = [Publication(companion, one.event, one.data, key=one.subject) for one in some]
        self._backplane().append(companion, news, lambda results: self._told(companion, queue, results))

    def _told(self, companion: str, queue: "deque[Change]", results: Sequence[Result]) -> None:
        del self._on_the_way[companion]
        for result in results:
            if isinstance(result, BrokerError):
                if result.temporary:
                    self._held.setdefault(companion)
                    return
                self.dropped += 1
            queue.popleft()
            self._count -= 1
        if queue:
            self._send(companion, queue)
        else:
            del self._waiting[companion]

    def _drop_oldest(self) -> None:
        companion = next(iter(self._held))
        queue, first = self._waiting[companion], self._on_the_way.get(companion, 0)
        del queue[first]
        self._count -= 1
        self.dropped += 1
        if len(queue) == first:
            del self._held[companion]
        if not queue:
            del self._waiting[companion]
