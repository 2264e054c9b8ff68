"""What each message of the hub does, on whichever connection it came."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .asking import Asked, Own, Renewed, Stopped, Updated
from .closing import Remedy
from .effects import AskToken, Drop, Effect, Reject, Resolve, SetLimit, Tell
from .errors import AuthError, HubError, ProtocolViolation, error_from
from .events import Gap
from .glimpse import Unread
from .line import Line
from .restoring import Resuming
from .standing import OURS, Renewal, Standing
from .switch import GoAway

# L11: no message of the hub is larger than `limits.decoded` and this.
MESSAGE_MARGIN = 65_536

# P1, M13: no entry stands further on.
MAX_OFFSET = 2**53 - 1

# What comes of a message with other members, or members of another form, than the protocol says.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


def _violation(what: object) -> ProtocolViolation:
    return ProtocolViolation(f"the hub sent a message that does not read as the protocol says: {what}")


class Inbox(Standing):
    """Takes the messages of the hub and acts on them."""

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
            return _HANDLERS.get(kind, Inbox._on_other)(self, line, message, now)
        except UNREADABLE as fault:
            return self.misread(f"{type(fault).__name__}: {fault}")

    def misread(self, what: str) -> list[Effect]:
        """Something that is no message of the protocol came."""
        self.unreadable += 1
        return [Tell("error", _violation(what))]

    def unread(self, conn: int, what: Unread, now: float) -> list[Effect]:
        """A message came of which nothing but some members can be told.

        Who waits for it is told at once; in the place of an event stands a gap, for it would not be any better the next
        time. Where nothing is known of what came behind it, the connection is given up, and the next one goes on at the
        cursors.
        """
        line = self.lines.get(conn)
        if line is None:
            return []
        self.received += 1
        effects = self._unread(line, what, now)
        if not what.is_endless or conn not in self.lines:
            return effects
        text = f"what came behind a message that cannot be read is not known: {what.why}"
        return [*effects, Drop(conn, 1000), *self._parted(line, Remedy.BACK_OFF, 0, text, now)]

    def _unread(self, line: Line, what: Unread, now: float) -> list[Effect]:
        kind, number = what.members.get("type"), what.members.get("id")
        if kind == "event":
            return self._no_event(line, what, now)
        rejects = self.requests.unreadable(number, _violation(what.why), now, line.number)
        if rejects is None:
            return self.misread(what.why)
        self.unreadable += 1
        return [*self._settle(rejects, now), *self._leave(line)]

    def _no_event(self, line: Line, what: Unread, now: float) -> list[Effect]:
        channel, offset = what.members.get("channel"), what.members.get("offset")
        if not isinstance(channel, str):
            return self.misread(what.why)
        is_told = type(offset) is int and 0 < offset <= MAX_OFFSET
        effects = self.stream.unread(line, channel, offset if is_told else None, now)
        gap = next((effect for effect in effects if isinstance(effect, Gap)), None)
        if gap is None:
            return []
        self.unreadable += 1
        text = f"{channel}: the event at {gap.to} cannot be read: {what.why}"
        return [Tell("error", ProtocolViolation(text, channel=channel)), *effects]

    # -- answers to questions of our own ---------------------------------------------------------------------------

    def _answered(self, line: Line, message: Mapping[str, Any], now: float) -> list[Effect]:
        answers = self.requests.answer(message, now, self._draw(), line.number)
        return [*self._settle(answers or [], now), *self._leave(line)]

    def _settle(self, effects: Sequence[Effect], now: float) -> list[Effect]:
        """Take out the answers to our own questions and act on them."""
        settled: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Resolve | Reject) and isinstance(effect.ticket, OURS):
                settled += self._settle_ours(effect, now)
            else:
                settled.append(effect)
        return settled

    def _settle_ours(self, effect: Resolve | Reject, now: float) -> list[Effect]:
        try:
            return self._settled(effect, now)
        except UNREADABLE as fault:
            if isinstance(effect, Reject):
                raise
            # Who waits for this answer must not wait for another one.
            return [*self._settled(Reject(effect.ticket, _violation(fault)), now)]

    def _settled(self, effect: Resolve | Reject, now: float) -> list[Effect]:
        match effect:
            case Resolve(Renewed() as renewed) | Reject(Renewed() as renewed):
                return self._settle(self.asking.settle_renewed(renewed, effect, now), now)
            case Resolve(Asked() as asked) | Reject(Asked() as asked):
                return self.asking.settle(asked, effect, now) + self._ready_if_done(asked.line, now)
            case Resolve(Stopped() as stopped) | Reject(Stopped() as stopped):
                return self.asking.settle_stopped(stopped, effect, now)
            case Resolve(Updated() as updated) | Reject(Updated() as updated):
                return self._settle(self.asking.settle_update(updated, effect, now), now)
            case Resolve(Resuming() as resuming):
                resumed = self.restoring.resumed(resuming.line, effect.answer, now)
                return resumed + self._ready_if_done(resuming.line, now)
            case Reject(Resuming() as resuming, error):
                return self._not_resumed(resuming.line, error, now)
            case Reject(Renewal(), error):
                return self._not_logged_in(error, now)
            case Reject(Own() as own, error) if own.is_told:
                return [Tell("error", error)]
        return []

    def _not_resumed(self, line: Line, error: HubError, now: float) -> list[Effect]:
        if not error.temporary:
            return self.restoring.refused(line, error, now) + self._ready_if_done(line, now)
        # A node that drains, or a token that cannot be checked now: the session is tried elsewhere.
        parted = self._parted(line, Remedy.BACK_OFF, error.code, error.message, now, error.retry_after or 0.0)
        return [Drop(line.number, 1000), *parted]

    def _not_logged_in(self, error: HubError, now: float) -> list[Effect]:
        told: list[Effect] = [Tell("error", error)]
        if isinstance(error, AuthError) and self.credentials.rejected():
            request = self.credentials.needed(now)
            return [*told, AskToken(request)] if request else told
        return told

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

    def _on_gap(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        return self.stream.gap(line, message)

    def _on_ack(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is not None:
            return self._answered(line, message, now)
        return self.stream.watermark(line, message["positions"])

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

    def _on_goaway(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        line.is_draining = True
        if line is not self._line or self._second is not None:
            return ()
        reason = str(message.get("reason", ""))
        if not self._auto_reconnect:
            return [Tell("goaway", GoAway(reason, None))]
        is_news = self._switch.at is None
        self._switch.plan(message["reconnect_in"], now)
        return [Tell("goaway", GoAway(reason, float(message["reconnect_in"][1])))] if is_news else ()

    def _on_reconnection_token(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        told = self.restoring.token_came(message) if line.leave_by is None else []
        return told + self._answered(line, message, now)

    def _on_pong(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is not None:
            return self._answered(line, message, now)
        if isinstance(sent_at := message.get("t"), int | float):
            line.heartbeat.ponged(sent_at, now)
            self.rtt = line.heartbeat.rtt
        return ()

    def _on_error(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        if message.get("id") is None:
            return [Tell("error", error_from(message))] if line.leave_by is None else []
        return self._answered(line, message, now)

    def _on_other(self, line: Line, message: Mapping[str, Any], now: float) -> Sequence[Effect]:
        """An answer to a raw request, or a type of a later version: that is how the protocol grows (M2)."""
        return self._answered(line, message, now) if message.get("id") is not None else ()


_Handler = Callable[[Inbox, Line, Mapping[str, Any], float], Sequence[Effect]]

_HANDLERS: Mapping[str, _Handler] = {
    "welcome": Inbox._on_welcome,
    "unsubscribed": Inbox._on_unsubscribed,
    "gap": Inbox._on_gap,
    "ack": Inbox._on_ack,
    "pong": Inbox._on_pong,
    "goaway": Inbox._on_goaway,
    "reconnection_token": Inbox._on_reconnection_token,
    "error": Inbox._on_error,
}
