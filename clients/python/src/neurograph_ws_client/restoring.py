"""How a connection comes in order: resumed by its reconnection token, else asked for channel by channel (R3, R14)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from .asking import NAMING, OWN, Asked, Asking
from .compression import ENCODINGS
from .effects import Effect, Send, Tell
from .errors import HubError, error_from
from .follows import Follow, Follows
from .line import Line
from .requests import Request, Requests
from .states import SubState


@dataclass(frozen=True, slots=True)
class ReconnectionToken:
    """What restores a session on any node, for `expires_in` seconds (R1, R2). Never shown by `repr`."""

    token: str = field(repr=False)
    expires_in: float

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> Self:
        """Read a `reconnection_token`."""
        return cls(str(message["token"]), float(message.get("expires_in", 0.0)))


class Resuming:
    """The ticket of a `connect{resume}` on one connection."""

    __slots__ = ("line",)

    def __init__(self, line: Line) -> None:
        self.line = line


class Restoring:
    """The newest token of the session, and the way from an upgrade to everything being followed again."""

    def __init__(
        self,
        follows: Follows,
        requests: Requests,
        asking: Asking,
        *,
        timeout: float,
        client: Mapping[str, str] | None,
        token: str | None,
        is_resumable: bool,
    ) -> None:
        self.token = token
        # A token of a former process: what it restores is kept for who takes it up here.
        self._adopts = token is not None
        self._follows = follows
        self._requests = requests
        self._asking = asking
        self._timeout = timeout
        self._client = client
        # What the last hub decodes as we do: the next one is told at once (M21).
        self._accepts: list[str] = []
        self._is_resumable = is_resumable

    def forget(self) -> None:
        """The session is over: the next connection starts one of its own."""
        self.token, self._adopts = None, False

    def begin(self, line: Line, now: float) -> list[Effect]:
        """The upgrade is done: present the token with the cursors of what was handled (R8)."""
        if self.token is None:
            return []
        line.is_resuming = True
        positions = self._follows.positions(is_adopting=self._adopts)
        message = {"type": "connect", "resume": self.token, **({"positions": positions} if positions else {})}
        line.accepts = self._accepts
        return self._ask(line, message | self._named() | _accepting(line.accepts), Resuming(line), now)

    def greeted(self, line: Line, now: float) -> list[Effect]:
        """The first welcome: ask for everything, unless the answer to a resume says more."""
        if line.is_resuming:
            return []
        named = self._named() | self._news(line)
        effects = self._ask(line, {"type": "connect", **named}, NAMING, now) if named else []
        return _joined([*effects, *self._rest(line, now), *self._ask_token(line, now)])

    def token_came(self, message: Mapping[str, Any]) -> list[Effect]:
        """A token was given or pushed; the newest counts."""
        told = ReconnectionToken.from_wire(message)
        self.token = told.token
        return [Tell("reconnection_token", told)]

    def resumed(self, line: Line, message: Mapping[str, Any], now: float) -> list[Effect]:
        """The session goes on here: its channels start at their cursors (P4), what was changed meanwhile follows."""
        line.is_resuming, line.is_resumed = False, True
        effects: list[Effect] = []
        unwanted: list[str] = []
        for channel, told in (message.get("subscriptions") or {}).items():
            follow = self._restored(channel, told)
            if follow is None:
                unwanted.append(channel)
            else:
                effects += self._asking.started(follow, told, line, now)
        self._adopts = False
        effects += self._refused(line, message.get("errors") or {}, now)
        sends = self._asking.stop(unwanted, line, now) if unwanted else []
        if news := self._news(line):
            effects += self._ask(line, {"type": "connect", **news}, OWN, now)
        return effects + _joined([*sends, *self._asking.renew(line, now), *self._rest(line, now)])

    def _restored(self, channel: str, told: Mapping[str, Any]) -> Follow | None:
        """The record a restored channel belongs to; None where it was unsubscribed, or subscribed anew, meanwhile."""
        follow = self._follows.get(channel)
        if self._adopts and (follow is None or follow.state is SubState.ENDED):
            return self._follows.adopt(channel, told)
        if follow is None or follow.state is SubState.ENDED:
            return None
        if not (follow.is_known or (self._adopts and not follow.begins_before(told))):
            # The hub goes on where the former one stood, and by its options.
            return None
        is_taken_up = self._adopts and bool(follow.options)
        follow.is_stale = follow.is_stale or is_taken_up or _differs(follow.options, told)
        return follow

    def _refused(self, line: Line, errors: Mapping[str, Any], now: float) -> list[Effect]:
        """Channels that today's rights no longer allow end like a refused subscribe (R7)."""
        gone = [follow for channel in errors if (follow := self._follows.get(channel)) is not None]
        told = {follow.channel: error_from(errors[follow.channel], follow.channel) for follow in gone}
        return self._asking.refused(Asked(gone, line), told, now)

    def refused(self, line: Line, error: HubError, now: float) -> list[Effect]:
        """The token is no longer good: go on by the positions, which recover just as much (R14)."""
        line.is_resuming = False
        # The subscriptions of a former process are lost with it, and not the places that are kept.
        told: list[Effect] = [Tell("error", self._not_resumed(error))] if self._adopts else []
        self.forget()
        return told + (self.greeted(line, now) if line.welcome is not None else [])

    def _not_resumed(self, error: HubError) -> HubError:
        """The refusal in a sentence that says what it means for the application."""
        has_cursors = any(follow.cursor is not None for follow in self._follows.values())
        has_positions = has_cursors or bool(self._follows.places.as_text())
        way = "by its positions" if has_positions else "as a new session"
        text = f"{error.message}: the session of reconnection_token was not resumed, the client goes on {way}"
        return type(error)(text, code=error.code, error=error.error, path=error.path)

    def _rest(self, line: Line, now: float) -> list[Effect]:
        line.is_restoring = True
        line.greet_by = now + self._timeout
        return self._asking.ask(line, now)

    def _ask_token(self, line: Line, now: float) -> list[Effect]:
        """A hub without resumption refuses it, which changes nothing: the positions are enough."""
        return self._ask(line, {"type": "get_reconnection_token"}, OWN, now) if self._is_resumable else []

    def _ask(self, line: Line, message: Mapping[str, Any], ticket: object, now: float) -> list[Effect]:
        return list(self._requests.submit(Request(message, ticket, now + self._timeout, conn=line.number), now))

    def _named(self) -> dict[str, Any]:
        return {"client": dict(self._client)} if self._client else {}

    def _news(self, line: Line) -> dict[str, Any]:
        """The content encodings that we decode and this hub has, unless it was told (M21)."""
        served = () if line.welcome is None else line.welcome.encodings
        self._accepts = [name for name in ENCODINGS if name in served]
        if line.accepts == self._accepts:
            return {}
        line.accepts = self._accepts
        return _accepting(line.accepts)

    def is_done(self, line: Line) -> bool:
        """Whether everything has its answer."""
        return line.is_restoring and not line.is_restored and self._asking.is_settled(line)


def _accepting(encodings: Sequence[str]) -> dict[str, Any]:
    return {"accept": list(encodings)} if encodings else {}


def _differs(options: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Whether the hub restored other options than were asked for: a token may be older than the last change (R4)."""
    asked = {name: options[name] for name in ("delivery", "on_slow") if name in options}
    # Of a filter that lets everything through, nothing is told.
    asked |= {name: options.get(name) or None for name in ("max_rate", "ack", "filter")}
    return any(told.get(name) != value for name, value in asked.items())


def _joined(effects: list[Effect]) -> list[Effect]:
    """Messages of one moment in one frame."""
    sends = [effect for effect in effects if isinstance(effect, Send)]
    others: list[Effect] = [effect for effect in effects if not isinstance(effect, Send)]
    if not sends:
        return others
    return [Send(tuple(message for send in sends for message in send.messages), sends[0].conn), *others]
