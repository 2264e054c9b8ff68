"""A session has one connection, the newest: how the one before is read no more, and closed (R11, R12)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hub.connection import Connection
from hub.owners import Owners
from hub.performer import Performer
from hub.session import effects

if TYPE_CHECKING:
    from hub.cluster.claims import Claims


class Takeovers:
    """Of this node; with `claims`, of all nodes. `table`: all connections by number."""

    def __init__(self, performer: Performer, table: Mapping[int, Connection]) -> None:
        self.claims: Claims | None = None
        self._performer = performer
        self._table = table
        self._owners = Owners()
        performer.on_takeover = self._take_over

    def opened(self, connection: Connection) -> None:
        """A connection has come, with a session of its own."""
        self._owners.opened(connection)

    def written(self, connection: Connection) -> None:
        """A question about `connection` was answered: what was said before it is written (R11)."""
        self._owners.part(connection, self._taken_over, connection.answers)
        hold = connection.hold
        is_welcome_sent = hold is None or isinstance(hold.effect, effects.Publish)
        if self.claims is not None and is_welcome_sent:
            self.claims.written(connection.owns)

    def closed(self, connection: Connection) -> bool:
        """`connection` is gone. -> whether it still had its session"""
        is_owner = self._owners.closed(connection)
        self._owners.part(connection, self._bereft)
        if is_owner and self.claims is not None:
            self.claims.ended(connection.owns)
        return is_owner

    def has_owner(self, session: str) -> bool:
        """Whether a connection of this node has `session`."""
        return self._owners.of(session) is not None

    def lose(self, session: str) -> None:
        """A connection of another node has `session` now."""
        owner = self._owners.lose(session)
        if owner is not None:
            self._owners.part(owner, self._taken_over)
            self._performer.perform(owner, owner.session.superseded())
            self._taken_over(owner)
            self._performer.finish_soon()

    def _take_over(self, connection: Connection, session: str) -> None:
        """`connection` has resumed `session`: whoever had it is read no more (R12), and goes once R11 is due."""
        former = self._owners.take_over(connection, session)
        connection.session.note("resumed", f"{session}{'' if former is None else f', from {former.session.conn}'}")
        if former is not None:
            self._performer.perform(former, former.session.superseded())
        if self.claims is not None:
            self.claims.begin(session)

    def _taken_over(self, former: Connection) -> None:
        if former.number in self._table:
            self._performer.perform(former, former.session.taken_over())

    def _bereft(self, former: Connection) -> None:
        """Who took the session over ended before it could say so: nobody has it, so the client may come back (42xx)."""
        if former.number in self._table:
            self._performer.perform(former, former.session.faulted("internal", "its successor ended first"))
