"""What a connection sends into the hub: `publish`, `emit`, `ping` (M29-M35, M37)."""

import struct
from typing import TYPE_CHECKING, Any

import orjson

from channels._native import CONTENT_ENCODINGS
from channels.broker import Publication
from channels.permissions import Right
from channels.publication import Content
from hub.protocol import answers
from hub.protocol.errors import Refusal
from hub.protocol.forms import meta_of, type_of
from hub.protocol.messages import Emit, MediaPublish, Ping, Publish
from hub.protocol.wording import came
from hub.session import effects
from hub.session.effects import Ticket
from hub.session.policy import SIGNALS, Moment

if TYPE_CHECKING:
    from hub.session.session import Session

DEFAULT_PRIORITY = 128
DIMENSIONS = 8
_vector = struct.Struct(f"<{DIMENSIONS}f")
_NUMBERS = frozenset({int, float})


def ping(session: "Session", message: Ping, moment: Moment) -> None:
    """Answered whatever else is going on (H4)."""
    session.pay("ping", 1, moment)
    text = bytes(message.t)
    echo = None if text in (b"", b"null") else session.codec.embed(text)
    session.send(answers.pong(message.id, echo, moment.wall))


def publish(session: "Session", message: Publish, moment: Moment) -> None:
    """Rate, existence, right; the store answers (M30), once the payload of media was looked into (B8)."""
    channel = message.channel
    config, rights = session.look_up(channel)
    if config is None or config.publish_rate is None:
        session.pay("publish", 1, moment)
    else:
        session.pay(f"publish:{channel}", 1, moment, config.publish_rate)
    if config is None:
        raise Refusal("unknown_channel", f"there is no channel {channel}")
    if Right.BROADCAST not in rights:
        raise Refusal("forbidden", f"role {session.identity.role} may not broadcast on {channel}")
    content, data = None, bytes(message.data) or b"null"
    if isinstance(message, MediaPublish):
        content, data = _content_of(message), message.payload
    ticket = Ticket("publish", message.id, channel, message.mid)
    session.await_answer(ticket)
    publication = Publication(
        channel,
        message.event,
        data,
        message.key,
        orjson.dumps(message.tags) if message.tags else None,
        message.traceparent,
        message.tracestate,
        owner(session) if message.mid is not None else "",
        message.mid,
        content,
    )
    session.do(effects.Publish(publication, ticket))


def _content_of(message: MediaPublish) -> Content:
    encoding = message.content_encoding
    if encoding is not None and encoding not in CONTENT_ENCODINGS:
        known = ", ".join(CONTENT_ENCODINGS)
        raise Refusal(
            "encoding_unsupported",
            f"content_encoding: expected one of {known}, came {came(encoding)}",
            path="content_encoding",
        )
    return Content(type_of(message), encoding, meta_of(message))


def emit(session: "Session", message: Emit, moment: Moment) -> None:
    """Rate, right, then the whole batch before any of it is processed (M33)."""
    vectors = [message.vector] if message.vectors is None else message.vectors
    session.pay("emit", max(1, len(vectors)), moment)
    if Right.EMIT not in session.look_up(SIGNALS)[1]:
        raise Refusal("forbidden", f"role {session.identity.role} may not emit")
    request = request_of(message, owner(session), Ticket("emit", message.id, None, message.mid))
    session.await_answer(request.ticket)
    session.do(request)


def request_of(message: Emit, owner: str, ticket: Ticket) -> effects.Emit:
    """What `message` asks of the SignalSystem; raises `Refusal` 422 where its content is wrong (M32, M33)."""
    packed = _pack_single(message.vector) if message.vectors is None else _pack_batch(message.vectors)
    return effects.Emit(
        event_type=message.event_type,
        vectors=packed,
        priority=_priority(message.priority),
        key=message.key,
        tags=message.tags,
        payload=bytes(message.payload) or None,
        traceparent=message.traceparent,
        tracestate=message.tracestate,
        owner=owner,
        is_batch=message.vectors is not None,
        ticket=ticket,
    )


def owner(session: "Session") -> str:
    """Whose `mid`s these are (M31): the subject's, or the anonymous session's. No subject begins with NUL."""
    return session.identity.subject or f"\0{session.session}"


def _priority(value: Any) -> int:
    if value is None:
        return DEFAULT_PRIORITY
    if type(value) is int and 0 <= value <= 255:
        return value
    expected = "priority: expected an integer from 0 to 255"
    raise Refusal("schema_invalid", f"{expected}, came {came(value)}", path="priority")


def _pack_single(vector: Any) -> bytes:
    packed = _pack(vector)
    if packed is None:
        raise Refusal("vector_invalid", f"vector: {_EXPECTED}, came {_came(vector)}", path="vector")
    return packed


def _pack_batch(vectors: list[Any]) -> bytes:
    if not vectors:
        raise Refusal("vector_invalid", "vectors: expected at least one vector, came none", path="vectors")
    packed = []
    for index, vector in enumerate(vectors):
        one = _pack(vector)
        if one is None:
            path = f"vectors.{index}"
            raise Refusal("vector_invalid", f"{path}: {_EXPECTED}, came {_came(vector)}", path=path)
        packed.append(one)
    return b"".join(packed)


_EXPECTED = f"expected {DIMENSIONS} numbers that are finite as 32-bit floats"


def _pack(vector: Any) -> bytes | None:
    """`DIMENSIONS` little-endian 32-bit floats; None where `vector` is no vector (M32)."""
    if type(vector) is not list or len(vector) != DIMENSIONS or not _NUMBERS.issuperset(map(type, vector)):
        return None
    try:
        return _vector.pack(*vector)
    except (OverflowError, struct.error):
        return None


def _came(vector: Any) -> str:
    """What keeps `vector` from being one: its type, its length, or the first element that is no such number."""
    if type(vector) is not list:
        return came(vector)
    if len(vector) != DIMENSIONS:
        return f"{len(vector)} elements"
    index = next((index for index, value in enumerate(vector) if not _is_float32(value)), 0)
    return f"{came(vector[index])} at index {index}"


def _is_float32(value: Any) -> bool:
    try:
        return type(value) in _NUMBERS and bool(struct.pack("<f", value))
    except (OverflowError, struct.error):
        return False
