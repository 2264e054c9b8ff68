"""One client that is connected, what it follows, and the session that a reconnection token restores."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.protocol import State

from ..positions import Position
from .log import Begin, Log, Message, gap_of

# Members of a subscribe that the answer repeats (M42).
_OPTIONS = ("filter", "max_rate", "ack")


class Following:
    """A subscription: where it was sent up to, and what was acknowledged."""

    def __init__(self, channel: str, log: Log, begin: Begin, delivery: str, options: Mapping[str, Any]) -> None:
        self.channel = channel
        self.log = log
        self.delivery = delivery
        self.on_slow = options.get("on_slow", "gap")
        self.options = {name: options[name] for name in _OPTIONS if name in options}
        self.start = begin.position
        self.sent = begin.offset
        self.acked = begin.position
        place = Position.parse(begin.position)
        self.behind = log.end - (place.offset if place.epoch == log.epoch else begin.offset)
        self._gap = gap_of(log, channel, begin)
        # Up to here a `latest` subscription gets the newest entry of each key only (S4).
        self._round_end = log.end if delivery == "latest" else 0
        self._unacked: deque[int] = deque()

    def about(self) -> Message:
        """The subscription in an answer (M42)."""
        told = {"position": self.start, "behind": self.behind, "delivery": self.delivery, "on_slow": self.on_slow}
        return {**told, **self.options}

    @property
    def position(self) -> str:
        """Up to where everything was sent, with a gap that was not as good as unsent."""
        return self.start if self._gap is not None else self.log.at(self.sent)

    def pending(self) -> list[Message]:
        """What can be sent now, and counts as sent."""
        messages = [self._gap] if self._gap is not None else []
        self._gap = None
        if self.sent < self.log.trimmed and self.delivery == "all":
            begin = Begin(self.log.at(self.sent), self.log.trimmed, "slow")
            messages.append(gap_of(self.log, self.channel, begin) or {})
            self.sent = self.log.trimmed
        for entry in self._owed():
            if self._is_shut():
                return messages
            messages.append(entry)
            self.sent = entry["offset"]
            self._unacked.append(self.sent)
        self.sent = self.log.end
        return messages

    def _owed(self) -> list[Message]:
        owed = self.log.after(self.sent)
        ended = [entry for entry in owed if entry["offset"] <= self._round_end]
        newest = {entry.get("key", entry["event"]): entry["offset"] for entry in ended}
        return [
            entry
            for entry in owed
            if entry["offset"] > self._round_end or newest[entry.get("key", entry["event"])] == entry["offset"]
        ]

    def _is_shut(self) -> bool:
        """S10: so many events beyond the last acknowledged position, and no more."""
        window = self.options.get("ack")
        return window is not None and len(self._unacked) >= window

    def acknowledge(self, text: str) -> None:
        """Take an acknowledgement; what M36 says is ignored is ignored."""
        place = Position.parse(text)
        is_older = Position.parse(self.acked).reaches(place)
        if place.epoch != self.log.epoch or place.offset > self.sent or is_older:
            return
        self.acked = text
        while self._unacked and self._unacked[0] <= place.offset:
            self._unacked.popleft()

    def rotate(self, log: Log) -> None:
        """The log lost its past: a gap into the new epoch, in its place of the stream (P12)."""
        begin = Begin(self.position, 0, "epoch")
        self.log, self.sent, self._round_end = log, 0, 0
        self.start = begin.position
        self._gap = gap_of(log, self.channel, begin)
        self._unacked.clear()

    def resumes_at(self) -> str:
        """Where a token goes on: with a window, what was acknowledged (R8)."""
        return self.acked if "ack" in self.options else self.position


@dataclass(eq=False)
class FakeSession:
    """What a token restores: identity and subscriptions; it belongs to the peer that resumed last (R11)."""

    name: str
    role: str
    peer: "Peer"
    is_asked: bool = False
    is_forgotten: bool = False


@dataclass(eq=False)
class Peer:
    """One client that is connected."""

    socket: ServerConnection
    name: str
    role: str
    following: dict[str, Following] = field(default_factory=dict)
    session: FakeSession = field(init=False)
    is_draining: bool = False

    def __post_init__(self) -> None:
        self.session = FakeSession(f"s-{self.name}", self.role, self)

    @property
    def channels(self) -> set[str]:
        """What it is subscribed to."""
        return set(self.following)

    def say(self, *messages: Mapping[str, Any]) -> None:
        """Write messages, several as one array; nothing where the connection is ending."""
        if self.socket.protocol.state is not State.OPEN:
            return
        body = messages[0] if len(messages) == 1 else list(messages)
        self.socket.protocol.send_text(json.dumps(body).encode())
        self.socket.send_data()

    def pump(self) -> None:
        """Send what is owed and may be sent."""
        for one in tuple(self.following.values()):
            for message in one.pending():
                self.say(message)

    def watermarks(self) -> None:
        """Say how far each subscription is (P9)."""
        positions = {channel: one.position for channel, one in self.following.items()}
        if positions:
            self.say({"type": "ack", "positions": positions})
