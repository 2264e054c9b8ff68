"""What a subscription delivers: events, and gaps where events are known to be missing."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from .media import MEDIA
from .positions import Position

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # Every checker brings this module: what is not typed is Any, and not unknown.
    T = TypeVar("T", default=Any)
else:
    from typing import TypeVar

    T = TypeVar("T")

_NO_TAGS: Mapping[str, str] = {}


class Event(Mapping[str, Any], Generic[T]):
    """One entry of a channel; also a read-only mapping over `data`, and prints as its data.

    It keeps the message as it was read and looks into it when asked: most handlers read two members of it.
    """

    __slots__ = ("_wire", "epoch", "message")

    def __init__(self, message: Mapping[str, Any], epoch: str, wire: bytes | None = None) -> None:
        self.message = message
        self.epoch = epoch
        self._wire = wire

    @property
    def channel(self) -> str:
        """The channel it was stored in."""
        return str(self.message["channel"])

    @property
    def event(self) -> str:
        """Its name, like `signal.input.text`."""
        return str(self.message["event"])

    @property
    def data(self) -> T:
        """What was published: any JSON value, or the bytes of media."""
        return self.message.get("data")  # type: ignore[return-value]  # the caller names T, the wire cannot check it

    @property
    def offset(self) -> int:
        """Its number within the epoch of its channel."""
        offset: int = self.message["offset"]
        return offset

    @property
    def position(self) -> str:
        """The place just after it, `epoch:offset`."""
        return f"{self.epoch}:{self.offset}"

    @property
    def place(self) -> Position:
        """Its position in parts."""
        return Position(self.epoch, self.offset)

    @property
    def ts(self) -> float:
        """The hub's wall clock at the append, in seconds; for display, it never decides order (M45)."""
        return float(self.message["ts"])

    @property
    def key(self) -> str | None:
        """What the entry is about; under `latest` a newer entry replaces older ones of its key."""
        return self.message.get("key")

    @property
    def tags(self) -> Mapping[str, str]:
        """The publisher's labels."""
        return self.message.get("tags") or _NO_TAGS

    @property
    def traceparent(self) -> str | None:
        """W3C trace context, where the publisher gave one."""
        return self.message.get("traceparent")

    @property
    def content_type(self) -> str | None:
        """The media type of `data`, where that is said: of media always, of JSON where the publisher gave it."""
        return self.message.get("content_type")

    @property
    def meta(self) -> Mapping[str, Any] | None:
        """What the publisher said about media: format, width, height, duration, sample_rate, or other members."""
        return self.message.get("meta")

    def with_data(self, data: Any) -> "Event[Any]":
        """The same entry with its data in another form; `wire` stays what came."""
        return Event({**self.message, "data": data}, self.epoch, self.wire)

    @property
    def wire(self) -> bytes:
        """Its JSON object as UTF-8: as it came, or written anew where it came as MessagePack or in an array.

        Of media it is all but `data`, which has no JSON form.
        """
        if self._wire is not None and self._wire[:1] != MEDIA:
            return self._wire
        told = {name: value for name, value in self.message.items() if not isinstance(value, bytes)}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()

    def __getitem__(self, name: str) -> Any:
        data: Any = self.message.get("data")
        if not isinstance(data, dict):
            raise KeyError(f"{name}: data of {self.channel}/{self.event} is {type(data).__name__}; use event.data")
        return data[name]

    def __iter__(self) -> Iterator[str]:
        data = self.data
        return iter(data) if isinstance(data, dict) else iter(())

    def __len__(self) -> int:
        data = self.data
        return len(data) if isinstance(data, dict) else 0

    def __bool__(self) -> bool:
        # An event without data still is an event: `while item := await sub.next()` must not end at it.
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Event):
            return self.epoch == other.epoch and self.message == other.message
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash((self.channel, self.epoch, self.offset))

    def __str__(self) -> str:
        return str(self.data)

    def __repr__(self) -> str:
        key = f" key={self.key!r}" if self.key is not None else ""
        return f"<Event {self.channel} {self.position} {self.event}{key} data={self.data!r}>"


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries after `from_` up to and including `to` that did not come.

    `missed` is None where the number cannot be known. `reason` is one of the protocol's (M49: epoch, retention,
    limit, slow), or the client's own: `reconnect` (published while the connection was away), `client_queue`
    (dropped here because the handler was slower than the channel), `unreadable` (it came, and cannot be read).
    """

    channel: str
    from_: str
    to: str
    missed: int | None
    reason: str

    @property
    def place(self) -> Position:
        """Where it ends, in parts."""
        return Position.parse(self.to)

    @property
    def message(self) -> Mapping[str, Any]:
        """The gap in its wire form (M48)."""
        return {
            "type": "gap",
            "channel": self.channel,
            "from": self.from_,
            "to": self.to,
            "missed": self.missed,
            "reason": self.reason,
        }

    @property
    def wire(self) -> bytes:
        """Its JSON object as UTF-8."""
        return json.dumps(self.message, separators=(",", ":")).encode()

    def __str__(self) -> str:
        count = "an unknown number of" if self.missed is None else str(self.missed)
        noun = "entry" if self.missed == 1 else "entries"
        return f"{self.channel}: {count} {noun} missed ({self.reason}), {self.from_} to {self.to}"
