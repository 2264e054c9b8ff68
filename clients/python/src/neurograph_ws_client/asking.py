"""Asking the hub for channels, and acting on its answers: between `Follows` (what is wanted) and `Requests`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from .effects import Effect, Reject, Resolve, Send, Ticket
from .errors import Disconnected, HubError, error_from
from .events import Gap
from .follows import Follow, Follows
from .line import Line
from .policy import Backoff
from .recovery import Recovery
from .requests import Request, Requests


class Asked:
    """The ticket of one subscribe on one connection, and the options it carries: equal to itself alone."""

    __slots__ = ("follows", "line", "options")

    def __init__(self, follows: Sequence[Follow], line: Line) -> None:
        self.follows, self.line = follows, line
        self.options = follows[0].options if follows else {}


class Renewed(Asked):
    """The ticket of a subscribe that tells the hub options of channels it delivers already."""


# The hub goes away, and the next connection is to be asked.
DRAINING = "draining"

# The largest number of channels in one subscribe (M22).
MAX_CHANNELS = 64

_ASK_AGAIN = Backoff()


class Own:
    """The ticket of a question of the client itself whose answer changes nothing by itself."""

    __slots__ = ("is_told",)

    def __init__(self, *, is_told: bool) -> None:
        self.is_told = is_told


OWN = Own(is_told=False)
# That the hub did not take a name is no secret.
NAMING = Own(is_told=True)


class Updated:
    """The ticket of a subscribe that replaces the options of one channel; `ticket` is the caller's."""

    __slots__ = ("follow", "line", "options", "ticket")

    def __init__(self, follow: Follow, line: Line, options: Mapping[str, Any], ticket: Ticket) -> None:
        self.follow, self.line, self.options, self.ticket = follow, line, options, ticket


class Stopped(Own):
    """The ticket of an unsubscribe on one connection; `ticket` is the caller's, None where nobody waits."""

    __slots__ = ("channels", "line", "ticket")

    def __init__(self, channels: Sequence[str], line: Line, ticket: Ticket | None) -> None:
        super().__init__(is_told=False)
        self.channels, self.line, self.ticket = channels, line, ticket


class Asking:
    """Subscribes that await their answer."""

    def __init__(
        self, follows: Follows, requests: Requests, recovery: Recovery, draw: Callable[[], float], timeout: float
    ) -> None:
        self._follows = follows
        self._requests = requests
        self._recovery = recovery
        self._draw = draw
        self._timeout = timeout
        self._open: set[Asked] = set()
        # Stretches that no hub accounted for and that were told as missing here.
        self.gaps = 0

    def is_settled(self, line: Line) -> bool:
        """Whether every channel asked for on a connection has its answer."""
        return all(asked.line is not line for asked in self._open)

    def forget(self, line: Line) -> None:
        """The connection is gone, and the questions with it."""
        self._open = {asked for asked in self._open if asked.line is not line}

    def ask(self, line: Line, now: float) -> list[Effect]:
        """Subscribe to what is wanted and due, equal options in one message."""
        effects: list[Effect] = []
        for message, group in subscribes(self._follows.due(line, now)):
            asked = Asked(group, line)
            self._open.add(asked)
            line.asked.update(group)
            effects += self._submit(message, asked, now)
        return effects

    def renew(self, line: Line, now: float) -> list[Effect]:
        """Tell the hub of options that were changed or taken up while it could not be told, and that are due (M26)."""
        effects: list[Effect] = []
        for message, group in subscribes(self._follows.stale(line, now), keeps_cursor=True):
            line.renewing.update(group)
            effects += self._submit(message, Renewed(group, line), now)
        return effects

    def _submit(self, message: Mapping[str, Any], asked: Asked, now: float) -> list[Send | Reject]:
        for follow in asked.follows:
            follow.retry_at = None
        return self._requests.submit(Request(message, asked, now + self._timeout, conn=asked.line.number), now)

    def update(
        self, follow: Follow, options: Mapping[str, Any], ticket: Ticket, line: Line, now: float
    ) -> list[Send | Reject]:
        """Replace the options of a channel that is followed (M26)."""
        message = {"type": "subscribe", "channel": follow.channel, **options}
        updated = Updated(follow, line, options, ticket)
        return self._requests.submit(Request(message, updated, now + self._timeout, conn=line.number), now)

    def settle(self, asked: Asked, effect: Resolve | Reject, now: float) -> list[Effect]:
        """Act on the answer to a subscribe; a hub that takes no positions is asked again at once without them."""
        self._open.discard(asked)
        if isinstance(effect, Reject):
            effects = self.refused(asked, {one.channel: _error_of(one, effect) for one in asked.follows}, now)
        else:
            effects = self._answered(asked, effect, now)
        is_downgraded = any(not follow.knows_positions and follow not in asked.line.asked for follow in asked.follows)
        effects += self.ask(asked.line, now) if is_downgraded else []
        # What was changed while the answer was on its way.
        return effects + self.renew(asked.line, now)

    def _answered(self, asked: Asked, effect: Resolve, now: float) -> list[Effect]:
        told = effect.answer.get("channels") or {}
        effects = self._unwanted([channel for channel in told if channel not in self._follows], asked.line, now)
        for follow in asked.follows:
            if follow.channel in told and self._follows.is_wanted(follow):
                follow.is_stale &= follow.options != asked.options
                effects += self.started(follow, told[follow.channel], asked.line, now)
        left = {follow.channel: _error_of(follow, effect) for follow in asked.follows if follow.channel not in told}
        return effects + self.refused(asked, left, now)

    def started(self, follow: Follow, told: Mapping[str, Any], line: Line, now: float) -> list[Effect]:
        """The hub delivers a channel on a connection; what goes on from a cursor is watched until it is whole."""
        goes_on = follow.place is not None and not line.is_second
        effects = self._follows.subscribed(follow, told, line)
        is_whole = not any(isinstance(effect, Gap) for effect in effects)
        self.gaps += not is_whole
        return effects + self._recovery.started(follow, now, is_whole=is_whole) if goes_on else effects

    def settle_update(self, updated: Updated, effect: Resolve | Reject, now: float) -> list[Effect]:
        """The options are replaced, or are to be replaced once there is a connection again."""
        follow, ticket = updated.follow, updated.ticket
        if isinstance(effect, Resolve):
            follow.options, follow.is_stale = updated.options, False
            told = effect.answer["channels"].get(follow.channel)
            return [*self._replaced(follow, told, updated.line, now), Resolve(ticket, effect.answer, effect.took)]
        is_draining = effect.error.error == DRAINING
        updated.line.is_draining |= is_draining
        if is_draining or isinstance(effect.error, Disconnected):
            follow.options, follow.is_stale = updated.options, True
            return [Resolve(ticket, {}, 0.0)]
        return [Reject(ticket, effect.error)]

    def settle_renewed(self, renewed: Renewed, effect: Resolve | Reject, now: float) -> list[Effect]:
        """The hub knows the options, or is told again when it may take them.

        Those it never takes end the subscription as they would end a subscribe: nobody awaits this answer, and what the
        hub goes on to deliver by the former ones is not what the application wants.
        """
        line, effects = renewed.line, list[Effect]()
        told = effect.answer.get("channels") or {} if isinstance(effect, Resolve) else {}
        for follow in renewed.follows:
            line.renewing.discard(follow)
            if follow.channel in told:
                follow.is_stale &= follow.options != renewed.options
                effects += self._replaced(follow, told[follow.channel], line, now)
            # One that the hub has ended meanwhile is asked for again with what it is to have.
            elif self._follows.is_wanted(follow) and line.reads(follow):
                effects += self._not_renewed(follow, renewed, _error_of(follow, effect), now)
        return effects + self.renew(line, now)

    def _not_renewed(self, follow: Follow, renewed: Renewed, error: HubError, now: float) -> list[Effect]:
        line, follow.is_stale = renewed.line, True
        line.is_draining |= error.error == DRAINING
        if error.temporary:
            self._follows.put_off(follow, error, now, self._draw())
        elif follow.options == renewed.options:
            refused = self.refused(Asked([follow], line), {follow.channel: error}, now)
            return [*refused, *self.stop([follow.channel], line, now)]
        return []

    def _replaced(self, follow: Follow, told: Mapping[str, Any] | None, line: Line, now: float) -> list[Effect]:
        """The hub has switched; what was unsubscribed meanwhile is read no more, though its events may still come."""
        if told is None or not self._follows.is_wanted(follow):
            return []
        if line.reads(follow):
            return self._follows.updated(follow, told, line)
        # The hub had ended it before it read the update, and began another at its head.
        return [*self._follows.begin_again(follow, line), *self.ask(line, now)]

    def refused(self, asked: Asked, errors: Mapping[str, Any], now: float) -> list[Effect]:
        """The hub does not deliver these."""
        effects: list[Effect] = []
        for follow in asked.follows:
            if follow.channel in errors and self._follows.is_wanted(follow):
                effects += self._follows.failed(follow, errors[follow.channel], asked.line, now, self._draw())
                effects += self._recovery.left(follow)
        return effects

    def _unwanted(self, channels: Sequence[str], line: Line, now: float) -> list[Effect]:
        """It was unsubscribed here before the hub had answered."""
        return list(self.stop(channels, line, now)) if channels else []

    def stop(
        self, channels: Sequence[str], line: Line, now: float, ticket: Ticket | None = None
    ) -> list[Send | Reject]:
        """Tell the hub that channels are wanted no more."""
        message = {"type": "unsubscribe", "channels": list(channels)}
        stopped = Stopped(channels, line, ticket)
        return self._requests.submit(Request(message, stopped, now + self._timeout, conn=line.number), now)

    def settle_stopped(self, stopped: Stopped, effect: Resolve | Reject, now: float) -> list[Effect]:
        """The hub has stopped, or is asked again as long as it may: what it goes on to send, nobody wants."""
        line = stopped.line
        if isinstance(effect, Resolve):
            line.stops = 0
            return [] if stopped.ticket is None else [effect._replace(ticket=stopped.ticket)]
        if effect.error.temporary:
            line.unwanted.update(dict.fromkeys(stopped.channels))
            line.stop_at = now + _ASK_AGAIN.delay(line.stops, self._draw(), effect.error.retry_after or 0.0)
            line.stops += 1
        return [] if stopped.ticket is None else [effect._replace(ticket=stopped.ticket)]

    def stop_again(self, line: Line, now: float) -> list[Effect]:
        """Ask once more for what the hub has not stopped, unless it is wanted again."""
        if line.stop_at is None or now < line.stop_at:
            return []
        wanted = {follow.channel for follow in line.asked}
        channels = [channel for channel in line.unwanted if channel not in wanted]
        line.stop_at = None
        line.unwanted.clear()
        return list(self.stop(channels, line, now)) if channels else []


def _error_of(follow: Follow, effect: Resolve | Reject) -> HubError:
    """What the answer to a subscribe says of a channel that it does not start (M23)."""
    if isinstance(effect, Reject):
        return effect.error.by_channel.get(follow.channel, effect.error)
    told = (effect.answer.get("errors") or {}).get(follow.channel)
    return error_from(told or {"code": 500, "message": f"no answer about {follow.channel}"}, follow.channel)


def subscribes(follows: Iterable[Follow], *, keeps_cursor: bool = False) -> list[tuple[dict[str, Any], list[Follow]]]:
    """The subscribe messages for these channels: one for all with equal options, at most 64 channels each.

    With `keeps_cursor` they say no start, and the hub goes on where it is (M26).
    """
    groups: list[tuple[Any, list[Follow]]] = []
    for follow in follows:
        start = None if keeps_cursor else follow.wire_start()
        options = (dict(follow.options), "positions" if _has_positions(start) else start)
        group = next((group for known, group in groups if known == options and len(group) < MAX_CHANNELS), None)
        if group is None:
            groups.append((options, [follow]))
        else:
            group.append(follow)
    return [(_subscribe(group, keeps_cursor=keeps_cursor), group) for _, group in groups]


def _has_positions(start: Any) -> bool:
    return isinstance(start, Mapping) and "positions" in start


def _subscribe(group: list[Follow], *, keeps_cursor: bool) -> dict[str, Any]:
    """One subscribe; each channel goes on at its own position (R14)."""
    channels = [follow.channel for follow in group]
    named = {"channel": channels[0]} if len(channels) == 1 else {"channels": channels}
    start = None if keeps_cursor else group[0].wire_start()
    if _has_positions(start):
        start = {"positions": {follow.channel: str(follow.cursor) for follow in group}}
    placed = {} if start is None else {"from": start}
    return {"type": "subscribe", **named, **group[0].options, **placed}
