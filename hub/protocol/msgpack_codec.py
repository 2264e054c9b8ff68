"""`ng-ws.v1.msgpack`: maps with string keys, no extension types, no NaN (M14).

A message is brought into JSON and then takes the way of JSON, so that no rule exists twice.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack  # type: ignore[import-untyped]
import orjson

from channels._native import check_json
from hub.protocol.codec import Encoding, Members
from hub.protocol.json_codec import JsonCodec
from hub.protocol.unreadable import BATCH_FORM, MAX_BATCH, Inbound, Sized, bad


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
        media = _take_media(value)
        try:
            _check_value(value)
            text = orjson.dumps(value)
            check_json(text)
        except (ValueError, TypeError) as error:
            return bad(str(error))
        message = self._json.decode_one(text)
        if media is None or isinstance(message, Unreadable):
            return message
        member, refusal = media
        return unserved(text, refusal) if member in _FREE.get(type(message), ()) else bad(f"{member}: {refusal.message}")

    def encode(self, message: dict[str, Any]) -> bytes:
        """One msgpack map."""
        packed: bytes = msgpack.packb(message)
        return packed

    def embed(self, value: bytes) -> Any:
        """The same value: integers stay integers, floats 64-bit floats (M14)."""
        return orjson.loads(value)

    def subscribed(self, head: Members, channels: Mapping[str, Members], errors: Mapping[str, Members]) -> list[bytes]:
        """The plane's two members come first in each channel's map, whose header counts them."""
        packer = msgpack.Packer()
        leading = {**head, "errors": errors} if errors else head
        before = packer.pack_map_header(len(leading) + 1) + _packed_members(packer, leading)
        before += packer.pack("channels") + packer.pack_map_header(len(channels))
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


def _no_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"extension types are not spoken, came type {code} of {len(data)} bytes")


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
    if type(value) is not dict:
        raise ValueError(f"expected a map with each key once, came {_kind(value)}")
    todo: list[tuple[Any, bool]] = [(child, key in {"data", "payload"}) for key, child in value.items()]
    while todo:
        child, is_free = todo.pop()
        match child:
            case float():
                if not math.isfinite(child):
                    raise ValueError(f"expected finite numbers, came {child}")
            case dict():
                if isinstance(child, _RepeatedKeys) and not is_free:
                    raise ValueError("expected each key once, came one twice")
                todo.extend((grandchild, is_free) for grandchild in child.values())
            case list():
                todo.extend((grandchild, is_free) for grandchild in child)
            case str() | int() | None:
                pass
            case _:
                raise ValueError(f"expected what JSON can hold, came {_kind(child)}")


def _kind(value: Any) -> str:
    if isinstance(value, _RepeatedKeys):
        return "a map with a key twice"
    return {bytes: "bin", list: "an array", msgpack.Timestamp: "a timestamp"}.get(type(value), type(value).__name__)
