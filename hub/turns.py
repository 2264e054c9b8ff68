"""Turns of the loop: a batch of the plane's events each, and the loop is free in between."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from hub.performer import Performer
from hub.session import Moment

if TYPE_CHECKING:
    from channels._native import Event, Plane

BATCH = 256
"""Events taken from the plane at once."""
TURN = 0.005
"""Seconds after which a turn gives way to the rest of the loop."""
STRETCH = 8
"""Events between two looks at the clock."""


class Turns:
    """Takes what the plane brings; `handle` gets each event, and what it asks for is done at the end of the turn."""

    def __init__(
        self,
        plane: "Plane",
        performer: Performer,
        handle: Callable[["Event", Moment], None],
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.backlog: deque[Event] = deque()
        """Taken from the plane and not handled yet."""
        self.is_due = False
        """Whether the loop will call for a turn by itself."""
        self._plane = plane
        self._performer = performer
        self._handle = handle
        self._monotonic = monotonic
        self._wall = wall
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listen to the plane, which must run already."""
        self._loop = loop
        loop.add_reader(self._plane.wakeup_fd(), self.take)

    def stop(self) -> None:
        """Stop listening; what the plane still has to say is not heard."""
        if self._loop is not None:
            self._loop.remove_reader(self._plane.wakeup_fd())
        self._loop = None

    def take(self) -> None:
        """Take a batch from the plane and handle it, as far as the time of a turn reaches."""
        self.is_due = False
        is_batch = False
        if not self.backlog:
            self.backlog.extend(self._plane.drain(BATCH))
            is_batch = len(self.backlog) == BATCH
        self._performer.begin()
        moment = Moment(self._monotonic(), self._wall())
        deadline = moment.now + TURN
        try:
            while self.backlog and self._monotonic() < deadline:
                for _ in range(min(STRETCH, len(self.backlog))):
                    self._handle(self.backlog.popleft(), moment)
        finally:
            # The descriptor is readable on empty -> non-empty only: who does not take everything must come again.
            if (self.backlog or is_batch) and self._loop is not None and not self.is_due:
                self.is_due = True
                self._loop.call_soon(self.take)
            self._performer.finish()
