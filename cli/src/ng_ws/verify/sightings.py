"""What all clients saw and were answered, side by side: I1 and the publisher's half of I6."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from neurograph_ws_client.positions import Position

from .history import HistoryError, digest
from .rules import Findings

_CONTENT = ("event", "key", "tags", "data")

# Places and publishes that are kept: about a kilobyte of each, whatever they hold.
MOST = 1_000_000


def content_of(message: Mapping[str, Any]) -> str:
    """A digest of what a publisher decides; null is absent, save for data."""
    return digest({name: message.get(name) for name in _CONTENT})


class Sighting(NamedTuple):
    """An entry as the first client saw it: a digest of its content, and its time (I1)."""

    content: str
    ts: object
    line: int


class Attempts:
    """How often a content was sent, and how that ended."""

    __slots__ = ("line", "refused", "seen", "sent")

    def __init__(self) -> None:
        self.sent = self.refused = self.seen = self.line = 0


class Sightings:
    """Every entry by channel, epoch and offset."""

    def __init__(self, findings: Findings, most: int = MOST) -> None:
        self.entries = 0
        self._findings = findings
        self._most = most
        self._seen: defaultdict[tuple[str, str], dict[int, Sighting]] = defaultdict(dict)
        self._stored: defaultdict[tuple[str, str], dict[int, tuple[str, int]]] = defaultdict(dict)
        self._attempts: defaultdict[tuple[str, str], Attempts] = defaultdict(Attempts)
        self._mids: dict[tuple[str, str], tuple[Position, int]] = {}

    def saw(self, message: Mapping[str, Any], place: Position, number: int) -> None:
        """A client received an entry (I1)."""
        channel = str(message["channel"])
        entries = self._seen[channel, place.epoch]
        known, found = entries.get(place.offset), Sighting(content_of(message), message.get("ts"), number)
        if known is None:
            self.entries = self._bounded(self.entries + 1)
            entries[place.offset] = found
            self._saw_first(channel, place, found)
        elif (known.content, known.ts) != (found.content, found.ts):
            self._findings.add("I1", f"{channel} {place} came with two contents or times", known.line, number)

    def _saw_first(self, channel: str, place: Position, sighting: Sighting) -> None:
        attempts = self._attempts.get((channel, sighting.content))
        if attempts is not None:
            attempts.seen = attempts.seen or sighting.line
        stored = self._stored[channel, place.epoch].get(place.offset)
        if stored is not None and stored[0] != sighting.content:
            text = f"{channel} {place} is another entry than was acknowledged"
            self._findings.add("I6", text, stored[1], sighting.line)

    def sent(self, message: Mapping[str, Any], number: int) -> None:
        """A client sent a publish."""
        attempts = self._attempts[str(message["channel"]), content_of(message)]
        self._bounded(len(self._attempts))
        attempts.sent += 1
        attempts.line = number

    def stored(self, message: Mapping[str, Any], position: object, number: int) -> None:
        """A publish was answered with a position (I6)."""
        channel, place, content = str(message["channel"]), Position.parse(position), content_of(message)
        known = self._stored[channel, place.epoch].setdefault(place.offset, (content, number))
        if known[0] != content:
            self._findings.add("I6", f"{channel} {place} was given to two publishes", known[1], number)
        sighting = self._seen[channel, place.epoch].get(place.offset)
        if sighting is not None and sighting.content != content:
            text = f"{channel} {place} was acknowledged, and somebody else's entry stands there"
            self._findings.add("I6", text, sighting.line, number)
        self._stored_once(channel, message.get("mid"), place, number)

    def _stored_once(self, channel: str, mid: object, place: Position, number: int) -> None:
        if mid is None:
            return
        before, line = self._mids.setdefault((channel, str(mid)), (place, number))
        # A hub that lost its past lost its mids with it: that is another epoch, and a gap tells it.
        if before.epoch == place.epoch and before.offset != place.offset:
            self._findings.add("I6", f"{channel}: mid {mid} is at {before} and at {place}", line, number)
        self._mids[channel, str(mid)] = place, number

    def _bounded(self, count: int) -> int:
        if count > self._most:
            text = f"expected at most {self._most:,} entries, which is what can be kept"
            raise HistoryError(f"{text}: a shorter run, or a lower rate")
        return count

    def refused(self, message: Mapping[str, Any]) -> None:
        """A publish was answered by an error, and is nowhere."""
        self._attempts[str(message["channel"]), content_of(message)].refused += 1

    def finish(self) -> None:
        """One that was refused each time it was sent is never seen."""
        for (channel, _), attempts in self._attempts.items():
            if attempts.seen and attempts.refused == attempts.sent:
                text = f"{channel}: an entry was refused whenever it was sent, and came all the same"
                self._findings.add("I6", text, attempts.line, attempts.seen)
