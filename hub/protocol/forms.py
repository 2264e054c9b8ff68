"""What makes a decoded message well-formed beyond its types: the form checks of E6, before any state is looked at.

`check_form` raises `Refusal` 400 with the `path` of the member, what was expected and what came; nothing here knows a
connection.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson
from msgspec import Raw

from channels._native import check_content
from channels.names import check_tags, is_channel_name, is_event_name, is_key, is_mid, trace_context
from hub.protocol.errors import Refusal
from hub.protocol.messages import (
    MAX_ID,
    Ack,
    ClientMessage,
    Connect,
    Emit,
    GetReconnectionToken,
    MediaPublish,
    Named,
    Ping,
    Publish,
    Subscribe,
    Unsubscribe,
)
from hub.protocol.wording import ID_FORM, came

ALL = "*"
MAX_NAMES = 64
MAX_ENCODINGS = 16
MAX_WINDOW = 10_000
"""Events that may await their acknowledgement (S10)."""
POSITION_FORM = (
    "<epoch>:<offset>, 4 to 16 of A-Z a-z 0-9 _ - and a number below 2^53 without leading zeros (P2), like k3Fq:902"
)
_POSITION = re.compile(r"[A-Za-z0-9_-]{4,16}:(0|[1-9][0-9]{0,15})")
_KINDS = {b"{": "an object", b"[": "an array", b"t": "true", b"f": "false"}
DEFAULT_TYPE = "application/octet-stream"
"""What a payload is of which nothing is said (B6)."""
_MEDIA = ("content_type", "content_encoding", "meta")


def is_id(value: object) -> bool:
    """Whether `value` may be an `id` (M4)."""
    if type(value) is int:
        return 0 <= value <= MAX_ID
    return isinstance(value, str) and 1 <= len(value) <= 64 and len(value.encode()) <= 64


def is_position(text: str) -> bool:
    """Whether `text` is a position (P2)."""
    return _POSITION.fullmatch(text) is not None and int(text.rsplit(":", 1)[1]) <= MAX_ID


def check_form(message: ClientMessage | MediaPublish, resume_events: int) -> None:
    """Raise `Refusal` if `message` is not as section 3 says. `resume_events`: the largest N of `{"last":N}` (M24)."""
    kind = type(message)
    if kind is not Ack and message.id is not None and not is_id(message.id):  # type: ignore[union-attr]
        raise _bad("id", f"expected {ID_FORM}, came {came(message.id)}")  # type: ignore[union-attr]
    _CHECKS[kind](message, resume_events)


def names_of(message: Named) -> tuple[str, ...]:
    """The channels named, each once, in order; `("*",)` for all (M22). The form must have been checked."""
    if message.channel is not None:
        return (message.channel,)
    return tuple(dict.fromkeys(message.channels or ()))


def type_of(message: MediaPublish) -> str:
    """The media type of its payload (B6)."""
    return DEFAULT_TYPE if message.content_type is None else message.content_type


def meta_of(message: MediaPublish) -> bytes | None:
    """`meta` as JSON text."""
    return None if message.meta is None else msgspec.json.encode(message.meta)


# --- one check per type -----------------------------------------------------------------------------------------------


def _connect(message: Connect, _resume_events: int) -> None:
    if message.client is not None:
        for member, text in (("name", message.client.name), ("version", message.client.version)):
            if text is not None and len(text.encode()) > 64:
                raise _bad(f"client.{member}", f"expected at most 64 bytes, came {len(text.encode())}")
    if message.accept is not None and len(message.accept) > MAX_ENCODINGS:
        raise _bad("accept", f"expected at most {MAX_ENCODINGS} encodings, came {len(message.accept)}")
    _check_positions(message.positions or {})


def _subscribe(message: Subscribe, resume_events: int) -> None:
    _check_named(message)
    _check_filter(message)
    if message.ack is not None and not 1 <= message.ack <= MAX_WINDOW:
        raise _bad("ack", f"expected an integer from 1 to {MAX_WINDOW}, came {message.ack}")
    if message.max_rate is not None and not 0.1 <= message.max_rate <= 1_000:
        raise _bad("max_rate", f"expected 0.1 to 1000 events per second, came {message.max_rate:g}")
    if message.max_rate is not None and message.delivery == "all":
        raise _bad("max_rate", 'expected max_rate with delivery "latest" only, came "all"')
    _check_start(message, resume_events)


def _check_filter(message: Subscribe) -> None:
    """An object or nothing; what is in it is content."""
    text = bytes(message.filter)
    if text == b"null":  # M3
        message.filter = Raw()
    elif text[:1] not in (b"", b"{"):
        raise _bad("filter", f"expected an object, came {came(orjson.loads(text))}")


def _check_start(message: Subscribe, resume_events: int) -> None:
    expected = 'expected "new", "snapshot", {"last":N}, {"since":T} or {"positions":{...}}'
    match message.start:
        case None | "new":
            return
        case "snapshot":
            if message.delivery == "all":
                raise _bad("from", 'expected "snapshot" with delivery "latest" only (S5), came "all"')
        case {"last": count, **others} if not others:
            if type(count) is not int or not 1 <= count <= resume_events:
                raise _bad("from.last", f"expected an integer from 1 to {resume_events}, came {came(count)}")
        case {"since": moment, **others} if not others:
            if type(moment) not in (int, float):
                raise _bad("from.since", f"expected seconds since 1970, came {came(moment)}")
        case {"positions": dict() as positions, **others} if not others:
            _check_positions(positions, "from.positions")
        case other:
            raise _bad("from", f"{expected}, came {came(other)}")


def _publish(message: Publish, _resume_events: int) -> None:
    if message.content_type is not None or message.content_encoding is not None or message.meta is not None:
        member = next(name for name in _MEDIA if getattr(message, name) is not None)
        raise _bad(member, "expected in media frames and beside msgpack bin only (M29), came with data or without")
    _check_entry(message)


def _media_publish(message: MediaPublish, _resume_events: int) -> None:
    if bytes(message.data):
        raise _bad("data", "expected none beside the payload of a media frame (B4), came some")
    _check_entry(message)
    try:
        check_content(type_of(message), meta_of(message))
    except ValueError as error:
        path = str(error).partition(":")[0]
        shown = f", came {came(message.content_type)}" if path == "content_type" else ""
        raise Refusal("bad_message", f"{error}{shown}", path=path) from None


def _check_entry(message: Publish) -> None:
    _check_channel("channel", message.channel)
    _check_event("event", message.event)
    _check_labels(message)


def _emit(message: Emit, _resume_events: int) -> None:
    _check_event("event_type", message.event_type)
    if (message.vector is None) == (message.vectors is None):
        given = "neither" if message.vector is None else "both"
        raise _bad("vector", f"expected exactly one of vector and vectors, came {given}")
    _check_labels(message)


def _ack(message: Ack, _resume_events: int) -> None:
    _check_positions(message.positions)


def _ping(message: Ping, _resume_events: int) -> None:
    text = bytes(message.t)
    if not text or text == b"null" or text[:1] in b"-0123456789":
        return
    if text[:1] != b'"':
        raise _bad("t", f"expected a number or text of at most 64 bytes, came {_KINDS.get(text[:1], 'another value')}")
    if len(text) > 2 + 64 * 6 or _string_bytes(text) > 64:
        raise _bad("t", f"expected text of at most 64 bytes, came {_string_bytes(text)} bytes")


_CHECKS: Mapping[type, Callable[[Any, int], None]] = {
    Connect: _connect,
    Subscribe: _subscribe,
    Unsubscribe: lambda message, _resume_events: _check_named(message),
    Publish: _publish,
    MediaPublish: _media_publish,
    Emit: _emit,
    Ack: _ack,
    Ping: _ping,
    GetReconnectionToken: lambda _message, _resume_events: None,
}


# --- members ----------------------------------------------------------------------------------------------------------


def _bad(path: str, message: str) -> Refusal:
    return Refusal("bad_message", f"{path}: {message}", path=path)


def _check_named(message: Named) -> None:
    if (message.channel is None) == (message.channels is None):
        given = "neither" if message.channel is None else "both"
        raise _bad("channel", f"expected exactly one of channel and channels, came {given}")
    if message.channel is not None:
        _check_not_all("channel", message.channel)
        _check_channel("channel", message.channel)
    elif message.channels != [ALL]:
        names = message.channels or []
        if not 1 <= len(names) <= MAX_NAMES:
            raise _bad("channels", f"expected 1 to {MAX_NAMES} names, came {len(names)}")
        for index, name in enumerate(names):
            _check_not_all(f"channels.{index}", name)
            _check_channel(f"channels.{index}", name)


def _check_not_all(path: str, name: str) -> None:
    if name == ALL:
        raise _bad(
            path, 'expected a name of a channel, came "*": all channels are "channels":["*"], with nothing beside it'
        )


def _check_channel(path: str, name: str) -> None:
    if not is_channel_name(name):
        raise _bad(path, f"expected 1 to 64 of A-Z a-z 0-9 _ . : / -, came {came(name)}")


def _check_event(path: str, name: str) -> None:
    if not is_event_name(name):
        expected = "1 to 128 of A-Z a-z 0-9 _ : - in at most 16 segments joined by dots"
        raise _bad(path, f"expected {expected}, came {came(name)}")


def _check_labels(message: Publish | Emit) -> None:
    """`key`, `tags` and `mid` (M16); a trace context that is none is dropped, not refused (M17)."""
    if message.key is not None and not is_key(message.key):
        raise _bad("key", f"expected 1 to 256 bytes without control characters, came {came(message.key)}")
    if message.tags is not None and (complaint := check_tags(message.tags)):
        raise _bad(*complaint)
    if message.mid is not None and not is_mid(message.mid):
        raise _bad("mid", f"expected 1 to 64 visible ASCII characters, came {came(message.mid)}")
    if message.traceparent is not None or message.tracestate is not None:
        message.traceparent, message.tracestate = trace_context(message.traceparent, message.tracestate)


def _check_positions(positions: Mapping[Any, Any], member: str = "positions") -> None:
    for channel, position in positions.items():
        path = f"{member}.{channel}" if is_channel_name(channel) else member
        if not is_channel_name(channel):
            raise _bad(path, f"expected names of channels, came {came(channel)}")
        if not isinstance(position, str) or not is_position(position):
            raise Refusal("bad_position", f"{path}: expected {POSITION_FORM}, came {came(position)}", path=path)


def _string_bytes(text: bytes) -> int:
    return len(orjson.loads(text).encode())
