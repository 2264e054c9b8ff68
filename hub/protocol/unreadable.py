"""Messages that cannot be read: what is wrong with them, in the protocol's words, and what the answer can repeat."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from hub.protocol.errors import Refusal
from hub.protocol.forms import is_id
from hub.protocol.messages import CLIENT_TYPES, SERVER_TYPES, TYPES, ClientMessage, Id, MediaPublish
from hub.protocol.wording import came, complaint_of

MAX_BATCH = 256
"""Messages of one array (M12, L12)."""
BATCH_FORM = f"expected an array of 1 to {MAX_BATCH} messages"
OBJECT_FORM = "expected an object with a member type"
RIGHT_FORM = 'a message is an object with a "type", such as {"type":"subscribe","channel":"metrics"}'


class Unreadable(msgspec.Struct, frozen=True):
    """A message that cannot be read: why, and what could be made out of it for the answer (M4, E2)."""

    refusal: Refusal
    type: str | None = None
    id: Id | None = None
    channel: str | None = None
    mid: str | None = None


Inbound = ClientMessage | MediaPublish | Unreadable
Sized = tuple[Inbound, int]
"""A message and its size on the wire."""


_CLASSES = {name: kind for kind, name in TYPES.items()}


def bad(message: str, path: str | None = None) -> Unreadable:
    """Nothing can be made out of it."""
    return Unreadable(Refusal("bad_message", message, path=path))


def in_array(message: Inbound, index: int) -> Inbound:
    """`message` as an element of an array: one that is no object has nothing but its place to be told by (M12)."""
    if isinstance(message, Unreadable) and message.refusal.message.startswith(OBJECT_FORM):
        return bad(f"{index}: {message.refusal.message}", path=str(index))
    return message


def explain(data: bytes, error: msgspec.ValidationError) -> Unreadable:
    """The decoder's complaint in the protocol's words, with whatever the answer has to repeat."""
    try:
        seen = orjson.loads(data)
    except orjson.JSONDecodeError as fault:
        return Unreadable(Refusal("bad_json", f"expected JSON: {fault}"))
    if not isinstance(seen, dict):
        return bad(f"{OBJECT_FORM}, came {came(seen)}")
    return salvage(seen, _refusal(seen, error))


def salvage(members: Mapping[str, Any], refusal: Refusal) -> Unreadable:
    """`refusal` of a message that holds at least these members, with whatever of them its answer has to repeat."""
    kind, given = members.get("type"), members.get("id")
    return Unreadable(
        refusal,
        type=kind if isinstance(kind, str) and kind in CLIENT_TYPES else None,
        id=given if is_id(given) and kind != "ack" else None,  # `ack` defines no id (M5)
        channel=_short(members.get("channel")),
        mid=_short(members.get("mid")),
    )


def _refusal(seen: Mapping[str, Any], error: msgspec.ValidationError) -> Refusal:
    kind = seen.get("type")
    if not isinstance(kind, str):
        return Refusal("bad_message", _right_form(seen, kind), path="type")
    if kind not in CLIENT_TYPES:
        return Refusal("unknown_type", _unknown_type(kind), path="type")
    complaint = complaint_of(error, seen, _CLASSES[kind])
    return Refusal("bad_message", complaint.sentence, path=complaint.path)


def _right_form(seen: Mapping[str, Any], kind: object) -> str:
    old = seen.get("subscribe")
    if kind is None and isinstance(old, str) and re.fullmatch(r"[A-Za-z0-9_.:/-]{1,64}", old):
        return f'this form is no longer spoken; write {{"type":"subscribe","channel":"{old}"}}'
    return f"{RIGHT_FORM}; came {'none' if kind is None else f'the type {came(kind)}'}"


def _unknown_type(kind: str) -> str:
    if kind in SERVER_TYPES:
        return f"{kind} is sent by the server only"
    return f"expected one of {', '.join(sorted(CLIENT_TYPES))}, came {kind[:64]!r}"


def _short(value: Any) -> str | None:
    """Only what may stand in a message is repeated in an answer."""
    return value if isinstance(value, str) and len(value) <= 64 else None
