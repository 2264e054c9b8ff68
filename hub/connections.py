"""The connections of this node: who is there, what the plane brings them, and when time is up for them.

Events come in turns (see `hub.turns`). No task and no timer is made per message or connection.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import structlog

from channels._native import (
    EVENT_BINARY,
    EVENT_CLOSED,
    EVENT_FATAL,
    EVENT_FEED,
    EVENT_OUTPUT,
    EVENT_POSITIONS,
    EVENT_PUBLISHES,
    EVENT_RETAIN_FAILED,
    EVENT_STORE_FAILED,
    EVENT_STORED,
    EVENT_TEXT,
    EVENT_UNREADABLE,
)
from hub.auth import Revocation
from hub.connection import Connection, Newcomer
from hub.endings import blame
from hub.grants import Grants
from hub.last_seen import LastSeen
from hub.leaving import Leaving
from hub.performer import Performer
from hub.recorder import Recorder
from hub.session import Effect, Moment, Session, State
from hub.session.policy import Surroundings
from hub.session.states import OVER
from hub.staleness import Staleness
from hub.takeovers import Takeovers
from hub.turns import Turns

if TYPE_CHECKING:
    from channels._native import Event, Plane, Publishes
    from channels.broker import Broker
    from channels.permissions import Role
    from hub.admission import Admission
    from hub.counters import Counters
    from hub.emissions import Emissions
    from hub.publishing import Listener
    from hub.relay import Relay

ALARM_STEP = 1.0
"""Seconds between two looks at the alarms: none rings later than that."""
FORGET = "forget"
"""Reason of a close by which a client wants its tokens dead (R15)."""

log = structlog.get_logger("hub.ws")


class Connections:
    """All connections of the node. Every method belongs to the thread of the event loop."""

    def __init__(
        self,
        plane: "Plane",
        broker: "Broker",
        surroundings: Surroundings,
        admission: "Admission",
        emissions: "Emissions",
        counters: "Counters",
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        recorder: Recorder | None = None,
        max_grants: int = 0,
    ) -> None:
        """`max_grants`: see `hub.grants`; unless it is 0 both clocks must be the machine's."""
        self.plane = plane
        self.surroundings = surroundings
        self.admission = admission
        self.counters = counters
        self.opened = 0
        self.closed: Counter[int] = Counter()
        """By close code."""
        self.failure: str | None = None
        """Why an I/O thread was lost; the process should end then."""
        self._monotonic = monotonic
        self._wall = wall
        self._broker = broker
        self._table: dict[int, Connection] = {}
        self._numbers: dict[str, int] = {}
        self.grants = Grants(plane, broker, counters, most=max_grants)
        self._performer = Performer(plane, broker, emissions, admission, counters, self.grants, monotonic)
        self._leaving = Leaving(self._table, plane, self._performer, admission)
        self.takeovers = Takeovers(self._performer, self._table)
        self.announcements = self._performer.announcements
        self.staleness = Staleness(broker, self._performer, self._table)
        self._turns = Turns(plane, self._performer, self._handle, monotonic=monotonic, wall=wall)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._skew = 0.0
        self.prefix = f"c-{secrets.token_hex(4)}"
        """What the names of its connections begin with, unique across nodes and restarts."""
        self.last_seen = LastSeen()
        self.recorder = recorder or Recorder(plane, wall=wall)
        self.recorder.open = lambda: self._chosen(None, None)

    def __len__(self) -> int:
        return len(self._table)

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen to the plane, which must run already."""
        self._loop = asyncio.get_running_loop()
        self._performer.start(self._loop)
        self._turns.start(self._loop)
        self._skew = self._wall() - self._monotonic()
        self.announcements.start()
        self._ring()

    async def close_all(self, slug: str = "draining") -> None:
        """Let nobody in any more, close everybody with `slug`, wait until they are gone, for a few seconds at most."""
        await self._leaving.close_all(slug)

    async def emptied(self) -> None:
        """Wait until nobody is left, for a few seconds at most."""
        await self._leaving.emptied()

    async def leave(self, slug: str, window: tuple[float, float], deadline: float, share: float = 1.0) -> None:
        """Ask a `share` of them to reconnect, see `hub.leaving`; returns when everybody asked is gone (M50)."""
        await self._leaving.leave(slug, window, deadline, share)

    def stop(self) -> None:
        """Stop listening; what the plane still has to say is not heard."""
        self._turns.stop()
        self.staleness.stop()
        if self._timer is not None:
            self._timer.cancel()
        self._performer.stop()
        self._loop = None

    # --- the door -----------------------------------------------------------------------------------------------------

    def open(self, number: int, newcomer: Newcomer, relay: "Relay | None" = None) -> Connection:
        """`number` is attached to the plane and upgraded: say the first words, or why it is refused."""
        moment = self.moment()
        self.opened += 1
        session = Session(
            self.surroundings,
            conn=f"{self.prefix}{self.opened:x}",
            session=f"s-{secrets.token_hex(8)}",
            codec=newcomer.codec,
            address=newcomer.address,
            identity=newcomer.identity,
            moment=moment,
        )
        session.max_message = self.first_limit(newcomer)  # as it was attached
        counts, waits = newcomer.refusal is None, newcomer.identity is None and newcomer.refusal is None
        connection = Connection(number, session, relay, moment.now, counts=counts, waits=waits)
        self._table[number] = connection
        self._numbers[session.conn] = number
        self.recorder.opened(connection)
        self.takeovers.opened(connection)
        self.admission.opened(newcomer.address if counts else None, waits=waits)
        if newcomer.refusal is None:
            self._performer.perform(connection, session.opened(moment, reconnection_token=newcomer.reconnection_token))
        else:
            self._performer.perform(connection, session.faulted(*newcomer.refusal))
        self._performer.finish_soon()
        log.debug("connection.opened", conn=session.conn, role=session.identity.role.value, relayed=relay is not None)
        return connection

    def first_limit(self, newcomer: Newcomer) -> int:
        """The largest message that is read of a newcomer (L7; L8 before a required login)."""
        policy = self.surroundings.policy
        return policy.max_control if newcomer.identity is None else policy.largest_message

    def visit(self, visitor: Connection, effect: Effect) -> None:
        """Do `effect` for somebody who is no connection of the plane: a request over HTTP (`hub.http.visitor`)."""
        self._performer.perform(visitor, [effect])
        self._performer.finish_soon()

    # --- operators ----------------------------------------------------------------------------------------------------

    def kick(self, conn: str, detail: str = "") -> bool:
        """End a connection with 4010; False if there is none of that name that could be kicked."""
        return self._act(conn, lambda session: self._kicked(session, detail), State.CLOSING)

    def _kicked(self, session: Session, detail: str) -> list[Effect]:
        """No token of it brings it back: who was thrown out logs in again."""
        self.surroundings.resumption.forget(session.session, self._wall())
        return session.kicked(detail)

    def change_role(self, conn: str, role: "Role") -> bool:
        """Give a connection another role (C17); False if there is none of that name."""
        moment = self.moment()
        if (connection := self._table.get(self._numbers.get(conn, 0))) is not None:
            self._performer.give_up(connection)
        return self._act(conn, lambda session: session.identity_changed(replace(session.identity, role=role), moment))

    def announce_again(self, conn: str) -> None:
        """Tell `connections` of it once more: what was told of it is lost, or was wrong."""
        self._act(conn, lambda session: session.announced_again())

    def names(self) -> list[str]:
        """Of all connections."""
        return list(self._numbers)

    def revoke(self, revocation: Revocation) -> None:
        """Close whoever `revocation` concerns with 4103."""
        for connection in list(self._table.values()):
            self._performer.attempt(connection, connection.session.revoked, revocation)
        self._performer.finish_soon()

    def listen(self, listener: "Listener") -> None:
        """Tell `listener` of each publish that was stored: who made it, the connection, what and where."""
        self._performer.listener = listener

    def snapshot(
        self, limit: int | None = None, role: str | None = None, user: str | None = None
    ) -> list[dict[str, Any]]:
        """Connections (of `role`, of `user`) as operators see them, newest first; at most `limit` are described."""
        chosen = self._chosen(role, user)
        return [connection.describe() for connection in islice(chosen, limit)]

    def count(self, role: str | None = None, user: str | None = None) -> int:
        """How many of `role` and of `user` there are."""
        return sum(1 for _ in self._chosen(role, user))

    def roles(self) -> "Counter[Role]":
        """Open connections by role."""
        return Counter(connection.session.identity.role for connection in self._table.values())

    # --- what the plane brings ----------------------------------------------------------------------------------------

    def _handle(self, event: "Event", moment: Moment) -> None:
        number, kind, a, b = event
        connection = self._table.get(number)
        if kind != EVENT_PUBLISHES:
            self._performer.publishing.flush()  # what came before is done before (C14)
        if connection is None:
            self._hear_node(kind, a, b)
            return
        try:
            if kind == EVENT_PUBLISHES:
                connection.heard += len(cast("Publishes", a))
                self._performer.publishing.add(connection, cast("Publishes", a), moment)
            elif kind == connection.spoken:
                connection.heard += 1
                self._performer.perform(connection, connection.session.received(cast("bytes", a), moment))
            else:
                self._hear(connection, kind, a, b)
        except Exception as error:  # noqa: BLE001 - one connection's event must not stop the others'
            self._performer.fail(connection, error)
        if connection.granted:
            self.grants.heard(connection)

    def _hear_node(self, kind: int, a: Any, b: Any) -> None:
        """What concerns no connection, or one that is gone."""
        if kind == EVENT_STORED:
            self._broker.durable.stored(a, *b)
        elif kind == EVENT_STORE_FAILED:
            epoch, first, text, is_uncertain = b
            self.counters.error("hub", "log")
            self._broker.durable.store_failed(a, epoch, first, text, is_uncertain=is_uncertain)
        elif kind == EVENT_RETAIN_FAILED:
            self.counters.error("hub", "log")
            self._broker.durable.retain_failed(a, b)
        elif kind == EVENT_FATAL:
            self._fail(str(a))

    def _hear(self, connection: Connection, kind: int, a: Any, b: Any) -> None:
        if kind == EVENT_CLOSED:
            code, reason = a
            self._ended(connection, code, reason, str(b))
        elif kind == EVENT_POSITIONS:
            self._located(connection, a)
        elif kind == EVENT_UNREADABLE:
            connection.heard += 1
            self._performer.perform(connection, connection.session.received_unreadable(a, b))
        elif kind == EVENT_BINARY:
            connection.heard += 1
            self._performer.perform(connection, connection.session.received_binary(a, self.moment()))
        elif kind == EVENT_TEXT:
            connection.heard += 1
            self._performer.perform(connection, connection.session.received_foreign())
        elif connection.relay is not None and kind == EVENT_OUTPUT:
            connection.relay.output_ready()
        elif connection.relay is not None and kind == EVENT_FEED:
            connection.relay.feed_ready()

    def _located(self, connection: Connection, cursors: Sequence[tuple[int, str]]) -> None:
        """The I/O thread has had its turn since the question, so a `welcome` before that is written: R11 is due."""
        connection.answers += 1
        told = connection.session.located(self._broker.located(cursors), self.moment())
        self._performer.perform(connection, told)
        self.takeovers.written(connection)

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _ended(self, connection: Connection, code: int, reason: str, cause: str) -> None:
        session = connection.session
        del self._table[connection.number]
        del self._numbers[session.conn]
        if self.takeovers.closed(connection) and (code, reason, cause) == (1000, FORGET, "peer"):
            self.surroundings.resumption.forget(session.session, self._wall())
        self._performer.forget(connection)
        self.grants.forget(connection)
        self.admission.closed(session.address if connection.counts else None, waits=connection.waits)
        self.closed[code] += 1
        if (label := blame(code, reason, cause)) is not None:
            self.counters.error(*label.split("/"))
        self._performer.perform(connection, session.ended(code))
        self.recorder.ended(connection, code, reason, cause)
        if connection.relay is not None:
            connection.relay.closed(code, reason)
        self._leaving.departures.ended(connection.number)
        self.last_seen.left(session.identity.subject, self._wall())
        lived = round(self._monotonic() - connection.opened_at, 3)
        self.counters.durations.observe(lived)
        log.debug("connection.closed", conn=session.conn, code=code, cause=cause, duration=lived)

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self.counters.error("internal", "panic")
        log.error("plane.lost", reason=reason)

    def _chosen(self, role: str | None, user: str | None) -> Iterator[Connection]:
        for connection in reversed(self._table.values()):
            identity = connection.session.identity
            if role in (None, identity.role.value) and user in (None, identity.subject):
                yield connection

    def _act(self, conn: str, act: Callable[[Session], list[Effect]], wanted: State | None = None) -> bool:
        """Do `act` with a connection that is open; True if it was (and, if `wanted`, if its state is that now)."""
        connection = self._table.get(self._numbers.get(conn, 0))
        if connection is None or connection.session.state in OVER:
            return False
        self._performer.perform(connection, act(connection.session))
        self._performer.finish_soon()
        return wanted is None or connection.session.state is wanted

    # --- time ---------------------------------------------------------------------------------------------------------

    def moment(self) -> Moment:
        """Both clocks, now."""
        return Moment(self._monotonic(), self._wall())

    def _ring(self) -> None:
        """Once a second: alarms, and what time does to limits."""
        if self._loop is None:
            return
        self._timer = self._loop.call_later(ALARM_STEP, self._ring)
        moment = self.moment()
        skew = moment.wall - moment.now
        has_jumped, self._skew = abs(skew - self._skew) > ALARM_STEP / 2, skew
        # Expiry is a time of the wall clock: when that was set, every alarm is asked again.
        alarms = self._performer.alarms
        for number in alarms.take_all() if has_jumped else alarms.due(moment.now):
            connection = self._table[number]
            self._performer.attempt(connection, connection.session.alarm, moment)
        self._performer.finish()
        self.grants.count()
        self.admission.sweep(moment.now)
        self.surroundings.subjects.sweep(moment.now)
