"""The buckets of a subject over all nodes (L24): each node tells the others what was paid.

Each node keeps the whole bucket and takes off what others paid, below zero if need be. So over time a subject gets its
rate once and not once for each node, and whatever it had too much is paid back before anything more is granted. Too
much is what several nodes granted before they heard of each other. They tell five times a second, and at once when a
quarter of a capacity was paid: so it is a quarter of a capacity for each further node, and more only for who pays
within the time that a message takes, at most one capacity for each further node.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from channels.backplane.bus import Bus
from channels.buckets import SubjectBuckets
from hub.cluster.reading import Body, UnreadableError, checked, number, rows

if TYPE_CHECKING:
    from hub.counters import Counters

KIND = "spent"
INTERVAL = 0.2
PAGE = 1_000
"""Buckets in one message."""


class Spending:
    """What subjects pay on this node, and what they paid elsewhere."""

    def __init__(
        self, bus: Bus, subjects: SubjectBuckets, counters: "Counters", *, monotonic: Callable[[], float]
    ) -> None:
        self._bus = bus
        self._subjects = subjects
        self._monotonic = monotonic
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False
        subjects.record(self._much)
        bus.listen(KIND, checked(self._heard, counters))

    def start(self) -> None:
        """Tell from now on."""
        self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._ring)

    def stop(self) -> None:
        """Tell no more."""
        if self._timer is not None:
            self._timer.cancel()

    def tell(self) -> None:
        """What was paid since the last time, to whoever is there."""
        self._is_due = False
        spent = [[subject, name, cost] for (subject, name), cost in self._subjects.take_spent().items()]
        if self._bus.nodes():
            for start in range(0, len(spent), PAGE):
                self._bus.tell(KIND, {"spent": spent[start : start + PAGE]})

    def _much(self) -> None:
        """Not later than in the next turn of the loop: what else is paid in this one goes along."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self.tell)

    def _ring(self) -> None:
        self.start()
        self.tell()

    def _heard(self, _node: str, body: Body) -> None:
        now, nodes = self._monotonic(), max(len(self._bus.nodes()), 1)
        for row in rows(body, "spent"):
            match row:
                case [str(subject), str(name), int() | float() as cost] if number(cost) >= 0:
                    self._subjects.spend_elsewhere(subject, name, float(cost), now, nodes)
                case _:
                    raise UnreadableError("expected subject, bucket, cost")
