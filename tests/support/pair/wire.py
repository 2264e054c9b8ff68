"""What may come on one connection, whatever the client makes of it: the hub's own promises (P3, R8, S10, M4, M9)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from neurograph_ws_client.positions import Position

if TYPE_CHECKING:
    from tests.support.pair.histories import Histories


class Asked(NamedTuple):
    """Where one subscription of a request is to start; neither: where it stands (M26), else at the head."""

    position: Position | None = None
    head: Position | None = None
    """What was stored when the head was asked for."""


class Wire:
    """Sees every message that the client sends and takes; all subscriptions are unfiltered and `all`."""

    def __init__(self, histories: "Histories") -> None:
        self.gaps = 0
        self._histories = histories
        self._awaited: dict[Any, Mapping[str, Asked]] = {}
        self._places: dict[str, Position] = {}
        self.windows: dict[str, int] = {}
        self._under_way: dict[str, list[Position]] = {}

    # -- what the client sends -----------------------------------------------------------------------------------------

    def sent(self, message: Mapping[str, Any]) -> None:
        """On its way to the hub."""
        if message["type"] == "ack":
            self._acknowledged(message["positions"])
        if "id" in message:
            assert message["id"] not in self._awaited, f"M6: an id is used twice: {message}"
            self._awaited[message["id"]] = self._asked(message)

    def _acknowledged(self, positions: Mapping[str, str]) -> None:
        for channel, text in positions.items():
            place = Position.parse(text)
            assert self._places[channel].reaches(place), f"M36: {channel} {text} has not come here"
            left = [one for one in self._under_way.get(channel, []) if not place.reaches(one)]
            self._under_way[channel] = left

    def _asked(self, message: Mapping[str, Any]) -> Mapping[str, Asked]:
        if message["type"] == "connect":
            presented = message.get("positions") or {}
            return {channel: Asked(Position.parse(text)) for channel, text in presented.items()}
        if message["type"] != "subscribe":
            return {}
        start = message.get("from")
        positions = start.get("positions", {}) if isinstance(start, dict) else {}
        return {
            channel: Asked(Position.parse(positions[channel]))
            if channel in positions
            else Asked(head=self._histories.head(channel))
            for channel in message.get("channels") or [message["channel"]]
        }

    # -- what the hub sends --------------------------------------------------------------------------------------------

    def received(self, message: Mapping[str, Any]) -> None:
        """Come from the hub."""
        asked: Mapping[str, Asked] = {}
        if "id" in message:
            assert message["id"] in self._awaited, f"I6: nobody awaits {message}"
            asked = self._awaited.pop(message["id"])
        match message["type"]:
            case "event":
                self._event(message)
            case "gap":
                self._gap(message)
            case "welcome":
                self._started(message.get("subscriptions") or {}, asked)
            case "subscribed":
                self._started(message["channels"], asked)
            case "unsubscribed":
                for channel in message["channels"]:
                    self._places.pop(channel, None)

    def _started(self, told: Mapping[str, Any], asked: Mapping[str, Asked]) -> None:
        """Answers come in the order of the questions (M7), so that what is followed now was so when this was asked."""
        for channel, subscription in told.items():
            place, (position, head) = Position.parse(subscription["position"]), asked.get(channel, Asked())
            kept = self._places.get(channel) if position is None else None
            expected = position or kept
            assert expected in (None, place), f"R8, M26: {channel} was to start at {expected}, and starts at {place}"
            is_early = not expected and head is not None and head.epoch == place.epoch and place.offset < head.offset
            assert not is_early, f"M24: {channel} was at {head} when new was asked for, and starts at {place}"
            self._places[channel] = place
            self._resize(channel, subscription.get("ack"), is_kept=kept is not None)

    def _resize(self, channel: str, window: int | None, *, is_kept: bool) -> None:
        if not is_kept or channel not in self.windows:
            self._under_way[channel] = []
        self.windows.pop(channel, None)
        if window is not None:
            self.windows[channel] = window

    def _event(self, message: Mapping[str, Any]) -> None:
        channel, offset = message["channel"], message["offset"]
        assert channel in self._places, f"M9: {channel} is not subscribed here: {message}"
        epoch, before = self._places[channel]
        assert offset == before + 1, f"P3: {channel} stands at {epoch}:{before}, and {offset} came"
        stored = self._histories.entry(channel, epoch, offset)
        assert message["data"] == stored, f"I1: {channel} {epoch}:{offset} is {stored}, and {message['data']} came"
        place = self._places[channel] = Position(epoch, offset)
        if channel in self.windows:
            self._under_way[channel].append(place)
            count, size = len(self._under_way[channel]), self.windows[channel]
            assert count <= size, f"S10: {count} events of {channel} are under way in a window of {size}"

    def _gap(self, message: Mapping[str, Any]) -> None:
        channel = message["channel"]
        start, end = Position.parse(message["from"]), Position.parse(message["to"])
        assert self._places.get(channel) == start, f"P3: {channel} stands at {self._places.get(channel)}: {message}"
        assert not start.reaches(end), f"M48: a gap over nothing: {message}"
        if start.epoch != end.epoch:
            self._under_way[channel] = []
        self._places[channel] = end
        self.gaps += 1
