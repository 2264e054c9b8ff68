"""Where a client stands: its state, its connections, and what their coming and going does.

At most one connection matters (`_line`); beside it one may be on its way to take over (`_second`), and those that were
replaced finish what they had accepted. Only `_step` changes the state, by the table in `states.py`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from .acks import Acks
from .asking import Asked, Asking, Own, Stopped, Updated
from .closing import TAKEN_OVER, Remedy, describe, error_of, remedy_of_close, remedy_of_refusal
from .credentials import Credentials
from .effects import AskToken, Drop, Effect, Open, Reject, Resolve, Tell
from .errors import HubError, Misconfigured
from .follows import Follows
from .line import Line
from .places import Places
from .policy import Backoff
from .recovery import Recovery
from .requests import Requests
from .restoring import Restoring, Resuming
from .retries import Retries
from .states import TRANSITIONS, Happening, State, StateChange
from .stream import Stream
from .switch import LEAVE_WITHIN, Switch, Switched

if TYPE_CHECKING:
    from .answers import Welcome


class Renewal(NamedTuple):
    """The ticket of a `connect` with a new credential."""

    name: str = "renewal"


OURS = (Asked, Updated, Resuming, Renewal, Own)


class Standing:
    """State and connections of one client."""

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
        positions: Mapping[str, str] | None = None,
        send_queue: int = 0,
    ) -> None:
        self.state = State.IDLE
        self.welcome: Welcome | None = None
        self.cause: HubError | None = None
        self.rtt: float | None = None
        self.is_persistent = False
        self.follows = Follows(Places(positions))
        self.requests = Requests()
        self.recovery = Recovery()
        self.acks = Acks()
        self.stream = Stream(self.acks, self.recovery)
        self.credentials = Credentials(token, is_renewable=is_renewable)
        self.received = self.reconnects = self.switches = self.unreadable = 0
        self._draw = draw
        self._retries = Retries(backoff or Backoff(), draw)
        self._switch = Switch(backoff or Backoff(), draw)
        self._send_queue = send_queue
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
        self._is_held = False

    @property
    def conn(self) -> int | None:
        """The number of the connection that requests go to; None while there is none in order."""
        return self._line.number if self._line is not None and self._line.is_restored else None

    def flush(self, now: float) -> list[Effect]:
        """Ask for the channels that are wanted and not asked for yet, and for options that were taken up later."""
        line = self._line
        if line is None or not (line.is_restored or line.is_restoring):
            return []
        return [*self.asking.ask(line, now), *self.asking.renew(line, now)]

    # -- attempts --------------------------------------------------------------------------------------------------

    def _start(self, now: float) -> list[Effect]:
        line = self._line = self._new_line()
        return self._open(line, now)

    def _start_second(self, now: float) -> list[Effect]:
        """Open the connection that takes over while the first still works (M51)."""
        if self._second is not None or self._line is None or not self._line.is_restored:
            return []
        line = self._second = self._new_line()
        line.is_second = True
        return self._open(line, now)

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

    def _not_opened(self, line: Line | None, now: float, error: HubError | None = None) -> list[Effect]:
        if line is None or line.number not in self.lines:
            return []
        if line is self._line and error is not None:
            del self.lines[line.number]
            self._line = None
            return self._retry(error, Remedy.BACK_OFF, now)
        return self._parted(line, Remedy.BACK_OFF, 0, "no credential", now)

    def opened(self, conn: int, now: float) -> list[Effect]:
        """The upgrade is done: a session that can be resumed says so at once, else the hub speaks first (C13, C14)."""
        line = self.lines.get(conn)
        if line is None:
            return []
        line.is_open = True
        if line is self._second and self._line is not None:
            self._line.is_contested = True
        line.greet_by = now + self._connect_timeout
        if not self._is_held:
            line.heartbeat.start(now)
        return self.restoring.begin(line, now)

    def closed(self, conn: int, code: int, reason: str, now: float) -> list[Effect]:
        """A connection ended with a close code; 1006 where there was none."""
        return self._gone(conn, remedy_of_close(code), code, describe(code, reason), now)

    def refused(self, conn: int, status: int, detail: str, now: float, retry_after: float = 0.0) -> list[Effect]:
        """An HTTP answer came in place of the upgrade."""
        text = f"HTTP {status} in place of the upgrade{': ' * bool(detail)}{detail}"
        return self._gone(conn, remedy_of_refusal(status), status, text, now, retry_after)

    def failed(self, conn: int, text: str, now: float, *, is_final: bool = False) -> list[Effect]:
        """There was no connection at all; `is_final` where there will never be one, which ends the client."""
        line = self.lines.get(conn)
        if line is None or not is_final:
            return self._gone(conn, Remedy.BACK_OFF, 0, text, now)
        return self._parted(line, Remedy.STOP, 0, text, now, error=Misconfigured(text))

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
        if line is self._second:
            return self._second_failed(line, remedy, now, at_least)
        if line is not self._line:
            return self._unanswered(line, now, is_last=False) + self._resend(now)
        if code == TAKEN_OVER and line.is_contested:
            remedy = Remedy.BACK_OFF
        error = error or error_of(remedy, code, text)
        if self._second is not None and remedy in {Remedy.BACK_OFF, Remedy.WINDOW}:
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
        suspended = self._suspend(line, now)
        return [*suspended, Tell("disconnected", error), *self._step(Happening.LOST, error.code, error.message, 0.0)]

    def _suspend(self, line: Line | None, now: float) -> list[Effect]:
        """Nothing is connected: what was asked is asked anew, what is followed is safe at its place."""
        self._settle_down()
        if self.state is State.CONNECTED:
            self.recovery.lost(now)
        effects = self.follows.lost()
        effects += self._unanswered(line, now) if line is not None else []
        for other in [other for other in self.lines.values() if other is not self._line]:
            del self.lines[other.number]
            effects += [Drop(other.number, 1000), *self._unanswered(other, now)]
        return effects

    def _unanswered(self, line: Line, now: float, *, is_last: bool = True) -> list[Effect]:
        """The questions of a connection that is gone; our own are simply asked anew on the next one."""
        self.asking.forget(line)
        effects: list[Effect] = []
        for reject in self.requests.lost(line.number, is_last=is_last):
            ticket = reject.ticket
            effects += not_ours(
                self.asking.settle_update(ticket, reject, now) if isinstance(ticket, Updated) else [_waiting(reject)]
            )
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
        return effects + (self._start(now) if self._retries.is_due(now) else [])

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
        failed = not_ours(map(_waiting, self.requests.fail(error)))
        ended = [*failed, *self.follows.end(cause)]
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
        told = [*self.follows.moved_to(line), Tell("switched", Switched(self.follows.is_caught_up()))]
        if old is None or old is line:
            return told
        old.leave_by = now + LEAVE_WITHIN
        return [*told, *self._leave(old)]

    def _leave(self, line: Line) -> list[Effect]:
        """Close a connection that was replaced once it owes nothing; the hub closes one whose session moved (R11)."""
        is_left = self._line is not None and not self._line.is_resumed and not self.requests.is_awaited_on(line.number)
        if line.leave_by is None or not is_left:
            return []
        del self.lines[line.number]
        return [Drop(line.number, 1000)]


def _waiting(reject: Reject) -> Reject:
    """Who awaits an update or the end of a subscription is told like everybody else."""
    ticket = reject.ticket
    if isinstance(ticket, Updated | Stopped) and ticket.ticket is not None:
        return Reject(ticket.ticket, reject.error)
    return reject


def not_ours(effects: Iterable[Effect]) -> list[Effect]:
    """What remains when the answers to questions of our own are taken out."""
    return [
        effect for effect in effects if not (isinstance(effect, Resolve | Reject) and isinstance(effect.ticket, OURS))
    ]
