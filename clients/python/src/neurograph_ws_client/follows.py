"""What the client follows: one record per channel, with the place up to which events were received.

Two places are kept apart. `Follow.place` is what was received, and decides what is a repeat (P6) and what is missing;
the cursor of P5 (what was handled) belongs to the subscription, which sees the same events and gaps in the same order.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .effects import CursorMoved, Effect, SubChanged
from .errors import HubError, PermissionDenied, error_from
from .events import Event, Gap
from .policy import Backoff
from .positions import Position
from .states import SubState

# The largest number of channels in one subscribe (M22).
MAX_CHANNELS = 64

_ASK_AGAIN = Backoff()


class Follow:
    """One channel the application wants to follow."""

    __slots__ = (
        "channel",
        "epoch",
        "error",
        "is_asked",
        "is_latest",
        "offset",
        "options",
        "repeats",
        "retry_at",
        "start",
        "state",
    )

    def __init__(self, channel: str, options: Mapping[str, Any], start: Any = None) -> None:
        self.channel = channel
        self.options = options
        self.start = start
        self.state = SubState.PENDING
        self.epoch: str | None = None
        self.offset = 0
        self.is_latest = options.get("delivery") == "latest"
        self.is_asked = False
        self.retry_at: float | None = None
        self.repeats = 0
        self.error: HubError | None = None

    @property
    def place(self) -> Position | None:
        """Up to where entries were received."""
        return None if self.epoch is None else Position(self.epoch, self.offset)

    def stand_at(self, place: Position) -> None:
        """Everything up to here was received or is known to be missing."""
        self.epoch, self.offset = place

    def wire_options(self) -> dict[str, Any]:
        """The members of a subscribe besides the channel.

        A channel that was followed before starts at the snapshot or at the head: what came in between under `all` is
        told as a gap. Starting from the positions themselves belongs here.
        """
        again = "snapshot" if self.is_latest else "new"
        start = self.start if self.epoch is None else again
        return {**self.options, "from": start} if start is not None else dict(self.options)


class Follows(Mapping[str, Follow]):
    """Every channel the application wants, by name."""

    def __init__(self) -> None:
        self._by_channel: dict[str, Follow] = {}
        self.events = self.duplicates = 0

    def __getitem__(self, channel: str) -> Follow:
        return self._by_channel[channel]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_channel)

    def __len__(self) -> int:
        return len(self._by_channel)

    def add(self, channel: str, options: Mapping[str, Any], start: Any) -> Follow:
        """Want a channel; one whose former subscription ended is replaced."""
        known = self._by_channel.get(channel)
        if known is not None and known.state is not SubState.ENDED:
            raise ValueError(
                f"{channel} is subscribed already; unsubscribe it first, or iterate the subscription you have"
            )
        follow = self._by_channel[channel] = Follow(channel, options, start)
        return follow

    def remove(self, channel: str) -> Follow | None:
        """Want it no more."""
        return self._by_channel.pop(channel, None)

    def is_wanted(self, follow: Follow) -> bool:
        """Whether this very record is still the one for its channel."""
        return self._by_channel.get(follow.channel) is follow

    # -- asking ----------------------------------------------------------------------------------------------------

    def due(self, now: float) -> list[Follow]:
        """The channels to be asked for now."""
        return [
            follow
            for follow in self._by_channel.values()
            if follow.state in {SubState.PENDING, SubState.SUSPENDED}
            and not follow.is_asked
            and (follow.retry_at is None or follow.retry_at <= now)
        ]

    def lost(self) -> list[Effect]:
        """The connection is away: subscriptions are suspended, their places safe."""
        effects: list[Effect] = []
        for follow in self._by_channel.values():
            follow.is_asked = False
            follow.retry_at = None
            if follow.state is SubState.ACTIVE:
                follow.state = SubState.SUSPENDED
                effects.append(SubChanged(follow.channel, SubState.SUSPENDED))
        return effects

    def end(self, error: HubError | None) -> list[Effect]:
        """The client is closed: every subscription ends with it."""
        effects = [
            self._ended(follow, error) for follow in self._by_channel.values() if follow.state is not SubState.ENDED
        ]
        self._by_channel.clear()
        return list(effects)

    def revive(self, allowed: Collection[str]) -> list[Effect]:
        """Ask again for what ended for want of a right that is granted now."""
        effects: list[Effect] = []
        for follow in self._by_channel.values():
            if (
                follow.state is SubState.ENDED
                and isinstance(follow.error, PermissionDenied)
                and follow.channel in allowed
            ):
                follow.state, follow.error, follow.is_asked = SubState.PENDING, None, False
                effects.append(SubChanged(follow.channel, SubState.PENDING))
        return effects

    def deadline(self) -> float | None:
        """When a refused channel is asked for again."""
        return min(
            (follow.retry_at for follow in self._by_channel.values() if follow.retry_at is not None), default=None
        )

    # -- answers ---------------------------------------------------------------------------------------------------

    def subscribed(self, follow: Follow, told: Mapping[str, Any]) -> list[Effect]:
        """The hub follows the channel for us, from `position` on (P4)."""
        start = Position.parse(told["position"])
        before = follow.place
        follow.is_latest = told.get("delivery") == "latest"
        follow.state, follow.retry_at, follow.repeats = SubState.ACTIVE, None, 0
        effects: list[Effect] = [SubChanged(follow.channel, SubState.ACTIVE)]
        if before is None:
            effects.append(CursorMoved(follow.channel, str(start)))
        elif before.reaches(start):
            return effects
        else:
            effects.append(_between(follow.channel, before, start))
        follow.stand_at(start)
        return effects

    def refused(self, follow: Follow, answer: Mapping[str, Any], now: float, drawn: float) -> list[Effect]:
        """The hub does not; what is temporary is asked for again, the rest ends the subscription."""
        return self.failed(follow, error_from(answer, follow.channel), now, drawn)

    def failed(self, follow: Follow, error: HubError, now: float, drawn: float) -> list[Effect]:
        """Asking did not work."""
        follow.is_asked = False
        if error.temporary:
            follow.retry_at = now + _ASK_AGAIN.delay(follow.repeats, drawn, error.retry_after or 0.0)
            follow.repeats += 1
            return []
        return [self._ended(follow, error)]

    def withdrawn(self, channel: str, code: int, reason: str, now: float, drawn: float) -> list[Effect]:
        """The hub ended the subscription (M43): 503 may be asked for again, 403 waits for the right."""
        follow = self._by_channel.get(channel)
        if follow is None or follow.state is SubState.ENDED:
            return []
        answer = {"code": code, "error": "unsubscribed", "message": f"{channel}: {reason}", "temporary": code >= 500}
        follow.state = SubState.SUSPENDED
        effects: list[Effect] = [SubChanged(channel, SubState.SUSPENDED)] if code >= 500 else []
        return effects + self.refused(follow, answer, now, drawn)

    def _ended(self, follow: Follow, error: HubError | None) -> SubChanged:
        follow.state, follow.error, follow.retry_at = SubState.ENDED, error, None
        return SubChanged(follow.channel, SubState.ENDED, error)

    # -- the stream ------------------------------------------------------------------------------------------------

    def event(self, message: Mapping[str, Any], wire: bytes | None) -> Sequence[Effect]:
        """An entry, unless it is a repeat (P6) or of a channel that is no longer wanted."""
        follow = self._by_channel.get(message["channel"])
        if follow is None or follow.state is not SubState.ACTIVE or follow.epoch is None:
            return ()
        offset = message["offset"]
        if offset <= follow.offset:
            self.duplicates += 1
            return ()
        follow.offset = offset
        self.events += 1
        return (Event(message, follow.epoch, wire),)

    def gap(self, message: Mapping[str, Any]) -> Sequence[Effect]:
        """Entries that will not come (P7)."""
        follow = self._by_channel.get(message["channel"])
        if follow is None or follow.state is not SubState.ACTIVE:
            return ()
        start, end = Position.parse(message["from"]), Position.parse(message["to"])
        if start.epoch != follow.epoch:
            return ()
        if end.epoch == follow.epoch and end.offset <= follow.offset and end.offset >= start.offset:
            self.duplicates += 1
            return ()
        follow.stand_at(end)
        missed = message.get("missed")
        return (Gap(follow.channel, str(start), str(end), missed, str(message.get("reason", ""))),)

    def watermark(self, positions: Mapping[str, Any]) -> Sequence[Effect]:
        """The hub has settled everything up to here (P9)."""
        effects: list[Effect] = []
        for channel, text in positions.items():
            follow, place = self._by_channel.get(channel), Position.parse(text)
            if follow is not None and place.epoch == follow.epoch and place.offset > follow.offset:
                follow.stand_at(place)
                effects.append(CursorMoved(channel, text))
        return effects


def _between(channel: str, before: Position, start: Position) -> Gap:
    """What was stored while the connection was away and will not come."""
    if before.epoch == start.epoch:
        return Gap(channel, str(before), str(start), start.offset - before.offset, "reconnect")
    return Gap(channel, str(before), str(start), None, "epoch")


def subscribes(follows: Iterable[Follow]) -> list[tuple[dict[str, Any], list[Follow]]]:
    """The subscribe messages for these channels: one for all with equal options, at most 64 channels each."""
    groups: list[tuple[dict[str, Any], list[Follow]]] = []
    for follow in follows:
        options = follow.wire_options()
        group = next((group for known, group in groups if known == options and len(group) < MAX_CHANNELS), None)
        if group is None:
            groups.append((options, [follow]))
        else:
            group.append(follow)
    return [(_subscribe([follow.channel for follow in group], options), group) for options, group in groups]


def _subscribe(channels: list[str], options: Mapping[str, Any]) -> dict[str, Any]:
    named = {"channel": channels[0]} if len(channels) == 1 else {"channels": channels}
    return {"type": "subscribe", **named, **options}
