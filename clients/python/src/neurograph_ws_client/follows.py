"""What the client follows: one record per channel, with the place up to which events were received.

Two places are kept apart. `Follow.place` is what was received, from whichever connection, and decides what is a repeat
(P6) and what is missing; `Follow.cursor` is what was handled (P5), and is all that the hub is ever told (R8, S10).
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .effects import CursorMoved, Effect, SubChanged
from .errors import BadRequest, HubError, PermissionDenied, error_from
from .events import Gap
from .line import Line
from .places import Places
from .policy import Backoff
from .positions import Position
from .states import SubState

# Epochs that a channel may have changed since the oldest place that is still handled or read somewhere.
MAX_PASSED = 64

_ASK_AGAIN = Backoff()


class Follow:
    """One channel the application wants to follow."""

    __slots__ = (
        "behind",
        "channel",
        "cursor",
        "epoch",
        "error",
        "head",
        "is_adopted",
        "is_known",
        "is_latest",
        "is_recovering",
        "is_stale",
        "is_whole",
        "knows_positions",
        "offset",
        "options",
        "past",
        "presented",
        "repeats",
        "retry_at",
        "start",
        "state",
        "unacked",
        "window",
    )

    def __init__(self, channel: str, options: Mapping[str, Any], start: Any = None) -> None:
        self.channel = channel
        self.options = options
        self.start = None if isinstance(start, Position) else start
        self.state = SubState.PENDING
        self.epoch: str | None = None
        self.offset = 0
        # Epochs that were left: names are never used again (P1), so that a lagging connection is told from a newer one.
        self.past: deque[str] = deque(maxlen=MAX_PASSED)
        self.cursor: Position | None = None
        # The cursor as the hub was last told it: what was received beyond it waits here and is not asked for by it.
        self.presented: Position | None = None
        # The head when the hub last said where it starts, and how much lay before it.
        self.head: Position | None = None
        self.behind = 0
        self.is_latest = options.get("delivery") == "latest"
        self.is_adopted = False
        # Whether a hub has ever said that it delivers this very subscription.
        self.is_known = False
        self.is_recovering = False
        self.is_whole = True
        # Options that the hub may not have seen yet.
        self.is_stale = False
        # Whether this hub takes positions as a start.
        self.knows_positions = True
        self.retry_at: float | None = None
        self.repeats = 0
        self.window: int | None = None
        self.unacked = 0
        self.error: HubError | None = None
        if isinstance(start, Position):
            self.cursor = start
            self.stand_at(start)

    @property
    def place(self) -> Position | None:
        """Up to where entries were received."""
        return None if self.epoch is None else Position(self.epoch, self.offset)

    def stand_at(self, place: Position) -> None:
        """Everything up to here was received or is known to be missing."""
        if self.epoch is not None and self.epoch != place.epoch:
            self.past.append(self.epoch)
        self.epoch, self.offset = place

    def starts_at(self, told: Mapping[str, Any]) -> Position:
        """Take what the hub says of the subscription (M42); where it starts."""
        start = Position.parse(told["position"])
        self.behind = int(told.get("behind", 0))
        self.head = Position(start.epoch, start.offset + self.behind)
        self.is_latest = told.get("delivery") == "latest"
        self.window = told.get("ack")
        self.state, self.retry_at, self.repeats = SubState.ACTIVE, None, 0
        self.is_known = True
        return start

    def begins_before(self, told: Mapping[str, Any]) -> bool:
        """Whether it begins at a place that no resume has said, before the one where the hub goes on."""
        if self.cursor is None or self.presented is not None:
            return False
        return not self.cursor.reaches(Position.parse(told["position"]))

    def wire_start(self) -> Any:
        """The member `from` of a subscribe: after what was handled, else where the application wants to start.

        At a hub that takes no positions a channel goes on at its snapshot or head, and what lies between is a gap.
        """
        if self.cursor is None:
            return self.start
        if self.knows_positions:
            self.presented = self.cursor
            return {"positions": {self.channel: str(self.cursor)}}
        return "snapshot" if self.is_latest else "new"


class Follows(Mapping[str, Follow]):
    """Every channel the application wants, by name."""

    def __init__(self, places: Places | None = None) -> None:
        self.places = Places() if places is None else places
        self._by_channel: dict[str, Follow] = {}

    def __getitem__(self, channel: str) -> Follow:
        return self._by_channel[channel]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_channel)

    def __len__(self) -> int:
        return len(self._by_channel)

    def add(self, channel: str, options: Mapping[str, Any], start: Any) -> Follow:
        """Want a channel; one whose former subscription ended is replaced, one that was only restored is taken up.

        It goes on at the place that is kept of it, else at `start`; what was restored goes on where it stands.
        """
        known = self._by_channel.get(channel)
        if known is not None and known.is_adopted:
            known.is_adopted, known.is_stale = False, bool(options)
            known.options = options or known.options
            return known
        if known is not None and known.state is not SubState.ENDED:
            raise ValueError(
                f"{channel} is subscribed already; unsubscribe it first, or iterate the subscription you have"
            )
        kept = self.places.take(channel)
        follow = self._by_channel[channel] = Follow(channel, options, start if kept is None else kept)
        return follow

    def adopt(self, channel: str, told: Mapping[str, Any]) -> Follow:
        """A channel that a reconnection token of a former process restored: followed until somebody takes it up."""
        names = ("delivery", "on_slow", "max_rate", "ack", "filter")
        follow = self.add(channel, {name: told[name] for name in names if name in told}, None)
        follow.is_adopted = True
        return follow

    def remove(self, channel: str) -> Follow | None:
        """Want it no more."""
        follow = self._by_channel.pop(channel, None)
        if follow is not None:
            follow.state = SubState.ENDED
        return follow

    def is_wanted(self, follow: Follow) -> bool:
        """Whether this very record is still the one for its channel."""
        return self._by_channel.get(follow.channel) is follow

    # -- asking ----------------------------------------------------------------------------------------------------

    def due(self, line: Line, now: float) -> list[Follow]:
        """The channels to be asked for on a connection now."""
        return [
            follow
            for follow in self._by_channel.values()
            if follow.state is not SubState.ENDED
            and follow not in line.asked
            and (follow.retry_at is None or follow.retry_at <= now)
        ]

    def stale(self, line: Line, now: float) -> list[Follow]:
        """The channels whose options the hub of a connection is to be told now."""
        return [follow for follow in self._unheard(line) if follow.retry_at is None or follow.retry_at <= now]

    def _unheard(self, line: Line) -> list[Follow]:
        """Those it delivers by other options, unless their question is on its way; a draining one takes none."""
        if line.is_draining:
            return []
        follows = (follow for follow in self._by_channel.values() if follow.is_stale and follow not in line.renewing)
        return [follow for follow in follows if line.reads(follow)]

    def positions(self, *, is_adopting: bool = False) -> dict[str, str]:
        """The cursors that a resume presents (R8): what was handled, never what was merely received.

        A token of a former process restores channels that nobody has subscribed to here yet: their places are kept.
        """
        positions = self.places.as_text() if is_adopting else {}
        for channel, follow in self._by_channel.items():
            if follow.cursor is not None and follow.state is not SubState.ENDED:
                follow.presented = follow.cursor
                positions[channel] = str(follow.cursor)
        return positions

    def lost(self) -> list[Effect]:
        """The connection is away: subscriptions are suspended, their places safe."""
        for follow in self._by_channel.values():
            # The next hub may take positions where the last one did not.
            follow.knows_positions = True
        return self._suspended(list(self._by_channel.values()))

    def moved_to(self, line: Line) -> list[Effect]:
        """Another connection takes over: what is not read there is suspended and asked for at once."""
        return self._suspended([follow for follow in self._by_channel.values() if not line.reads(follow)])

    def is_caught_up(self) -> bool:
        """Whether every channel stands where its head was when the hub last told it."""
        follows = (one for one in self._by_channel.values() if one.state is not SubState.ENDED)
        return all(one.place is not None and one.head is not None and one.place.reaches(one.head) for one in follows)

    def _suspended(self, follows: list[Follow]) -> list[Effect]:
        effects: list[Effect] = []
        for follow in follows:
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

    def revive(self, allowed: Collection[str], line: Line) -> list[Effect]:
        """Ask again for what ended for want of a right that is granted now."""
        effects: list[Effect] = []
        for follow in self._by_channel.values():
            if (
                follow.state is SubState.ENDED
                and isinstance(follow.error, PermissionDenied)
                and follow.channel in allowed
            ):
                follow.state, follow.error = SubState.PENDING, None
                line.forget(follow)
                effects.append(SubChanged(follow.channel, SubState.PENDING))
        return effects

    def deadline(self, line: Line) -> float | None:
        """When refused channels or options are asked for again on a connection; another one's refusals do not count."""
        waiting = [follow for follow in self._by_channel.values() if follow not in line.asked]
        times = (follow.retry_at for follow in (*waiting, *self._unheard(line)))
        return min((when for when in times if when is not None), default=None)

    # -- answers ---------------------------------------------------------------------------------------------------

    def subscribed(self, follow: Follow, told: Mapping[str, Any], line: Line) -> list[Effect]:
        """The hub delivers the channel on a connection, from `position` on (P4).

        A larger cursor is kept. A start beyond it that no `gap` of the hub accounts for is told all the same: a hub
        without the past must not make it disappear.
        """
        was_active, before = follow.state is SubState.ACTIVE, follow.place
        start = follow.starts_at(told)
        line.read(follow, start)
        effects: list[Effect] = [] if was_active else [SubChanged(follow.channel, SubState.ACTIVE)]
        if before is None:
            follow.cursor = start
            effects.append(CursorMoved(follow.channel, str(start)))
        elif before.reaches(start) or start == follow.presented or start.epoch in follow.past:
            # Also where what was received beyond the cursor is of a later epoch already.
            return effects
        else:
            effects.append(_between(follow.channel, before, start))
        follow.stand_at(start)
        return effects

    def updated(self, follow: Follow, told: Mapping[str, Any], line: Line) -> list[Effect]:
        """Filter or options were replaced (M26): the place where the hub switched was settled up to."""
        start = follow.starts_at(told)
        line.read(follow, start)
        if start.epoch != follow.epoch or start.offset <= follow.offset:
            return []
        follow.stand_at(start)
        return [CursorMoved(follow.channel, str(start))]

    def begin_again(self, follow: Follow, line: Line) -> list[Effect]:
        """What the hub ended it delivers again, from elsewhere: ask for it from its own place, unless that is done."""
        if follow in line.asked or follow.state is not SubState.ENDED:
            return []
        follow.state, follow.error = SubState.PENDING, None
        return [SubChanged(follow.channel, SubState.PENDING)]

    def failed(self, follow: Follow, error: HubError, line: Line, now: float, drawn: float) -> list[Effect]:
        """Asking did not work: what is temporary is asked for again, the rest ends the subscription."""
        line.forget(follow)
        if follow.state is SubState.ENDED:
            # Refused for good on another connection meanwhile.
            return []
        if isinstance(error, BadRequest) and follow.knows_positions and _is_about_positions(follow, error):
            follow.knows_positions, follow.retry_at = False, now
            return []
        if error.temporary:
            self.put_off(follow, error, now, drawn)
            return []
        return [self._ended(follow, error)]

    def put_off(self, follow: Follow, error: HubError, now: float, drawn: float) -> None:
        """What could not be done now is asked for again, not before the hub says (L23)."""
        follow.retry_at = now + _ASK_AGAIN.delay(follow.repeats, drawn, error.retry_after or 0.0)
        follow.repeats += 1

    def withdrawn(self, channel: str, code: int, reason: str, line: Line, now: float, drawn: float) -> list[Effect]:
        """The hub ended the subscription (M43): 503 may be asked for again, 403 waits for the right."""
        follow = self._by_channel.get(channel)
        # What is not read there yet was asked for later: the hub speaks of a former subscription.
        if follow is None or follow.state is SubState.ENDED or not line.reads(follow):
            return []
        answer = {"code": code, "error": "unsubscribed", "message": f"{channel}: {reason}", "temporary": code >= 500}
        follow.state = SubState.SUSPENDED
        effects: list[Effect] = [SubChanged(channel, SubState.SUSPENDED)] if code >= 500 else []
        return effects + self.failed(follow, error_from(answer, channel), line, now, drawn)

    def _ended(self, follow: Follow, error: HubError | None) -> SubChanged:
        follow.state, follow.error, follow.retry_at = SubState.ENDED, error, None
        return SubChanged(follow.channel, SubState.ENDED, error)


def _is_about_positions(follow: Follow, error: HubError) -> bool:
    """Whether a hub of an earlier version refuses the start rather than the subscription."""
    return follow.cursor is not None and (error.path or "").partition(".")[0] == "from"


def _between(channel: str, before: Position, start: Position) -> Gap:
    """What was stored while the connection was away and will not come."""
    if before.epoch == start.epoch:
        return Gap(channel, str(before), str(start), start.offset - before.offset, "reconnect")
    return Gap(channel, str(before), str(start), None, "epoch")
