"""Messages that cannot be read: what is wrong with them, in the protocol's words, and what the answer can repeat."""

import re
from typing import Any

import msgspec

from hub.protocol.errors import Refusal
from hub.protocol.forms import is_id
from hub.protocol.messages import CLIENT_TYPES, SERVER_TYPES, ClientMessage, Id

MAX_BATCH = 256
"""Messages of one array (M12, L12)."""
BATCH_FORM = f"expected an array of 1 to {MAX_BATCH} messages"
RIGHT_FORM = 'a message is an object with a "type", such as {"type":"subscribe","channel":"metrics"}'


class Unreadable(msgspec.Struct, frozen=True):
    """A message that cannot be read: why, and what could be made out of it for the answer (M4, E2)."""

    refusal: Refusal
    type: str | None = None
    id: Id | None = None
    channel: str | None = None
    mid: str | None = None


Inbound = ClientMessage | Unreadable
Sized = tuple[Inbound, int]
"""A message and its size on the wire."""


_AT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")


class _Envelope(msgspec.Struct):
    """What is looked for in a message that has something wrong elsewhere."""

    type: Any = None
    id: Any = None
    channel: Any = None
    mid: Any = None
    subscribe: Any = None


_envelopes = msgspec.json.Decoder(_Envelope)


def bad(message: str, path: str | None = None) -> Unreadable:
    """Nothing can be made out of it."""
    return Unreadable(Refusal("bad_message", message, path=path))


def explain(data: bytes, complaint: str) -> Unreadable:
    """The decoder's complaint in the protocol's words, with whatever the answer has to repeat."""
    try:
        seen = _envelopes.decode(data)
    except msgspec.ValidationError:
        return bad(f"{RIGHT_FORM}; came no object")
    kind = seen.type if isinstance(seen.type, str) else None
    return Unreadable(
        _refusal(seen, kind, complaint),
        type=kind if kind in CLIENT_TYPES else None,
        id=seen.id if is_id(seen.id) and kind != "ack" else None,  # `ack` defines no id (M5)
        channel=_short(seen.channel),
        mid=_short(seen.mid),
    )


def _refusal(seen: _Envelope, kind: str | None, complaint: str) -> Refusal:
    if kind is None:
        return Refusal("bad_message", _right_form(seen), path="type")
    if kind not in CLIENT_TYPES:
        return Refusal("unknown_type", _unknown_type(kind), path="type")
    match = _AT.fullmatch(complaint)
    what, path = (match["what"], match["path"] or "") if match else (complaint, "")
    if missing := _MISSING.match(what):
        path = f"{path}.{missing['name']}".removeprefix(".")
        return Refusal("bad_message", f"{kind} needs {path}", path=path)
    path = re.sub(r"\[(\d+)\]", r".\1", path).replace("[...]", "")
    what = what.replace("`", "").replace(" | null", "").replace("Expected", "expected").replace("got", "came")
    return Refusal("bad_message", f"{path}: {what}", path=path)


def _right_form(seen: _Envelope) -> str:
    old = seen.subscribe
    if seen.type is None and isinstance(old, str) and re.fullmatch(r"[A-Za-z0-9_.:/-]{1,64}", old):
        return f'this form is no longer spoken; write {{"type":"subscribe","channel":"{old}"}}'
    came = "none" if seen.type is None else f'a "type" that is no string ({type(seen.type).__name__})'
    return f"{RIGHT_FORM}; came {came}"


def _unknown_type(kind: str) -> str:
    if kind in SERVER_TYPES:
        return f"{kind} is sent by the server only"
    return f"expected one of {', '.join(sorted(CLIENT_TYPES))}, came {kind[:64]!r}"


def _short(value: Any) -> str | None:
    """Only what may stand in a message is repeated in an answer."""
    return value if isinstance(value, str) and len(value) <= 64 else None
