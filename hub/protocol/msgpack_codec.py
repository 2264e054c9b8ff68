"""`ng-ws.v1.msgpack`: maps with string keys, no extension types, no NaN (M14).

A message is brought into JSON and then takes the way of JSON, so that no rule exists twice.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack  # type: ignore[import-untyped]
import orjson

from channels._native import check_json
from hub.protocol.codec import Encoding, Members, member_of
from hub.protocol.errors import Refusal
from hub.protocol.json_codec import JsonCodec
from hub.protocol.media import with_payload
from hub.protocol.unreadable import BATCH_FORM, MAX_BATCH, OBJECT_FORM, Inbound, Sized, bad, in_array, salvage
from hub.protocol.wording import MAX_SHOWN, came


class MsgpackCodec:
    """`ng-ws.v1.msgpack`: maps with string keys, no extension types, no NaN (M14)."""

    encoding: Encoding = "msgpack"

    def __init__(self) -> None:
        self._json = JsonCodec(arrays=True)

    def decode(self, data: bytes) -> list[Sized]:
        """The message, or the messages of an array, each for itself."""
        try:
            value = msgpack.unpackb(data, strict_map_key=True, object_pairs_hook=_members, ext_hook=_no_extension)
        except (ValueError, RecursionError) as error:
            return [(bad(f"expected one msgpack map, came {_fault(error)}"), len(data))]
        if not isinstance(value, list):
            return [(self._decode_value(value), len(data))]
        if not 1 <= len(value) <= MAX_BATCH:
            return [(bad(f"{BATCH_FORM}, came {len(value)}"), len(data))]
        return [
            (in_array(self._decode_value(element), index), _size(element, len(data)))
            for index, element in enumerate(value)
        ]

    def _decode_value(self, value: Any) -> Inbound:
        if isinstance(value, dict) and value.get("type") == "publish" and type(value.get("data")) is bytes:
            payload = value.pop("data")
            return with_payload(self._decode_value(value), payload)  # B5
        try:
            _check_value(value)
            text = orjson.dumps(value)
            check_json(text)
        except _MemberError as error:
            return salvage(value, Refusal("bad_message", f"{error.path}: {error}", path=error.path))
        except (ValueError, TypeError) as error:
            return bad(str(error))
        return self._json.decode_one(text)

    def encode(self, message: dict[str, Any]) -> bytes:
        """One msgpack map."""
        packed: bytes = msgpack.packb(message)
        return packed

    def embed(self, value: bytes) -> Any:
        """The same value: integers stay integers, floats 64-bit floats (M14)."""
        return orjson.loads(value)

    def in_parts(self, head: Members, channels: Mapping[str, Members], errors: Mapping[str, Members]) -> list[bytes]:
        """The plane's two members come first in each channel's map, whose header counts them."""
        packer = msgpack.Packer()
        leading = {**head, "errors": errors} if errors else head
        before = packer.pack_map_header(len(leading) + 1) + _packed_members(packer, leading)
        before += packer.pack(member_of(head)) + packer.pack_map_header(len(channels))
        parts = []
        for name, options in channels.items():
            parts.append(before + packer.pack(name) + packer.pack_map_header(len(options) + 2))
            before = _packed_members(packer, options)
        return [*parts, before]


class _RepeatedKeys(dict[str, Any]):
    """A map that held a key twice; the last one counts where that is allowed (M11)."""


def _packed_members(packer: msgpack.Packer, members: Mapping[str, Any]) -> bytes:
    return b"".join(packer.pack(key) + packer.pack(value) for key, value in members.items())


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _RepeatedKeys(members)


class _ExtensionError(ValueError):
    """An extension type, and which."""


class _MemberError(ValueError):
    """A member of the message holds what no message may."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(what)
        self.path = path[:MAX_SHOWN]


def _no_extension(code: int, data: bytes) -> Any:
    raise _ExtensionError(f"extension type {code} of {len(data)} bytes, and none is spoken")


def _fault(error: Exception) -> str:
    """What came instead of one msgpack map, as far as the bytes tell."""
    match error:
        case _ExtensionError():
            return str(error)
        case msgpack.ExtraData():
            return f"{len(error.extra)} bytes more after it"
        case msgpack.FormatError():
            return "a byte that begins no value"
        case msgpack.StackError() | RecursionError():
            return "one nested too deeply"
        case UnicodeDecodeError():
            return "text that is not UTF-8"
    for sign, words in _FAULTS.items():
        if sign in str(error):
            return words
    return "bytes that are none"


_FAULTS = {
    "map key": "a key that is no text",
    "exceeds max": "a length that its bytes cannot hold",
    "incomplete": "one that ends too early",
}
"""What the library's text holds -> what came."""


def _size(element: Any, whole: int) -> int:
    """Bytes of one message of an array; packed anew only where the array is large enough to matter."""
    if whole <= 65_536:
        return whole
    try:
        return len(msgpack.packb(element))
    except (ValueError, TypeError):
        return whole


def _check_value(value: Any) -> None:
    """What JSON text could not hold and must not become silently (M14); iterative, so that depth costs no stack."""
    if type(value) is _RepeatedKeys:
        raise ValueError("expected a map with each key once, came one twice")
    if type(value) is not dict:
        raise ValueError(f"{OBJECT_FORM}, came {_kind(value)}")
    todo = [(child, _name(key)) for key, child in value.items()]
    while todo:
        child, member = todo.pop()
        match child:
            case float():
                if not math.isfinite(child):
                    raise _MemberError(member, f"expected finite numbers, came {child}")
            case dict():
                if isinstance(child, _RepeatedKeys) and member not in _FREE:
                    raise _MemberError(member, "expected each key once, came one twice")
                for key in child:
                    _name(key, member)
                todo.extend((grandchild, member) for grandchild in child.values())
            case list():
                todo.extend((grandchild, member) for grandchild in child)
            case str() | int() | None:
                pass
            case _:
                raise _MemberError(member, f"expected what JSON can hold, came {_kind(child)}")


_FREE = frozenset({"data", "payload"})
"""Members that stay as they came (M11)."""


def _name(key: Any, member: str = "") -> str:
    if isinstance(key, str):
        return key
    what = f"expected keys that are text, came one of type {_kind(key)}"
    raise _MemberError(member, what) if member else ValueError(what)


def _kind(value: Any) -> str:
    return {bytes: "bin", msgpack.Timestamp: "a timestamp"}.get(type(value)) or came(value)
