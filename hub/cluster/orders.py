"""What an administrator does to a connection that another node may hold: kick, another role (C17, N15)."""

import asyncio
import secrets
from typing import TYPE_CHECKING

from channels.backplane.bus import Bus
from channels.permissions import Role
from hub.cluster.reading import Body, UnreadableError, checked, role, text

if TYPE_CHECKING:
    from hub.connections import Connections
    from hub.counters import Counters

ORDER, DONE = "order", "done"
PATIENCE = 1.0
"""Seconds for the node that holds the connection to answer: a change takes no longer (C17)."""


class Orders:
    """Every node is asked, and the one that holds the connection answers."""

    def __init__(self, bus: Bus, connections: "Connections", counters: "Counters") -> None:
        self._bus = bus
        self._connections = connections
        self._waiting: dict[str, asyncio.Future[str]] = {}
        bus.listen(ORDER, checked(self._ordered, counters))
        bus.listen(DONE, checked(self._done, counters))

    async def kick(self, conn: str) -> str | None:
        """End `conn` with 4010. -> the node that held it; None: none has answered"""
        return self._bus.node if self._connections.kick(conn) else await self._ask("kick", conn)

    async def change_role(self, conn: str, wanted: Role) -> str | None:
        """Give `conn` another role (C17). -> as above"""
        if self._connections.change_role(conn, wanted):
            return self._bus.node
        return await self._ask("role", conn, role=wanted.value)

    async def _ask(self, what: str, conn: str, **more: str) -> str | None:
        """It is kept for a node that is cut off, which obeys when it is back."""
        if not self._bus.nodes():
            return None
        order = secrets.token_hex(8)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[order] = answer
        self._bus.tell(ORDER, {"order": order, "do": what, "conn": conn, **more}, keep=True)
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._waiting[order]

    def _ordered(self, _node: str, body: Body) -> None:
        order, what, conn = text(body, "order"), text(body, "do"), text(body, "conn")
        if what == "kick":
            is_done = self._connections.kick(conn)
        elif what == "role":
            is_done = self._connections.change_role(conn, role(body, "role"))
        else:
            raise UnreadableError(f"do: expected kick or role, came {what!r}")
        if is_done:
            self._bus.tell(DONE, {"order": order})

    def _done(self, node: str, body: Body) -> None:
        answer = self._waiting.get(text(body, "order"))
        if answer is not None and not answer.done():
            answer.set_result(node)
