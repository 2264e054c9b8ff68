"""Ids and answers: what was asked, what awaits its answer, what is sent once more (M4-M6, R12, R13)."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from .effects import Reject, Resolve, Send, Ticket
from .errors import Disconnected, HubError, RateLimited, RequestTimeout, Unavailable, error_from
from .policy import Backoff

E = TypeVar("E", bound=Exception)

# Requests of the application beyond `limits.in_flight` wait here for a free id.
MAX_HELD_BACK = 10_000

# The one error after which a message may have had an effect (E3).
OUTCOME_UNKNOWN = "outcome_unknown"

# The pause before a publish or emit with `mid` is repeated after a 5xx.
_REPEAT = Backoff(base=0.1, cap=2.0)


class Request:
    """One question to the hub. With `is_repeatable` (it carries a `mid`) a cut or a 5xx sends it again until its
    deadline; with `is_patient` a 429 makes it wait and go once more.
    """

    __slots__ = (
        "conn",
        "deadline",
        "id",
        "is_patient",
        "is_repeatable",
        "is_uncertain",
        "message",
        "repeat_at",
        "repeats",
        "sent_at",
        "ticket",
    )

    def __init__(
        self,
        message: Mapping[str, Any],
        ticket: Ticket,
        deadline: float,
        is_repeatable: bool = False,
        is_patient: bool = False,
        conn: int | None = None,
    ) -> None:
        self.message = message
        self.ticket = ticket
        self.deadline = deadline
        self.is_repeatable = is_repeatable
        self.is_patient = is_patient
        # The connection it is meant for, or was sent on: its id belongs there (R12).
        self.conn = conn
        self.id: Any = None
        self.sent_at = 0.0
        self.repeat_at = 0.0
        self.repeats = 0
        # An attempt was sent and nobody knows what became of it: no later refusal says that it had no effect (E3, R13).
        self.is_uncertain = False

    def failure(self, error: E) -> E | Unavailable:
        """What the caller is told for an error that ends the request."""
        if not self.is_uncertain or getattr(error, "error", "") == OUTCOME_UNKNOWN:
            return error
        text = f"{self.name}: {error}; whether an earlier attempt had an effect is unknown"
        unknown = Unavailable(text, code=504, error=OUTCOME_UNKNOWN, temporary=True)
        unknown.__cause__ = error
        return unknown

    @property
    def name(self) -> str:
        """What was asked, for messages."""
        return str(self.message.get("type"))


class Requests:
    """The questions of one client: awaiting an answer, held back for a free id, or parked for later.

    `conn` is the connection they go to, None while there is none in order; ids are never used twice by a client, so
    that those of two connections cannot be taken for each other.
    """

    def __init__(self, in_flight: int = 256) -> None:
        self.in_flight = in_flight
        self.conn: int | None = None
        self._last_id = 0
        self._awaiting: dict[Any, Request] = {}
        # How many of them on each connection: the limit is one of a connection (M6).
        self._counts: Counter[int] = Counter()
        self._held: deque[Request] = deque()
        self._parked: list[Request] = []
        self._look_at: float | None = None

    def __len__(self) -> int:
        return len(self._awaiting) + len(self._held) + len(self._parked)

    @property
    def waiting(self) -> int:
        """How many were not sent yet, or are to be sent once more."""
        return len(self._held) + len(self._parked)

    def submit(self, request: Request, now: float) -> list[Send | Reject]:
        """Send a request, or hold it back until an id is free and a connection is in order.

        One for a certain connection is a question of the client itself, of which there are few: it is never refused.
        """
        self._check_id(request)
        self._look_by(request.deadline)
        if self._may_go(request):
            return [self._send(request, now)]
        if request.conn is not None or len(self._held) < MAX_HELD_BACK:
            self._held.append(request)
            return []
        text = f"{request.name}: {len(self._awaiting)} await their answer and {len(self._held)} wait to be sent"
        return [Reject(request.ticket, request.failure(RateLimited(text, temporary=True)))]

    def _check_id(self, request: Request) -> None:
        """An id of the caller's own is that of no other request (M4)."""
        given = request.message.get("id")
        if given is not None and any(given in {one.id, one.message.get("id")} for one in self._everything()):
            raise ValueError(f"id {given!r} is still awaiting its answer")

    def _may_go(self, request: Request) -> bool:
        conn = request.conn or self.conn
        return conn is not None and self._counts[conn] < self.in_flight

    def _send(self, request: Request, now: float) -> Send:
        request.conn = request.conn or self.conn
        request.id = request.message.get("id")
        if request.id is None:
            request.id = self._next_id()
        request.sent_at = now
        self._awaiting[request.id] = request
        self._counts[request.conn or 0] += 1
        return Send(({**request.message, "id": request.id},), request.conn or 0)

    def _next_id(self) -> int:
        self._last_id += 1
        while self._last_id in self._awaiting:
            self._last_id += 1
        return self._last_id

    def answer(
        self, message: Mapping[str, Any], now: float, drawn: float, conn: int = 1
    ) -> list[Send | Resolve | Reject] | None:
        """Take an answer that came on a connection; None if nobody awaits it there."""
        request = self._awaiting.get(message.get("id"))
        if request is None or request.conn != conn:
            return None
        self._remove(request)
        effects: list[Send | Resolve | Reject] = []
        if message.get("type") != "error":
            effects.append(Resolve(request.ticket, message, now - request.sent_at))
        elif not self._park(request, error := error_from(message), now, drawn):
            effects.append(Reject(request.ticket, request.failure(error)))
        return effects + self._refill(now)

    def unreadable(self, number: Any, error: HubError, now: float, conn: int) -> list[Send | Resolve | Reject] | None:
        """An answer came that cannot be read; None if nobody awaits it there."""
        request = self._awaiting.get(number) if isinstance(number, str | int) else None
        if request is None or request.conn != conn:
            return None
        self._remove(request)
        return [Reject(request.ticket, request.failure(error)), *self._refill(now)]

    def _park(self, request: Request, error: HubError, now: float, drawn: float) -> bool:
        """Whether the request goes once more by itself, and when."""
        wait = error.retry_after or 0.0
        request.is_uncertain |= error.error == OUTCOME_UNKNOWN
        if error.error == "rate_limited" and request.is_patient:
            request.is_patient = False
        elif error.code >= 500 and error.temporary and request.is_repeatable:
            wait = _REPEAT.delay(request.repeats, drawn, wait)
        else:
            return False
        if now + wait >= request.deadline:
            return False
        request.repeats += 1
        request.repeat_at = now + wait
        request.conn = None
        self._parked.append(request)
        self._look_by(request.repeat_at)
        return True

    def _refill(self, now: float) -> list[Send]:
        sends = []
        while self._held and self._may_go(self._held[0]):
            sends.append(self._send(self._held.popleft(), now))
        return sends

    def lost(self, conn: int, *, is_last: bool = True) -> list[Reject]:
        """A connection ended: what may be repeated waits for the next one, the rest has an unknown outcome.

        With `is_last` there is no other, and what was held back goes the same way.
        """
        if is_last or self.conn == conn:
            self.conn = None
        gone = [request for request in self._awaiting.values() if request.conn == conn]
        gone += [request for request in self._held if is_last or request.conn == conn]
        rejects = []
        for request in gone:
            request.is_uncertain |= self._awaiting.get(request.id) is request
            self._remove(request)
            if request.is_repeatable:
                request.repeat_at, request.conn = 0.0, None
                self._parked.append(request)
            else:
                text = f"the connection ended before {request.name} was answered; whether it had an effect is unknown"
                rejects.append(Reject(request.ticket, Disconnected(text, temporary=True)))
        del self._counts[conn]
        return rejects

    def restored(self, conn: int, now: float) -> list[Send | Reject]:
        """A connection is in order: send what waited for it, and everything that follows."""
        self.conn = conn
        # What was sent before goes first, so that the order is kept however many may be in flight.
        due, self._parked = self._due(now)
        self._held.extendleft(reversed(due))
        return [*self._refill(now)]

    def is_awaited_on(self, conn: int) -> bool:
        """Whether a connection still owes an answer."""
        return self._counts[conn] > 0

    def _repeat(self, now: float) -> list[Send | Reject]:
        if self.conn is None:
            return []
        due, self._parked = self._due(now)
        return [effect for request in due for effect in self.submit(request, now)]

    def _due(self, now: float) -> tuple[list[Request], list[Request]]:
        """Of those that go once more: the ones whose time has come, and the others."""
        due = [request for request in self._parked if request.repeat_at <= now]
        return due, [request for request in self._parked if request.repeat_at > now]

    def expired(self, now: float) -> list[Send | Reject]:
        """Give up what is over its time-out, repeat what is due."""
        if self._look_at is None or now < self._look_at:
            return []
        self._look_at = None
        late = [request for request in self._everything() if request.deadline <= now]
        for request in late:
            self._remove(request)
        effects: list[Send | Reject] = [Reject(request.ticket, _timed_out(request)) for request in late]
        effects += [*self._repeat(now), *self._refill(now)]
        for request in self._everything():
            self._look_by(request.deadline)
        for request in self._parked:
            self._look_by(max(request.repeat_at, now) if self.conn is not None else request.deadline)
        return effects

    def withdraw(self, ticket: Ticket) -> None:
        """The caller no longer wants it: what was not sent yet never is, what was sent keeps its id until answered."""
        self._held = deque(request for request in self._held if request.ticket is not ticket)
        self._parked = [request for request in self._parked if request.ticket is not ticket]

    def forget(self, number: Any, now: float) -> tuple[Request | None, list[Send]]:
        """It never went out: its id is free again, for what waits for one."""
        request = self._awaiting.get(number)
        if request is not None:
            self._remove(request)
        return request, self._refill(now)

    def fail(self, error: HubError) -> list[Reject]:
        """End everything with this error."""
        rejects = [Reject(request.ticket, error) for request in self._everything()]
        self._awaiting.clear()
        self._counts.clear()
        self._held.clear()
        self._parked.clear()
        self._look_at = None
        self.conn = None
        return rejects

    def deadline(self) -> float | None:
        """When to look again; never late, sometimes early."""
        return self._look_at

    def _look_by(self, when: float) -> None:
        self._look_at = when if self._look_at is None else min(self._look_at, when)

    def _everything(self) -> Iterator[Request]:
        yield from self._awaiting.values()
        yield from self._held
        yield from self._parked

    def _remove(self, request: Request) -> None:
        if self._awaiting.get(request.id) is request:
            del self._awaiting[request.id]
            self._counts[request.conn or 0] -= 1
        elif request in self._held:
            self._held.remove(request)
        else:
            self._parked.remove(request)


def _timed_out(request: Request) -> RequestTimeout:
    return RequestTimeout(f"no answer to {request.name} in time", error="timeout", temporary=True)
