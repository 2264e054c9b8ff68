"""The client's side of the conversation, without sockets, clock or tasks: message + now -> effects.

Whoever drives it (the shell in `link.py`, a test) carries the effects out in order and calls `expired` when
`deadline` has come. `standing.py` keeps the connections, `inbox.py` takes the messages; here is what is asked of it.

A client may have several connections at once, each with a number. How to drive it:

- `connect`, `subscribe` and `flush`, `unsubscribe`, `update`, `submit`, `close` are what the application asks.
- `Open(conn)` asks for a socket. Answer with `opened(conn, now)`, `refused(conn, …)` or `failed(conn, …)`, then
  `receive(conn, message, now)` for each message in order, and `closed(conn, code, reason, now)` when it is gone, also
  after a `Drop(conn, …)` of ours: what is said of a connection that was dropped changes nothing.
- `Send(messages, conn)` belongs on that connection, in order; `token_ready` or `token_failed` answers `AskToken`.
- `Event`, `Gap` and `CursorMoved` go to the application's queue of their channel, in order. When one of them has been
  handled, `handled(follow, place, now)` moves the cursor (P5, P7) of the `Follow` that `subscribe` gave. It may be
  called less often where no `ack=N` was asked for, but must be up to date before `opened`, which presents the cursors
  (R8).
- After each call ask `deadline`; `draw` is the only randomness, each draw from 0 to 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .closing import Remedy
from .effects import AskToken, Drop, Effect, Open, Reject, Resolve, Send, Tell, Ticket, Unsent
from .errors import AuthError, Closed, Disconnected, HubError, RequestTimeout
from .fitness import fault_of
from .follows import Follow
from .heartbeat import Pulse
from .inbox import Inbox
from .line import Line
from .media import without_payload
from .positions import Position
from .requests import Request
from .standing import OURS, Renewal
from .states import Happening, State, SubState


class Session(Inbox):
    """State, connections, subscriptions, questions and timers of one client."""

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

    def try_now(self, now: float) -> list[Effect]:
        """While it waits to try again: try now."""
        return self.expired(now) if self._retries.hasten(now) else []

    def close(self, code: int = 1000, reason: str = "") -> list[Effect]:
        """End it all; nothing is tried again. 1000 and the reason `forget` kill the session's tokens (R15)."""
        if self.state is State.CLOSED:
            return []
        if reason == "forget":
            self.restoring.forget()
        return self._end(Happening.CLOSE, None, Closed("the client was closed", code=code), code, reason)

    def submit(self, request: Request, now: float) -> Sequence[Effect]:
        """Ask the hub something. While there is no connection in order it waits for one where a send queue was asked
        for and it may be repeated, and is refused else.
        """
        if self.is_away and request.is_repeatable and (fault := fault_of(without_payload(request.message))) is not None:
            # It would wait for a connection only to be refused.
            return [Reject(request.ticket, fault)]
        is_full = self.requests.waiting >= self._send_queue
        if self.state is State.CONNECTED or (self.is_away and request.is_repeatable and not is_full):
            return self.requests.submit(request, now)
        text = f"not connected ({self.state}): {request.name} was not sent"
        if self.is_away and request.is_repeatable and self._send_queue:
            text += f", {self.requests.waiting} wait already (send_queue={self._send_queue})"
        return [Reject(request.ticket, self.cause or Disconnected(text, temporary=True))]

    @property
    def is_away(self) -> bool:
        """Whether a connection is on its way, and none in order."""
        return self.state in {State.CONNECTING, State.RECONNECTING}

    @property
    def queues(self) -> bool:
        """Whether what can be repeated waits for a connection now."""
        return self._send_queue > 0 and self.is_away

    def unsendable(self, number: Any, fault: HubError, now: float) -> list[Effect]:
        """The shell could not write a message with this id: whoever asked is told, what was asked for ends by it."""
        request, sends = self.requests.forget(number, now)
        if request is None:
            return [Tell("error", fault), *sends]
        if not isinstance(request.ticket, OURS):
            return [Unsent(request.ticket, request.failure(fault)), *sends]
        return [*self._settle([Reject(request.ticket, fault)], now), *sends]

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
        return [*effects, *self.asking.stop(asked, line, now, ticket)]

    def update(self, channel: str, options: Mapping[str, Any], ticket: Ticket, now: float) -> list[Effect]:
        """Replace the options of a channel and keep its cursor (M26); it may be done on the next connection."""
        follow = self.follows[channel]
        merged = {name: value for name, value in {**follow.options, **options}.items() if value is not None}
        line = self._line
        if line is None or not line.is_restored or line.is_draining or follow.state is not SubState.ACTIVE:
            follow.options, follow.is_stale = merged, True
            return [Resolve(ticket, {}, 0.0)]
        return list(self.asking.update(follow, merged, ticket, line, now))

    def handled(self, follow: Follow, place: Position, now: float) -> list[Effect]:
        """The application has handled everything up to here (P5); what was of a former subscription moves nothing."""
        if not self.follows.is_wanted(follow) or follow.cursor == place:
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
            request = Request(message, Renewal(), now + self._timeout, conn=self._line.number)
            return list(self.requests.submit(request, now))
        return []

    def token_failed(self, error: HubError, now: float) -> list[Effect]:
        """The token source raised: as if the attempt had failed; within a connection it is asked again later."""
        line, self._tokenless = self._tokenless, None
        return [Tell("error", error), *self._not_opened(line, now, error)]

    # -- time ------------------------------------------------------------------------------------------------------

    def heard(self, conn: int, at: float) -> None:
        """Bytes came on a connection at that time (H1)."""
        if conn in self.lines:
            self.lines[conn].heartbeat.heard(at)

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
            effects += self.asking.stop_again(line, now)
        effects += self.recovery.expired(now)
        if self.state is State.CONNECTED:
            effects += [AskToken(asked)] if (asked := self.credentials.expiring(now)) else []
            effects += self.flush(now)
            effects += self._acknowledge() if self.acks.is_due(now) else []
            effects += self._start_second(now) if self._switch.is_due(now) else []
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
