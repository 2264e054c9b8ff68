"""One connection of one client: I2, I3, the hub's half of I4, and that every id has one answer (I6)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from neurograph_ws_client.positions import Position

from .rules import Findings
from .sightings import Sightings
from .wire_cursor import WireCursor

Message = Mapping[str, Any]

# A hub that goes on talking answers within so long, in nanoseconds: its store may keep it waiting for 5 s (N11).
ANSWER_WITHIN = 6_000_000_000


@dataclass(slots=True)
class Followed:
    """A channel on this connection: everything up to `place` was delivered or told as missing."""

    place: Position
    line: int
    # Unfiltered and of delivery `all`: then no number may be unaccounted for.
    is_whole: bool
    epochs: set[str] = field(default_factory=set)


class WireConnection:
    """Takes what went out and came in, in order."""

    def __init__(
        self, name: str, findings: Findings, sightings: Sightings, cursors: Callable[[str], WireCursor], began_at: int
    ) -> None:
        # `away`: times that it was told, unasked, that a log cannot be reached (E4).
        self.answers = self.gaps = self.away = 0
        self.began_at = self.heard_at = began_at
        self._name = name
        self._findings = findings
        self._sightings = sightings
        self._cursors = cursors
        self._awaited: dict[object, tuple[Message, int, int]] = {}
        self._answered: dict[object, int] = {}
        self._rights: dict[str, bool] | None = None
        self._welcome_line = 0
        self._followed: dict[str, Followed] = {}
        self._presented: dict[str, tuple[Position, int]] = {}

    @property
    def awaited(self) -> int:
        """Ids without an answer."""
        return len(self._awaited)

    def judge_answers(self) -> int:
        """At the end of a connection that no fault was on: what had no answer while the hub went on talking (I6).

        -> how many ids
        """
        late = [one for one in self._awaited.items() if self.heard_at - one[1][2] > ANSWER_WITHIN]
        for name, (message, number, at) in late:
            waited = (self.heard_at - at) / 1e9
            asked = f"id {name!r} ({message.get('type')})"
            self._break("I6", f"{asked} was never answered, and the hub went on talking for {waited:.0f} s", number)
        return len(late)

    # -- out ---------------------------------------------------------------------------------------------------------

    def out(self, message: Message, number: int, at: int) -> None:
        """The client sent it."""
        if (name := message.get("id")) is not None:
            if name in self._awaited:
                self._break("I6", f"id {name!r} was sent again before its answer", self._awaited[name][1], number)
            self._awaited[name] = message, number, at
            self._answered.pop(name, None)
        match message.get("type"):
            case "connect" if "resume" in message:
                self._present(message.get("positions") or {}, number)
            case "subscribe":
                for channel in _channels(message):
                    self._presented.pop(channel, None)
                start = message.get("from")
                self._present(start.get("positions") or {} if isinstance(start, Mapping) else {}, number)
            case "unsubscribe":
                for channel in _channels(message):
                    self._cursors(channel).left()
            case "publish":
                self._sightings.sent(message, number)

    def _present(self, positions: Mapping[str, Any], number: int) -> None:
        for channel, text in positions.items():
            place = Position.parse(text)
            self._presented[channel] = place, number
            self._cursors(channel).presented(place, number)

    # -- in ----------------------------------------------------------------------------------------------------------

    def received(self, message: Message, number: int, at: int) -> None:
        """The hub sent it."""
        self.heard_at = at
        asked = self._answer(message, number)
        match message.get("type"):
            case "event":
                self._event(message, number)
            case "gap":
                self._gap(message, number)
            case "welcome":
                self._welcome(message, number)
            case "subscribed":
                self._start(message["channels"], number, keeps_larger=False)
            case "unsubscribed":
                for channel in message["channels"]:
                    self._followed.pop(channel, None)
            case "ack" if asked is not None and asked.get("type") == "publish":
                self._sightings.stored(asked, message["positions"][asked["channel"]], number)
            case "ack" if asked is None and message.get("id") is None:
                self._watermark(message["positions"], number)
            case "error" if message.get("id") is None and message.get("error") == "log_unavailable":
                self.away += 1
            case "error" if asked is not None and asked.get("type") == "publish":
                # The one error after which it may be stored all the same (E3).
                if message.get("error") != "outcome_unknown":
                    self._sightings.refused(asked)

    def _answer(self, message: Message, number: int) -> Message | None:
        """What a message answers; each id has one answer (I6)."""
        name = message.get("id")
        if name is None:
            return None
        asked = self._awaited.pop(name, None)
        if asked is not None:
            self.answers += 1
            self._answered[name] = number
            return asked[0]
        before = self._answered.get(name, 0)
        self._break("I6", f"id {name!r} was answered {'twice' if before else 'and never sent'}", before, number)
        return {}

    def _welcome(self, message: Message, number: int) -> None:
        self._rights = {name: "subscribe" in told["rights"] for name, told in message["channels"].items()}
        self._welcome_line = number
        self._start(message.get("subscriptions") or {}, number, keeps_larger=True)

    def _start(self, started: Mapping[str, Any], number: int, *, keeps_larger: bool) -> None:
        for channel, told in started.items():
            place = Position.parse(told["position"])
            is_whole = told.get("delivery") == "all" and not told.get("filter")
            self._followed[channel] = Followed(place, number, is_whole, {place.epoch})
            presented, line = self._presented.pop(channel, (place, 0))
            if presented != place:
                # A past that is gone is told by a gap behind this very position (R8, M25, P10).
                self._break("I3", f"{channel} starts at {place}, and {presented} was presented", line, number)
            self._cursors(channel).starts(place, keeps_larger=keeps_larger)

    def _event(self, message: Message, number: int) -> None:
        channel = str(message["channel"])
        followed = self._followed.get(channel)
        if followed is None:
            self._break("I2", f"an event of {channel} came outside a subscription", number)
            return
        self._need_right(channel, number)
        place = Position(followed.place.epoch, int(message["offset"]))
        if place.offset <= followed.place.offset:
            self._break("I2", f"{channel} {place} came after {followed.place}", followed.line, number)
        elif followed.is_whole and place.offset != followed.place.offset + 1:
            text = f"{channel} {place} follows {followed.place} without a gap between"
            self._break("I3", text, followed.line, number)
        self._sightings.saw(message, place, number)
        self._cursors(channel).received(place, is_event=True)
        if place.offset > followed.place.offset:
            followed.place, followed.line = place, number

    def _gap(self, message: Message, number: int) -> None:
        channel = str(message["channel"])
        self.gaps += 1
        followed = self._followed.get(channel)
        if followed is None:
            self._break("I2", f"a gap of {channel} came outside a subscription", number)
            return
        start, end = Position.parse(message["from"]), Position.parse(message["to"])
        if start != followed.place:
            text = f"a gap of {channel} begins at {start}, and delivery stopped at {followed.place}"
            self._break("I3", text, followed.line, number)
        missed = message.get("missed")
        if missed is not None and start.epoch == end.epoch and missed > max(0, end.offset - start.offset):
            self._break("I3", f"a gap of {channel} from {start} to {end} tells {missed} missed", number)
        if end.epoch != followed.place.epoch:
            if end.epoch in followed.epochs:
                self._break("I1", f"{channel}: epoch {end.epoch} came again after a later one", followed.line, number)
            followed.epochs.add(end.epoch)
        followed.place, followed.line = end, number
        self._cursors(channel).received(end, is_event=False)

    def _watermark(self, positions: Mapping[str, Any], number: int) -> None:
        for channel, position in positions.items():
            place, followed = Position.parse(position), self._followed.get(channel)
            if followed is None:
                self._break("I2", f"a watermark of {channel} came outside a subscription", number)
                continue
            if place.epoch != followed.place.epoch or (followed.is_whole and place.offset > followed.place.offset):
                text = f"{channel}: the watermark {place} passes entries after {followed.place} that never came"
                self._break("I4", text, followed.line, number)
            elif place.offset > followed.place.offset:
                followed.place, followed.line = place, number
            self._cursors(channel).received(place, is_event=False)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _need_right(self, channel: str, number: int) -> None:
        if self._rights is None or _may(self._rights, channel):
            return
        self._break("I2", f"an event of {channel} came without the right to it", self._welcome_line, number)

    def _break(self, rule: str, what: str, *numbers: int) -> None:
        self._findings.add(rule, f"{self._name}: {what}", *numbers)


def _channels(message: Message) -> Iterable[str]:
    return message.get("channels") or [message.get("channel", "")]


def _may(rights: Mapping[str, bool], channel: str) -> bool:
    """The longest matching name decides, an exact one before all (C23)."""
    fitting = [name for name in rights if name == channel or (name.endswith("*") and channel.startswith(name[:-1]))]
    return rights[max(fitting, key=lambda name: len(name.removesuffix("*")))] if fitting else False
