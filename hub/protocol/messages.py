"""The messages a client may send (PROTOCOL.md 3.2), as they are after decoding.

Types and required members are checked by the decoder; what else makes a message well-formed is checked in
`hub.protocol.forms`. `data` and `payload` stay the bytes they were (M11, M13): `Raw` with nothing in it means absent.
"""

from typing import Any, Literal

from msgspec import Raw, Struct, field, structs

MAX_ID = 2**53 - 1
Id = int | str
Delivery = Literal["all", "latest"]
OnSlow = Literal["gap", "close"]


class Message(Struct, tag_field="type", gc=False):
    """What all client messages share: an optional `id` (M4)."""

    id: Id | None = None


class ClientName(Struct):
    """Who the client says it is; shown to operators (M21)."""

    name: str | None = None
    version: str | None = None


class Connect(Message, tag="connect"):
    """Log in, refresh the credential, resume, or name the client (M20)."""

    token: str | None = None
    resume: str | None = None
    client: ClientName | None = None
    accept: list[str] | None = None
    positions: dict[str, Any] | None = None


class Named(Message):
    """One channel by `channel` or several by `channels` (M22)."""

    channel: str | None = None
    channels: list[str] | None = None


class Subscribe(Named, tag="subscribe"):
    """Follow channels (M22-M27)."""

    filter: Raw = Raw()
    start: Any = field(name="from", default=None)
    delivery: Delivery | None = None
    on_slow: OnSlow | None = None
    max_rate: float | None = None
    ack: int | None = None


class Unsubscribe(Named, tag="unsubscribe"):
    """Leave channels (M28)."""


class Publish(Message, tag="publish", kw_only=True):
    """Store an event in a channel (M29-M31)."""

    channel: str
    event: str
    data: Raw = Raw()
    key: str | None = None
    tags: dict[str, str] | None = None
    mid: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    meta: dict[str, Raw] | None = None


class MediaPublish(Publish, tag="publish", kw_only=True):
    """A `publish` whose `data` is bytes: of a media frame, or `bin` (B4, B5). Never what a decoder makes of JSON."""

    payload: bytes

    @classmethod
    def of(cls, message: Publish, payload: bytes) -> "MediaPublish":
        """`message`, which came with `payload`."""
        return cls(payload=payload, **structs.asdict(message))


class Emit(Message, tag="emit", kw_only=True):
    """Send one signal or a batch through the SignalSystem (M32-M35).

    Vectors and priority are of any type here: what is wrong with them is content (422), not form (400).
    """

    event_type: str
    vector: list[Any] | None = None
    vectors: list[Any] | None = None
    priority: Any = None
    payload: Raw = Raw()
    key: str | None = None
    tags: dict[str, str] | None = None
    mid: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


class Ack(Struct, tag_field="type", tag="ack"):
    """Everything up to these positions was handled (M36). Defines no id."""

    positions: dict[str, Any]


class Ping(Message, tag="ping"):
    """Asks for a `pong` with the same `t` (M37)."""

    t: Raw = Raw()


class GetReconnectionToken(Message, tag="get_reconnection_token"):
    """Asks for a reconnection token (R1)."""


ClientMessage = Connect | Subscribe | Unsubscribe | Publish | Emit | Ack | Ping | GetReconnectionToken
TYPES: dict[type, str] = {kind: kind.__struct_config__.tag for kind in (MediaPublish, *ClientMessage.__args__)}
"""Class -> value of `type`."""
CLIENT_TYPES = frozenset(TYPES.values())
SERVER_TYPES = frozenset(
    {
        "welcome",
        "subscribed",
        "unsubscribed",
        "event",
        "emitted",
        "gap",
        "error",
        "pong",
        "reconnection_token",
        "goaway",
    }
)
