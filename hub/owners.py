"""Which connection has which session: at most one each, the newest (R11)."""

import math
from collections.abc import Callable

from hub.connection import Connection, Predecessor


class Owners:
    """Sessions of this node by id."""

    def __init__(self) -> None:
        self._owners: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def of(self, session: str) -> Connection | None:
        """Who has `session`."""
        return self._owners.get(session)

    def lose(self, session: str) -> Connection | None:
        """`session` is elsewhere now. -> who had it here"""
        return self._owners.pop(session, None)

    def opened(self, connection: Connection) -> None:
        """A connection has come, with a session of its own."""
        connection.owns = connection.session.session
        self._owners[connection.owns] = connection

    def take_over(self, connection: Connection, session: str) -> Connection | None:
        """`connection` has `session` from now on, and no other. -> who had it, now a predecessor"""
        if self._owners.get(connection.owns) is connection:
            del self._owners[connection.owns]
        connection.owns = session
        former = self._owners.get(session)
        self._owners[session] = connection
        if former is not None and former is not connection:
            connection.predecessors += (Predecessor(former, connection.questions + 1),)
            return former
        return None

    def part(self, connection: Connection, close: Callable[[Connection], None], answers: float = math.inf) -> None:
        """So many questions about `connection` are answered: who had its sessions before may go, as far as that tells.

        Without `answers`: it will tell nothing any more.
        """
        while connection.predecessors and connection.predecessors[0].question <= answers:
            first, *rest = connection.predecessors
            connection.predecessors = tuple(rest)
            close(first.connection)

    def closed(self, connection: Connection) -> bool:
        """`connection` is gone. -> whether it still had its session"""
        is_owner = self._owners.get(connection.owns) is connection
        if is_owner:
            del self._owners[connection.owns]
        return is_owner
