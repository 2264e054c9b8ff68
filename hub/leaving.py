"""Connections that are to go: asked by `goaway` and closed at a deadline, or closed at once (M50, C11)."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from hub.connection import Connection
from hub.departures import Departures
from hub.protocol import close_codes

if TYPE_CHECKING:
    from channels._native import Plane
    from hub.admission import Admission
    from hub.performer import Performer

SLICE = 256
"""Connections asked to leave before the loop has its turn again."""
CLOSE_PATIENCE = 5.0
"""Seconds for the last connections to be gone; the plane itself waits 2 s for a peer (X6)."""

log = structlog.get_logger("hub.ws")


class Leaving:
    """Sees the connections of a node off. `table`: those that are open, by number, the oldest first."""

    def __init__(
        self, table: Mapping[int, Connection], plane: "Plane", performer: "Performer", admission: "Admission"
    ) -> None:
        self.departures = Departures()
        """To be told of each connection that ends."""
        self._table = table
        self._plane = plane
        self._performer = performer
        self._admission = admission

    async def close_all(self, slug: str) -> None:
        """Let nobody in any more, close everybody with `slug`, wait until they are gone (at most `CLOSE_PATIENCE`)."""
        self._admission.is_draining = True
        for connection in list(self._table.values()):
            self._performer.attempt(connection, connection.session.faulted, slug)
        self._performer.send_answers()
        self._plane.close_all(close_codes.CODE_OF[slug], close_codes.reason(slug))
        self._plane.flush()
        await self.emptied()

    async def emptied(self, numbers: Sequence[int] | None = None) -> None:
        """Wait until these connections are gone, by default all there are (at most `CLOSE_PATIENCE`)."""
        asked = self._table.keys() if numbers is None else self._table.keys() & set(numbers)
        if left := await self.departures.gone(asked, CLOSE_PATIENCE):
            log.warning("connections.left", count=left)

    async def leave(self, slug: str, window: tuple[float, float], deadline: float, share: float) -> None:
        """Ask to reconnect at a time of `window`; who stays is closed after `deadline` seconds.

        `slug`: `draining`, where nobody is let in any more, or `rebalance`, of a `share` of the connections, the oldest
        first. Returns when everybody asked is gone.
        """
        self._admission.is_draining = self._admission.is_draining or slug == "draining"
        goaway = {"type": "goaway", "reason": slug, "reconnect_in": list(window), "deadline": deadline}
        asked = list(islice(self._table.values(), math.ceil(len(self._table) * share)))
        for start in range(0, len(asked), SLICE):
            for connection in asked[start : start + SLICE]:
                self._performer.attempt(connection, connection.session.leave, goaway, slug)
            self._performer.finish_soon()
            await asyncio.sleep(0)
        numbers = [connection.number for connection in asked if connection.number in self._table]
        await self.departures.gone(numbers, deadline)
        for connection in asked:
            self._performer.attempt(connection, connection.session.deadline_passed)
        self._performer.finish_soon()
        await self.emptied(numbers)
