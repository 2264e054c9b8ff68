"""The client's side of the conversation, without sockets, clock or tasks: message + now -> effects.

Whoever drives it (the shell in `link.py`, a test) carries the effects out in order and calls `expired` when
`deadline` has come. Only `_step` changes the state, by the table in `states.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from .answers import Welcome
from .asking import Asked, Asking
from .closing import Remedy, describe, remedy_of_close, remedy_of_refusal
from .credentials import Credentials
from .effects import AskToken, Drop, Effect, Open, Reject, Resolve, Send, SetLimit, Tell, Ticket
from .errors import AuthError, Closed, Disconnected, HubError, ProtocolViolation, RequestTimeout, error_from
from .events import Gap
from .follows import Follow, Follows
from .heartbeat import Heartbeat, Pulse
from .policy import Backoff
from .requests import Request, Requests
from .retries import Retries
from .states import TRANSITIONS, Happening, State, StateChange

# L11: no message of the hub is larger than `limits.decoded` and this.
MESSAGE_MARGIN = 65_536


class _Login(NamedTuple):
    """The ticket of a connect of ours; `is_renewal` with a new credential in it."""

    is_renewal: bool


class Session:
    """State, subscriptions, questions and timers of one client."""

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
    ) -> None:
        self.state = State.IDLE
        self.welcome: Welcome | None = None
        self.cause: HubError | None = None
        self.is_persistent = False
        self.follows = Follows()
        self.requests = Requests()
        self.heartbeat = Heartbeat()
        self.credentials = Credentials(token, is_renewable=is_renewable)
        self.received = self.gaps = self.reconnects = self.unreadable = 0
        self._draw = draw
        self._retries = Retries(backoff or Backoff(), draw)
        self._auto_reconnect = auto_reconnect
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._client = client
        self._asking = Asking(self.follows, self.requests, draw, timeout)
        self._is_token_asked = False
        # Until when the welcome, and then the answers to what is restored, are awaited before `connected` is told.
        self._greet_by: float | None = None
        self._is_restoring = False

    # -- the application -------------------------------------------------------------------------------------------

    def connect(self, now: float, *, retry: bool) -> list[Effect]:
        """Start; without `retry` a first attempt that fails ends in `closed`."""
        if self.state not in {State.IDLE, State.CLOSED}:
            self.is_persistent = self.is_persistent or retry
            return []
        self.is_persistent, self.cause = retry, None
        self.credentials.rejections = 0
        return [*self._step(Happening.CONNECT), *self._start(now)]

    def close(self, code: int = 1000, reason: str = "") -> list[Effect]:
        """End it all; nothing is tried again."""
        if self.state is State.CLOSED:
            return []
        error = Closed("the client was closed", code=code)
        return [*self._end(Happening.CLOSE, None, error, code, reason), Drop(code, reason)]

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
        gone = [follow for channel in channels if (follow := self.follows.remove(channel)) is not None]
        asked = [follow.channel for follow in gone if follow.is_asked]
        if not asked or self.state is not State.CONNECTED:
            return [Resolve(ticket, {}, 0.0)]
        message = {"type": "unsubscribe", "channels": asked}
        return list(self.requests.submit(Request(message, ticket, now + self._timeout), now))

    def flush(self, now: float) -> list[Effect]:
        """Ask for the channels that are wanted and not asked for yet."""
        return self._asking.ask(now) if self.state is State.CONNECTED or self._is_restoring else []

    # -- the connection --------------------------------------------------------------------------------------------

    def token_ready(self, token: str, now: float) -> list[Effect]:
        """The token source gave a credential; empty means that it has none."""
        is_asked, self._is_token_asked = self._is_token_asked, False
        if not token:
            error = AuthError("the token source gave no credential")
            return self._stop(error, None, error.message) if is_asked else [Tell("error", error)]
        self.credentials.renewed(token)
        if self.state is State.CONNECTED:
            return self._log_in({"type": "connect", "token": token}, now, is_renewal=True)
        return [Open()] if is_asked else []

    def token_failed(self, error: HubError, now: float) -> list[Effect]:
        """The token source raised: as if the attempt had failed; within a connection it is asked again later."""
        told = [Tell("error", error)]
        if not self._is_token_asked:
            return list(told)
        self._is_token_asked = False
        return [*told, *self._retry(error, Remedy.BACK_OFF, now)]

    def opened(self, now: float) -> list[Effect]:
        """The upgrade is done; the hub speaks first (C13)."""
        self._greet_by = now + self._connect_timeout
        self.heartbeat.start(now)
        return []

    def closed(self, code: int, reason: str, now: float) -> list[Effect]:
        """The connection ended with a close code; 1006 where there was none."""
        return self._parted(remedy_of_close(code), code, describe(code, reason), now)

    def refused(self, status: int, detail: str, now: float, retry_after: float = 0.0) -> list[Effect]:
        """An HTTP answer came in place of the upgrade."""
        text = f"HTTP {status} in place of the upgrade{': ' * bool(detail)}{detail}"
        return self._parted(remedy_of_refusal(status), status, text, now, retry_after)

    def failed(self, text: str, now: float) -> list[Effect]:
        """There was no connection at all."""
        return self._parted(Remedy.BACK_OFF, 0, text, now)

    def receive(self, message: Any, now: float, wire: bytes | None = None) -> Sequence[Effect]:
        """Take one message of the hub; what cannot be understood is told and otherwise ignored."""
        self.received += 1
        try:
            kind = message["type"]
            if kind == "event":
                return self.follows.event(message, wire)
            return _HANDLERS.get(kind, Session._on_other)(self, message, now)
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
        times = [self._retries.reopen_at, self._greet_by, self.heartbeat.deadline(), self.requests.deadline()]
        if self.state is State.CONNECTED:
            times += [self.credentials.deadline(), self.follows.deadline()]
        return min((when for when in times if when is not None), default=None)

    def expired(self, now: float) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = []
        if self._retries.is_due(now):
            effects += self._start(now)
        if self._greet_by is not None and now >= self._greet_by:
            effects += self._overdue(now)
        effects += self._settle(self.requests.expired(now), now)
        effects += self._beat(now)
        if self.state is State.CONNECTED:
            effects += [AskToken(asked)] if (asked := self.credentials.expiring(now)) else []
            effects += self.flush(now)
        return effects

    def _overdue(self, now: float) -> list[Effect]:
        if self._is_restoring:
            return self._ready(now)
        self._greet_by = None
        text = f"no welcome within {self._connect_timeout:g} s; a hub that takes no anonymous clients waits for a token"
        return [Drop(1000), *self._parted(Remedy.BACK_OFF, 0, text, now, error=RequestTimeout(text, temporary=True))]

    def _beat(self, now: float) -> list[Effect]:
        match self.heartbeat.expired(now):
            case Pulse.PING:
                return [Send(({"type": "ping", "t": now},))]
            case Pulse.DEAD:
                text = f"no sign of life for {self.heartbeat.interval + self.heartbeat.timeout:g} s"
                return [Drop(4208, "timeout", is_abrupt=True), *self._parted(Remedy.BACK_OFF, 4208, text, now)]
        return []

    # -- states ----------------------------------------------------------------------------------------------------

    def _step(
        self, happening: Happening, code: int | None = None, reason: str = "", retry_in: float | None = None
    ) -> list[Effect]:
        old, self.state = self.state, TRANSITIONS[self.state][happening]
        if old is self.state and retry_in is None:
            return []
        return [Tell("state", StateChange(old, self.state, code, reason, retry_in))]

    def _start(self, now: float) -> list[Effect]:
        asked = self.credentials.needed(now)
        self._is_token_asked = asked is not None
        return [AskToken(asked)] if asked else [Open()]

    def _parted(
        self, remedy: Remedy, code: int, text: str, now: float, at_least: float = 0.0, error: HubError | None = None
    ) -> list[Effect]:
        """The connection is gone, or never came."""
        if self.state in {State.CLOSED, State.IDLE}:
            return []
        error = error or _error_of(remedy, code, text)
        told = [Tell("disconnected", error)] if self.state is State.CONNECTED else []
        self._settle_down()
        self._retries.parted(now)
        effects = [*self.follows.lost(), *_not_ours(self.requests.lost()), *told]
        match remedy:
            case Remedy.NEW_CREDENTIAL if self.credentials.rejected():
                return effects + self._retry(error, remedy, now)
            case Remedy.NEW_CREDENTIAL | Remedy.STOP | Remedy.FINISHED:
                return effects + self._stop(error, code, text)
        return effects + self._retry(error, remedy, now, at_least)

    def _retry(self, error: HubError, remedy: Remedy, now: float, at_least: float = 0.0) -> list[Effect]:
        is_login = remedy is Remedy.NEW_CREDENTIAL
        is_first = self.state is State.CONNECTING and not self.is_persistent and not is_login
        wait = None if is_first or not self._auto_reconnect else self._retries.plan(now, remedy, at_least)
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
        return [*self._step(happening, code, reason), *_not_ours(self.requests.fail(error)), *self.follows.end(cause)]

    def _settle_down(self) -> None:
        """No connection: nothing is awaited from one."""
        self._greet_by, self._is_restoring, self._is_token_asked = None, False, False
        self._asking.forget()
        self.heartbeat.stop()

    # -- messages --------------------------------------------------------------------------------------------------

    def _on_welcome(self, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if self.state in {State.CLOSED, State.IDLE}:
            return ()
        welcome = self.welcome = Welcome.from_wire(message)
        self.credentials.accepted(welcome.expires_in, now)
        self.heartbeat.pace(welcome.interval, welcome.timeout)
        self.requests.in_flight = welcome.limits.in_flight
        effects: list[Effect] = [SetLimit(welcome.limits.decoded + MESSAGE_MARGIN)]
        effects += self.follows.revive({channel for channel in self.follows if welcome.may("subscribe", channel)})
        if self.state is State.CONNECTED or self._is_restoring:
            return effects + self._answered(message, now) + self.flush(now)
        return effects + self._restore(now)

    def _restore(self, now: float) -> list[Effect]:
        """The first welcome of a connection: name the client, ask for what is followed, then tell `connected`."""
        self._is_restoring = True
        self._greet_by = now + self._timeout
        effects = self._log_in({"type": "connect", "client": dict(self._client)}, now) if self._client else []
        return _joined(effects + self._asking.ask(now)) + self._ready_if_restored(now)

    def _ready_if_restored(self, now: float) -> list[Effect]:
        return self._ready(now) if self._is_restoring and self._asking.is_settled else []

    def _ready(self, now: float) -> list[Effect]:
        self._greet_by, self._is_restoring = None, False
        self._retries.connected(now)
        self.reconnects += self.state is State.RECONNECTING
        effects = [*self._step(Happening.WELCOME), Tell("connected", self.welcome)]
        return effects + list(self.requests.restored(now)) + self.flush(now)

    def _log_in(self, message: Mapping[str, Any], now: float, *, is_renewal: bool = False) -> list[Effect]:
        return list(self.requests.submit(Request(message, _Login(is_renewal), now + self._timeout), now))

    def _on_error(self, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is None:
            return [Tell("error", error_from(message))]
        return self._answered(message, now)

    def _answered(self, message: Mapping[str, Any], now: float) -> list[Effect]:
        return self._settle(self.requests.answer(message, now, self._draw()) or [], now)

    def _settle(self, effects: Sequence[Effect], now: float) -> list[Effect]:
        """Take out the answers to our own questions and act on them."""
        settled: list[Effect] = []
        for effect in effects:
            match effect:
                case Resolve(Asked()) | Reject(Asked()):
                    settled += self._counted(self._asking.settle(effect, now)) + self._ready_if_restored(now)
                case Resolve(_Login()):
                    pass
                case Reject(_Login(is_renewal), error):
                    settled += self._not_logged_in(error, is_renewal=is_renewal)
                case _:
                    settled.append(effect)
        return settled

    def _not_logged_in(self, error: HubError, *, is_renewal: bool) -> list[Effect]:
        told: list[Effect] = [Tell("error", error)]
        if is_renewal and isinstance(error, AuthError) and self.credentials.rejected():
            request = self.credentials.needed(0.0)
            return [*told, AskToken(request)] if request else told
        return told

    def _on_other(self, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        """An answer to a raw request, or a type of a later version: that is how the protocol grows (M2)."""
        return self._answered(message, now) if message.get("id") is not None else ()

    def _on_gap(self, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        return self._counted(self.follows.gap(message))

    def _counted(self, effects: Sequence[Effect]) -> list[Effect]:
        self.gaps += sum(isinstance(effect, Gap) for effect in effects)
        return list(effects)

    def _on_unsubscribed(self, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is not None:
            return self._answered(message, now)
        code, reason = int(message.get("code", 0)), str(message.get("reason", ""))
        if code == 0:
            return []
        effects: list[Effect] = []
        for channel in message["channels"]:
            effects += self.follows.withdrawn(channel, code, reason, now, self._draw())
        return effects

    def _on_ack(self, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is not None:
            return self._answered(message, now)
        return self.follows.watermark(message["positions"])

    def _on_pong(self, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is not None:
            return self._answered(message, now)
        if isinstance(sent_at := message.get("t"), int | float):
            self.heartbeat.ponged(sent_at, now)
        return ()


_Handler = Callable[[Session, Mapping[str, Any], float], Sequence[Effect]]

_HANDLERS: Mapping[str, _Handler] = {
    "welcome": Session._on_welcome,
    "unsubscribed": Session._on_unsubscribed,
    "gap": Session._on_gap,
    "ack": Session._on_ack,
    "pong": Session._on_pong,
    "error": Session._on_error,
}


def _error_of(remedy: Remedy, code: int, text: str) -> HubError:
    match remedy:
        case Remedy.NEW_CREDENTIAL:
            return AuthError(f"login refused: {text}", code=code)
        case Remedy.STOP | Remedy.FINISHED:
            return Closed(f"the hub ended it: {text}", code=code)
    return Disconnected(text, code=code, temporary=True)


def _not_ours(rejects: list[Reject]) -> list[Reject]:
    """Questions of our own that died with a connection are simply asked anew on the next one."""
    return [reject for reject in rejects if not isinstance(reject.ticket, Asked | _Login)]


def _joined(effects: list[Effect]) -> list[Effect]:
    """Messages of one moment in one frame."""
    sends = [message for effect in effects if isinstance(effect, Send) for message in effect.messages]
    others = [effect for effect in effects if not isinstance(effect, Send)]
    return ([Send(tuple(sends))] if sends else []) + others
