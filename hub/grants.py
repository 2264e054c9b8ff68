"""What I/O threads may do for connections by themselves: take their plain publishes to a channel (`Plane.grant`).

Who has published to a channel once, the way of `hub.publishing`, is not judged again as long as nothing changes that
the judgement rests on: the session says when it does (`effects.Withdraw`). A grant is used only while the hub has
handled all that the connection has said, so that nothing overtakes anything (C14).
"""

from typing import TYPE_CHECKING

from channels._native import PlaneError
from channels.permissions import Right, Role
from hub.connection import NOTHING
from hub.session.batches import buckets, is_settled
from hub.session.policy import SIGNALS, Tally

if TYPE_CHECKING:
    from channels._native import Plane
    from channels.broker import Broker
    from hub.connection import Connection
    from hub.counters import Counters


class Grants:
    """One per hub. `most`: open channels of a connection that are granted; publishes to others go the longer way."""

    def __init__(self, plane: "Plane", broker: "Broker", counters: "Counters", *, most: int) -> None:
        self._plane = plane
        self._broker = broker
        self._tally = Tally(counters)
        self._most = most
        self.refused = 0
        """Publishes of who had as many grants as there may be."""
        self._heard: dict[int, Connection] = {}
        """Connections with grants that have said something in this turn."""
        self._published: list[tuple[Connection, str]] = []
        """Who may have one more, and for which channel."""
        self._counted = (0, 0)

    def consider(self, connection: "Connection", channel: str) -> None:
        """`connection` publishes to `channel`, which may have a grant already; nothing is wrong with it."""
        if self._most:
            self._published.append((connection, channel))

    def heard(self, connection: "Connection") -> None:
        """A message of `connection`, which has grants, was handled."""
        self._heard[connection.number] = connection

    def settle(self, now: float) -> None:
        """A turn ends: who waits for nothing need not ask again. `now`: monotonic seconds."""
        if self._published:
            published, self._published = self._published, []
            for connection, channel in published:
                self._grant(connection, channel, now)
        if self._heard:
            waiting, handled = {}, []
            for number, connection in self._heard.items():
                if not connection.granted:
                    continue
                if is_settled(connection.session):
                    handled.append((number, connection.heard))
                else:
                    waiting[number] = connection
            self._heard = waiting
            if handled:
                self._plane.handled(handled)

    def _grant(self, connection: "Connection", channel: str, now: float) -> None:
        """What administrators publish is told in `actions`; signals on their way come before what follows them."""
        session, granted = connection.session, connection.granted
        log = self._broker.direct_log(channel)
        if log is None or granted.get(channel) == log or not is_settled(session):
            return
        if channel == SIGNALS or session.identity.role is Role.ADMIN:
            return
        config, rights = session.look_up(channel)
        if config is None or Right.BROADCAST not in rights:
            return
        if len(granted) >= self._most and channel not in granted and not self._has_room(granted):
            self.refused += 1
            return
        own, shared = buckets(session, channel, config, now)
        largest = session.surroundings.policy.smallest_limit
        try:
            self._plane.grant(connection.number, log, largest, own, shared, takes_traces=config.trace)
        except PlaneError:  # the log was closed within this turn: the next publish opens it again
            return
        if granted is NOTHING:
            granted = connection.granted = {}
        granted[channel] = log
        session.is_granted = True
        self._heard[connection.number] = connection

    def _has_room(self, granted: dict[str, int]) -> bool:
        """Whether the one looked at longest ago has gone with its log: each that asks looks at one, not at all."""
        name = next(iter(granted))
        log = granted.pop(name)
        is_gone = self._broker.direct_log(name) != log
        if not is_gone:
            granted[name] = log
        return is_gone

    def forget(self, connection: "Connection") -> None:
        """It is gone, and its grants with it."""
        connection.granted = NOTHING
        connection.session.is_granted = False
        self._heard.pop(connection.number, None)

    def withdraw(self, connection: "Connection") -> None:
        """From now on all that `connection` says is heard here."""
        connection.granted = NOTHING
        connection.session.is_granted = False
        self._plane.withdraw(connection.number)

    def count(self) -> None:
        """Bring the counters up to date with what the I/O threads have taken."""
        counted = self._plane.direct_counts()
        publishes, acks = (now - before for now, before in zip(counted, self._counted, strict=True))
        self._counted = counted
        if publishes:
            self._tally.messages_received["publish",] += publishes
        if acks:
            self._tally.messages_sent["ack",] += acks
