"""The client's side of the conversation, without sockets, clock or tasks: message + now -> effects.

Whoever drives it (the shell in `link.py`, a test) carries the effects out in order and calls `expired` when
`deadline` has come. Only `_step` changes the state, by the table in `states.py`.

A client may have several connections at once, each with a number. How to drive it:

- `connect`, `subscribe` and `flush`, `unsubscribe`, `update`, `submit`, `close` are what the application asks.
- `Open(conn)` asks for a socket. Answer with `opened(conn, now)`, `refused(conn, …)` or `failed(conn, …)`, then
  `receive(conn, message, now)` for each message in order, and `closed(conn, code, reason, now)` when it is gone, also
  after a `Drop(conn, …)` of ours: what is said of a connection that was dropped changes nothing.
- `Send(messages, conn)` belongs on that connection, in order; `token_ready` or `token_failed` answers `AskToken`.
- `Event`, `Gap` and `CursorMoved` go to the application's queue of their channel, in order. When one of them has been
  handled, `handled(channel, place, now)` moves the cursor (P5, P7). It may be called less often where no `ack=N` was
  asked for, but must be up to date before `opened`, which presents the cursors (R8).
- After each call ask `deadline`; `draw` is the only randomness, each draw from 0 to 1.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .acks import Acks
from .asking import Asked, Asking, Own, Updated
from .closing import TAKEN_OVER, Remedy, describe, remedy_of_close, remedy_of_refusal
from .credentials import Credentials
from .effects import AskToken, Drop, Effect, Open, Reject, Resolve, Send, SetLimit, Tell, Ticket
from .errors import AuthError, Closed, Disconnected, HubError, ProtocolViolation, RequestTimeout, error_from
from .follows import Follow, Follows
from .heartbeat import Pulse
from .line import Line
from .policy import Backoff
from .positions import Position
from .recovery import Recovery
from .requests import Request, Requests
from .restoring import Restoring, Resuming
from .retries import Retries
from .states import TRANSITIONS, Happening, State, StateChange, SubState
from .stream import Stream
from .switch import LEAVE_WITHIN, Switch

if TYPE_CHECKING:
    from .answers import Welcome

# L11: no message of the hub is larger than `limits.decoded` and this.
MESSAGE_MARGIN = 65_536

# Longer than a hub keeps reading from a connection that was given up here (H3), in seconds.
STRAY_FOR = 60.0


class _Renewal(NamedTuple):
    """The ticket of a `connect` with a new credential."""

    name: str = "renewal"


class Session:
    """State, connections, subscriptions, questions and timers of one client."""

    def __init__(
        self,
        *,
        draw: Callable[[], float],
        backoff: Backoff | None = None,
        token: str | None = None,
        is_renewable: bool = False,
        auto_reconnect: bool = True,
        connect_timeout: float = 10.0,
        timeout: float = 5.0,
        client: Mapping[str, str] | None = None,
        reconnection_token: str | None = None,
        is_resumable: bool = True,
    ) -> None:
        self.state = State.IDLE
        self.welcome: Welcome | None = None
        self.cause: HubError | None = None
        self.rtt: float | None = None
        self.is_persistent = False
        self.follows = Follows()
        self.requests = Requests()
        self.recovery = Recovery()
        self.acks = Acks()
        self.stream = Stream(self.acks, self.recovery)
        self.credentials = Credentials(token, is_renewable=is_renewable)
        self.received = self.reconnects = self.switches = self.unreadable = 0
        self._draw = draw
        self._retries = Retries(backoff or Backoff(), draw)
        self._switch = Switch(backoff or Backoff(), draw)
        self._auto_reconnect = auto_reconnect
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self.asking = Asking(self.follows, self.requests, self.recovery, draw, timeout)
        self.restoring = Restoring(
            self.follows,
            self.requests,
            self.asking,
            timeout=timeout,
            client=client,
            token=reconnection_token,
            is_resumable=is_resumable,
        )
        self.lines: dict[int, Line] = {}
        self._last_number = 0
        # The connection that matters, or the attempt at it; beside it the one that is to take over.
        self._line: Line | None = None
        self._second: Line | None = None
        self._tokenless: Line | None = None
        # Until when a resume that was given up unanswered may still be applied by the hub.
        self._stray_until = 0.0
        self._is_held = False

    # -- the application -------------------------------------------------------------------------------------------

    def connect(self, now: float, *, retry: bool) -> list[Effect]:
        """Start; without `retry` a first attempt that fails ends in `closed`."""
        if self.state not in {State.IDLE, State.CLOSED}:
            self.is_persistent = self.is_persistent or retry
            return []
        if self.state is State.CLOSED:
            self.restoring.forget()
        self.is_persistent, self.cause = retry, None
        self.credentials.rejections = 0
        return [*self._step(Happening.CONNECT), *self._start(now)]

    def close(self, code: int = 1000, reason: str = "") -> list[Effect]:
        """End it all; nothing is tried again. 1000 and the reason `forget` kill the session's tokens (R15)."""
        if self.state is State.CLOSED:
            return []
        if reason == "forget":
            self.restoring.forget()
        return self._end(Happening.CLOSE, None, Closed("the client was closed", code=code), code, reason)

    @property
    def conn(self) -> int | None:
        """The number of the connection that requests go to; None while there is none in order."""
        return self._line.number if self._line is not None and self._line.is_restored else None

    def submit(self, request: Request, now: float) -> Sequence[Effect]:
        """Ask the hub something; refused while there is no connection in order."""
        if self.state is not State.CONNECTED:
            error = self.cause or Disconnected(
                f"not connected ({self.state}): {request.name} was not sent", temporary=True
            )
            return [Reject(request.ticket, error)]
        return self.requests.submit(request, now)

    def subscribe(self, channel: str, options: Mapping[str, Any], start: Any = None) -> Follow:
        """Want a channel; `flush` asks for it."""
        return self.follows.add(channel, options, start)

    def unsubscribe(self, channels: Sequence[str], ticket: Ticket, now: float) -> list[Effect]:
        """Want channels no more; the ticket is answered when the hub has stopped, at once if it need not be asked."""
        line = self._line
        gone = [follow for channel in channels if (follow := self.follows.remove(channel)) is not None]
        asked = [follow.channel for follow in gone if line is not None and follow in line.asked]
        effects = [effect for follow in gone for effect in self.recovery.left(follow)]
        for follow in gone:
            for one in self.lines.values():
                one.forget(follow)
        if line is None or not asked or self.state is not State.CONNECTED or not line.is_restored:
            return [*effects, Resolve(ticket, {}, 0.0)]
        return [*effects, *self.asking.stop(asked, ticket, line, now)]

    def update(self, channel: str, options: Mapping[str, Any], ticket: Ticket, now: float) -> list[Effect]:
        """Replace the options of a channel and keep its cursor (M26); while away it is done later."""
        follow = self.follows[channel]
        merged = {name: value for name, value in {**follow.options, **options}.items() if value is not None}
        line = self._line
        if line is None or not line.is_restored or follow.state is not SubState.ACTIVE:
            follow.options, follow.is_stale = merged, True
            return [Resolve(ticket, {}, 0.0)]
        return list(self.asking.update(follow, merged, ticket, line, now))

    def flush(self, now: float) -> list[Effect]:
        """Ask for the channels that are wanted and not asked for yet, and for options that were taken up later."""
        line = self._line
        if line is None or not (line.is_restored or line.is_restoring):
            return []
        return [*self.asking.ask(line, now), *self.restoring.stale(line, now)]

    def handled(self, channel: str, place: Position, now: float) -> list[Effect]:
        """The application has handled everything of a channel up to here (P5)."""
        follow = self.follows.get(channel)
        if follow is None or follow.cursor == place:
            return []
        follow.cursor = place
        return self._acknowledge() if self.acks.count(follow, now) else []

    def hold(self) -> None:
        """Nothing is read from here on, by the application's wish: its silence is nobody's fault."""
        self._is_held = True
        for line in self.lines.values():
            line.heartbeat.stop()

    def release(self, now: float) -> None:
        """It reads again."""
        self._is_held = False
        for line in self.lines.values():
            if line.is_open:
                line.heartbeat.start(now)

    # -- the credential --------------------------------------------------------------------------------------------

    def token_ready(self, token: str, now: float) -> list[Effect]:
        """The token source gave a credential; empty means that it has none."""
        line, self._tokenless = self._tokenless, None
        if not token:
            error = AuthError("the token source gave no credential")
            if line is None or line is not self._line:
                return [Tell("error", error), *self._not_opened(line, now)]
            self.lines.pop(line.number, None)
            return self._stop(error, None, error.message)
        self.credentials.renewed(token)
        if line is not None:
            return [Open(line.number)] if line.number in self.lines else []
        if self.state is State.CONNECTED and self._line is not None:
            message = {"type": "connect", "token": token}
            return list(self.requests.submit(Request(message, _Renewal(), now + self._timeout), now))
        return []

    def token_failed(self, error: HubError, now: float) -> list[Effect]:
        """The token source raised: as if the attempt had failed; within a connection it is asked again later."""
        line, self._tokenless = self._tokenless, None
        return [Tell("error", error), *self._not_opened(line, now, error)]

    def _not_opened(self, line: Line | None, now: float, error: HubError | None = None) -> list[Effect]:
        if line is None or line.number not in self.lines:
            return []
        if line is self._line and error is not None:
            del self.lines[line.number]
            self._line = None
            return self._retry(error, Remedy.BACK_OFF, now)
        return self._parted(line, Remedy.BACK_OFF, 0, "no credential", now)

    # -- the connections -------------------------------------------------------------------------------------------

    def opened(self, conn: int, now: float) -> list[Effect]:
        """The upgrade is done: a session that can be resumed says so at once, else the hub speaks first (C13, C14)."""
        line = self.lines.get(conn)
        if line is None:
            return []
        line.is_open = True
        line.greet_by = now + self._connect_timeout
        if not self._is_held:
            line.heartbeat.start(now)
        return self.restoring.begin(line, now)

    def heard(self, conn: int, at: float) -> None:
        """Bytes came on a connection at that time (H1)."""
        if conn in self.lines:
            self.lines[conn].heartbeat.heard(at)

    def closed(self, conn: int, code: int, reason: str, now: float) -> list[Effect]:
        """A connection ended with a close code; 1006 where there was none."""
        return self._gone(conn, remedy_of_close(code), code, describe(code, reason), now)

    def refused(self, conn: int, status: int, detail: str, now: float, retry_after: float = 0.0) -> list[Effect]:
        """An HTTP answer came in place of the upgrade."""
        text = f"HTTP {status} in place of the upgrade{': ' * bool(detail)}{detail}"
        return self._gone(conn, remedy_of_refusal(status), status, text, now, retry_after)

    def failed(self, conn: int, text: str, now: float) -> list[Effect]:
        """There was no connection at all."""
        return self._gone(conn, Remedy.BACK_OFF, 0, text, now)

    def receive(self, conn: int, message: Any, now: float, wire: bytes | None = None) -> Sequence[Effect]:
        """Take one message of the hub; what cannot be understood is told and otherwise ignored."""
        line = self.lines.get(conn)
        if line is None:
            return ()
        self.received += 1
        try:
            kind = message["type"]
            if kind == "event":
                return self.stream.event(line, message, now, wire)
            return _HANDLERS.get(kind, Session._on_other)(self, line, message, now)
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            return self.misread(f"{type(fault).__name__}: {fault}")

    def misread(self, what: str) -> list[Effect]:
        """Something that is no message of the protocol came."""
        self.unreadable += 1
        return [
            Tell("error", ProtocolViolation(f"the hub sent a message that does not read as the protocol says: {what}"))
        ]

    # -- time ------------------------------------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """When `expired` wants to be called; never late, sometimes early."""
        times = [self._retries.reopen_at, self.requests.deadline(), self.recovery.deadline()]
        times += [line.deadline() for line in self.lines.values()]
        if self.state is State.CONNECTED:
            times += [self.credentials.deadline(), self._switch.at, *self._due_on(self._line)]
        return min((when for when in times if when is not None), default=None)

    def _due_on(self, line: Line | None) -> list[float | None]:
        """What waits for its time needs a connection in order too; one that is about to be will be asked again."""
        if line is None or not line.is_restored:
            return []
        return [self.follows.deadline(line), self.acks.deadline()]

    def expired(self, now: float) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = self._start(now) if self._retries.is_due(now) else []
        for line in tuple(self.lines.values()):
            effects += self._overdue(line, now)
        effects += self._settle(self.requests.expired(now), now)
        for line in tuple(self.lines.values()):
            effects += self._beat(line, now)
        effects += self.recovery.expired(now)
        if self.state is State.CONNECTED:
            effects += [AskToken(asked)] if (asked := self.credentials.expiring(now)) else []
            effects += self.flush(now)
            effects += self._acknowledge() if self.acks.is_due(now) else []
            effects += self._start_second() if self._switch.is_due(now) else []
        return effects

    def _overdue(self, line: Line, now: float) -> list[Effect]:
        if line.leave_by is not None and now >= line.leave_by:
            return [Drop(line.number, 1000), *self._parted(line, Remedy.FINISHED, 1000, "replaced", now)]
        if line.greet_by is None or now < line.greet_by:
            return []
        if line.is_restoring:
            return self._ready(line, now)
        text = f"no welcome within {self._connect_timeout:g} s; a hub that takes no anonymous clients waits for a token"
        error = RequestTimeout(text, temporary=True)
        return [Drop(line.number, 1000), *self._parted(line, Remedy.BACK_OFF, 0, text, now, error=error)]

    def _beat(self, line: Line, now: float) -> list[Effect]:
        if line.number not in self.lines:
            return []
        match line.heartbeat.expired(now):
            case Pulse.PING:
                return [Send(({"type": "ping", "t": now},), line.number)]
            case Pulse.DEAD:
                text = f"no sign of life for {line.heartbeat.interval + line.heartbeat.timeout:g} s"
                drop = Drop(line.number, 4208, "timeout", is_abrupt=True)
                return [drop, *self._parted(line, Remedy.BACK_OFF, 4208, text, now)]
        return []

    def _acknowledge(self) -> list[Effect]:
        line = self._line
        positions = self.acks.take(line) if line is not None and line.is_restored else {}
        return [Send(({"type": "ack", "positions": positions},), line.number)] if positions and line else []

    # -- opening ---------------------------------------------------------------------------------------------------

    def _start(self, now: float) -> list[Effect]:
        line = self._line = self._new_line()
        return self._open(line, now)

    def _start_second(self) -> list[Effect]:
        """Open the connection that takes over while the first still works (M51)."""
        if self._second is not None or self._line is None or not self._line.is_restored:
            return []
        line = self._second = self._new_line()
        line.is_second = True
        return self._open(line, 0.0)

    def _new_line(self) -> Line:
        self._last_number += 1
        line = self.lines[self._last_number] = Line(self._last_number)
        return line

    def _open(self, line: Line, now: float) -> list[Effect]:
        asked = self.credentials.needed(now)
        if asked is None:
            return [Open(line.number)]
        self._tokenless = line
        return [AskToken(asked)]

    # -- ending ----------------------------------------------------------------------------------------------------

    def _step(
        self, happening: Happening, code: int | None = None, reason: str = "", retry_in: float | None = None
    ) -> list[Effect]:
        old, self.state = self.state, TRANSITIONS[self.state][happening]
        if old is self.state and retry_in is None:
            return []
        return [Tell("state", StateChange(old, self.state, code, reason, retry_in))]

    def _gone(self, conn: int, remedy: Remedy, code: int, text: str, now: float, at_least: float = 0.0) -> list[Effect]:
        line = self.lines.get(conn)
        return [] if line is None else self._parted(line, remedy, code, text, now, at_least)

    def _parted(
        self,
        line: Line,
        remedy: Remedy,
        code: int,
        text: str,
        now: float,
        at_least: float = 0.0,
        error: HubError | None = None,
    ) -> list[Effect]:
        """A connection is gone, or never came; which one it was says what that means."""
        self.lines.pop(line.number, None)
        if line.is_resuming and code != TAKEN_OVER:
            self._stray_until = now + STRAY_FOR
        if line is self._second:
            return self._second_failed(line, remedy, now, at_least)
        if line is not self._line:
            return self._unanswered(line, now, is_last=False) + self._resend(now)
        if code == TAKEN_OVER and self._second is None and now < self._stray_until:
            # R11 counts the newest resume, and that may be the one of ours whose answer was lost.
            remedy, self._stray_until = Remedy.BACK_OFF, 0.0
        error = error or _error_of(remedy, code, text)
        if self._second is not None and (remedy in {Remedy.BACK_OFF, Remedy.WINDOW} or code == TAKEN_OVER):
            return self._handed_over(line, self._second, error, now)
        return self._lost(line, remedy, error, now, at_least)

    def _resend(self, now: float) -> list[Effect]:
        conn = self.requests.conn
        return [] if conn is None else list(self.requests.restored(conn, now))

    def _second_failed(self, line: Line, remedy: Remedy, now: float, at_least: float) -> list[Effect]:
        """The first connection is kept, and another is opened later."""
        self._second = None
        if remedy is Remedy.NEW_CREDENTIAL:
            self.credentials.rejected()
        self._switch.failed(now, at_least)
        return self._unanswered(line, now, is_last=False)

    def _handed_over(self, line: Line, second: Line, error: HubError, now: float) -> list[Effect]:
        """The first connection ended before the second was in order.

        One that is open has said its resume, which is why the first ended (R11): its answer is on the way and nothing
        is told. Else the second becomes the attempt of an ordinary reconnect.
        """
        self._line, self._second = second, None
        if second.is_open:
            return self._unanswered(line, now, is_last=False)
        second.is_second = False
        lost = self._step(Happening.LOST, error.code, error.message, 0.0)
        return [*self._suspend(line, now), Tell("disconnected", error), *lost]

    def _suspend(self, line: Line | None, now: float) -> list[Effect]:
        """Nothing is connected: what was asked is asked anew, what is followed is safe at its place."""
        self._settle_down()
        if self.state is State.CONNECTED:
            self.recovery.lost(now)
        effects = self.follows.lost()
        effects += self._unanswered(line, now) if line is not None else []
        for other in [other for other in self.lines.values() if other is not self._line]:
            del self.lines[other.number]
            if other.is_resuming:
                self._stray_until = now + STRAY_FOR
            effects += [Drop(other.number, 1000), *self._unanswered(other, now)]
        return effects

    def _unanswered(self, line: Line, now: float, *, is_last: bool = True) -> list[Effect]:
        """The questions of a connection that is gone; our own are simply asked anew on the next one."""
        self.asking.forget(line)
        effects: list[Effect] = []
        for reject in self.requests.lost(line.number, is_last=is_last):
            if isinstance(reject.ticket, Updated):
                effects += self._settle([reject], now)
            else:
                effects += _not_ours([reject])
        return effects

    def _lost(self, line: Line, remedy: Remedy, error: HubError, now: float, at_least: float) -> list[Effect]:
        drawn = self._switch.left(now)
        told = [Tell("disconnected", error)] if self.state is State.CONNECTED else []
        self._line = self._second = None
        effects = [*self._suspend(line, now), *told]
        self._retries.parted(now)
        match remedy:
            case Remedy.NEW_CREDENTIAL if self.credentials.rejected():
                return effects + self._retry(error, remedy, now)
            case Remedy.NEW_CREDENTIAL | Remedy.STOP | Remedy.FINISHED:
                return effects + self._stop(error, error.code, error.message)
        return effects + self._retry(error, remedy, now, at_least, drawn)

    def _retry(
        self, error: HubError, remedy: Remedy, now: float, at_least: float = 0.0, drawn: float | None = None
    ) -> list[Effect]:
        is_login = remedy is Remedy.NEW_CREDENTIAL
        is_first = self.state is State.CONNECTING and not self.is_persistent and not is_login
        wait = None if is_first or not self._auto_reconnect else self._retries.plan(now, remedy, at_least, drawn)
        if wait is None:
            return self._stop(error, error.code, error.message)
        happening = Happening.REJECTED if is_login else Happening.LOST
        effects = self._step(happening, error.code, error.message, wait)
        return effects + self.expired(now)

    def _stop(self, error: HubError, code: int | None, reason: str) -> list[Effect]:
        return self._end(Happening.STOPPED, error, error, code, reason)

    def _end(
        self, happening: Happening, cause: HubError | None, error: HubError, code: int | None, reason: str
    ) -> list[Effect]:
        self.cause = cause
        self._settle_down()
        self._retries.reset()
        self.recovery.reset()
        drops = [Drop(number, code if happening is Happening.CLOSE and code else 1000, reason) for number in self.lines]
        self.lines.clear()
        self._line = self._second = None
        ended = [*_not_ours(self.requests.fail(error)), *self.follows.end(cause)]
        return [*self._step(happening, code, reason), *ended, *drops]

    def _settle_down(self) -> None:
        """No connection: nothing is awaited from one."""
        if self._tokenless is not None and self._tokenless is not self._line:
            self._tokenless = None
        self._switch.reset()
        self.acks.forget()

    # -- in order --------------------------------------------------------------------------------------------------

    def _ready_if_done(self, line: Line, now: float) -> list[Effect]:
        return self._ready(line, now) if self.restoring.is_done(line) and line.number in self.lines else []

    def _ready(self, line: Line, now: float) -> list[Effect]:
        """Everything that is followed has its answer on this connection."""
        line.greet_by, line.is_restored = None, True
        effects = self._switched(line, now) if self.state is State.CONNECTED else self._connected(line, now)
        return [*effects, *self.requests.restored(line.number, now), *self.flush(now)]

    def _connected(self, line: Line, now: float) -> list[Effect]:
        self.welcome = line.welcome
        self._retries.connected(now)
        self.reconnects += self.state is State.RECONNECTING
        return [
            *self._step(Happening.WELCOME),
            Tell("connected", self.welcome),
            *self.recovery.connected(now),
        ]

    def _switched(self, line: Line, now: float) -> list[Effect]:
        """The second connection takes over; what the first had accepted it still answers (R12)."""
        self.welcome = line.welcome
        self.switches += 1
        self._switch.reset()
        old, self._line, self._second, line.is_second = self._line, line, None, False
        if old is None or old is line:
            return self.follows.moved_to(line)
        old.leave_by = now + LEAVE_WITHIN
        return [*self.follows.moved_to(line), *self._leave(old)]

    def _leave(self, line: Line) -> list[Effect]:
        """Close a connection that was replaced once it owes nothing; the hub closes one whose session moved (R11)."""
        is_left = self._line is not None and not self._line.is_resumed and not self.requests.is_awaited_on(line.number)
        if line.leave_by is None or not is_left:
            return []
        del self.lines[line.number]
        return [Drop(line.number, 1000)]

    # -- messages --------------------------------------------------------------------------------------------------

    def _on_welcome(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        welcome = line.take_welcome(message)
        effects: list[Effect] = [SetLimit(line.number, welcome.limits.decoded + MESSAGE_MARGIN)]
        if line.leave_by is not None:
            return effects
        self.credentials.accepted(welcome.expires_in, now)
        self.requests.in_flight = welcome.limits.in_flight
        may = {channel for channel in self.follows if welcome.may("subscribe", channel)}
        effects += self.follows.revive(may, line)
        if line.is_restored:
            self.welcome = welcome
        if line.is_restored or line.is_restoring or message.get("id") is not None:
            return effects + self._answered(line, message, now) + self.flush(now)
        return effects + self.restoring.greeted(line, now) + self._ready_if_done(line, now)

    def _not_resumed(self, line: Line, error: HubError, now: float) -> list[Effect]:
        if not error.temporary:
            return self.restoring.refused(line, error, now) + self._ready_if_done(line, now)
        # A node that drains, or a token that cannot be checked now: the session is tried elsewhere.
        parted = self._parted(line, Remedy.BACK_OFF, error.code, error.message, now, error.retry_after or 0.0)
        return [Drop(line.number, 1000), *parted]

    def _on_goaway(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if line is self._line and self._second is None and self._auto_reconnect:
            self._switch.plan(message["reconnect_in"], now)
        return ()

    def _on_reconnection_token(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        told = self.restoring.token_came(message) if line.leave_by is None else []
        return told + self._answered(line, message, now)

    def _on_error(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is None:
            return [Tell("error", error_from(message))] if line.leave_by is None else []
        return self._answered(line, message, now)

    def _answered(self, line: Line, message: Mapping[str, Any], now: float) -> list[Effect]:
        answers = self.requests.answer(message, now, self._draw(), line.number)
        return [*self._settle(answers or [], now), *self._leave(line)]

    def _settle(self, effects: Sequence[Effect], now: float) -> list[Effect]:
        """Take out the answers to our own questions and act on them."""
        settled: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Resolve | Reject) and isinstance(effect.ticket, _OURS):
                settled += self._settle_ours(effect, now)
            else:
                settled.append(effect)
        return settled

    def _settle_ours(self, effect: Resolve | Reject, now: float) -> list[Effect]:
        match effect:
            case Resolve(Asked() as asked) | Reject(Asked() as asked):
                return self.asking.settle(asked, effect, now) + self._ready_if_done(asked.line, now)
            case Resolve(Updated() as updated) | Reject(Updated() as updated):
                return self._settle(self.asking.settle_update(updated, effect), now)
            case Resolve(Resuming() as resuming):
                resumed = self.restoring.resumed(resuming.line, effect.answer, now)
                return resumed + self._ready_if_done(resuming.line, now)
            case Reject(Resuming() as resuming, error):
                return self._not_resumed(resuming.line, error, now)
            case Reject(_Renewal(), error):
                return self._not_logged_in(error)
            case Reject(Own() as own, error) if own.is_told:
                return [Tell("error", error)]
        return []

    def _not_logged_in(self, error: HubError) -> list[Effect]:
        told: list[Effect] = [Tell("error", error)]
        if isinstance(error, AuthError) and self.credentials.rejected():
            request = self.credentials.needed(0.0)
            return [*told, AskToken(request)] if request else told
        return told

    def _on_other(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        """An answer to a raw request, or a type of a later version: that is how the protocol grows (M2)."""
        return self._answered(line, message, now) if message.get("id") is not None else ()

    def _on_gap(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        return self.stream.gap(line, message)

    def _on_unsubscribed(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is not None:
            return self._answered(line, message, now)
        code, reason = int(message.get("code", 0)), str(message.get("reason", ""))
        if code == 0 or line is not self._line:
            return []
        effects: list[Effect] = []
        for channel in message["channels"]:
            effects += self.follows.withdrawn(channel, code, reason, line, now, self._draw())
        return effects

    def _on_ack(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is not None:
            return self._answered(line, message, now)
        return self.stream.watermark(line, message["positions"])

    def _on_pong(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is not None:
            return self._answered(line, message, now)
        if isinstance(sent_at := message.get("t"), int | float):
            line.heartbeat.ponged(sent_at, now)
            self.rtt = line.heartbeat.rtt
        return ()


_OURS = (Asked, Updated, Resuming, _Renewal, Own)

_Handler = Callable[[Session, Line, Mapping[str, Any], float], Sequence[Effect]]

_HANDLERS: Mapping[str, _Handler] = {
    "welcome": Session._on_welcome,
    "unsubscribed": Session._on_unsubscribed,
    "gap": Session._on_gap,
    "ack": Session._on_ack,
    "pong": Session._on_pong,
    "goaway": Session._on_goaway,
    "reconnection_token": Session._on_reconnection_token,
    "error": Session._on_error,
}


def _error_of(remedy: Remedy, code: int, text: str) -> HubError:
    match remedy:
        case Remedy.NEW_CREDENTIAL:
            return AuthError(f"login refused: {text}", code=code)
        case Remedy.STOP | Remedy.FINISHED:
            return Closed(f"the hub ended it: {text}", code=code)
    return Disconnected(text, code=code, temporary=True)


def _not_ours(rejects: Sequence[Reject]) -> list[Reject]:
    return [reject for reject in rejects if not isinstance(reject.ticket, _OURS)]
