"""`ng-ws.v1.json`, and the form without a subprotocol. What comes here passed the native scan (M10, M11, M13)."""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from hub.protocol.codec import Encoding, Members, member_of
from hub.protocol.errors import Refusal
from hub.protocol.messages import ClientMessage
from hub.protocol.unreadable import BATCH_FORM, MAX_BATCH, Inbound, Sized, Unreadable, bad, explain, in_array


class JsonCodec:
    """`ng-ws.v1.json`, or no subprotocol at all, where arrays are not allowed (M12)."""

    encoding: Encoding = "json"

    def __init__(self, *, arrays: bool) -> None:
        self._arrays = arrays
        self._decoder = msgspec.json.Decoder(ClientMessage)

    def decode(self, data: bytes) -> list[Sized]:
        """The message, or the messages of an array, each for itself."""
        if data.lstrip(b" \t\r\n")[:1] != b"[":
            return [(self.decode_one(data), len(data))]
        if not self._arrays:
            return [(bad("arrays of messages need the subprotocol ng-ws.v1.json, came one without"), len(data))]
        try:
            elements = _elements(data)
        except msgspec.ValidationError:
            return [(bad(f"{BATCH_FORM}, came {_number(data)}"), len(data))]
        except msgspec.DecodeError as error:
            return [(_bad_json(error), len(data))]
        if not elements:
            return [(bad(f"{BATCH_FORM}, came none"), len(data))]
        return [(in_array(self.decode_one(element), index), len(element)) for index, element in enumerate(elements)]

    def decode_one(self, data: bytes) -> Inbound:
        """One message that is no array."""
        try:
            message: ClientMessage = self._decoder.decode(data)
        except msgspec.ValidationError as error:
            return explain(data, error)
        except (msgspec.DecodeError, RecursionError) as error:
            return _bad_json(error)
        return message

    def encode(self, message: dict[str, Any]) -> bytes:
        """Compact JSON."""
        return orjson.dumps(message)

    def embed(self, value: bytes) -> Any:
        """The text itself, unchanged (M37)."""
        return orjson.Fragment(value)

    def in_parts(self, head: Members, channels: Mapping[str, Members], errors: Mapping[str, Members]) -> list[bytes]:
        """Cut right after the opening brace of each channel's object."""
        parts = []
        before = orjson.dumps(head)[:-1] + f',"{member_of(head)}":{{'.encode()
        for name, options in channels.items():
            parts.append(before + orjson.dumps(name) + b":{")
            before = b"," + orjson.dumps(options)[1:] + b","
        closing = b',"errors":' + orjson.dumps(errors) + b"}" if errors else b"}"
        return [*parts, before[:-1] + b"}" + closing]


# An array as a struct of so many members: the one too many is refused where it stands, and nothing is made of the rest.
_Batch = msgspec.defstruct(
    "_Batch",
    [(f"m{index}", msgspec.Raw, msgspec.Raw()) for index in range(MAX_BATCH)],
    array_like=True,
    forbid_unknown_fields=True,
)
_batches = msgspec.json.Decoder(_Batch)
_COUNTED = 16_384
"""Bytes of an array that is too long whose elements are counted for the answer."""


def _elements(data: bytes) -> list[bytes]:
    """The texts of the messages of an array; raises `ValidationError` if there are more than an array may hold."""
    return [text for element in msgspec.structs.astuple(_batches.decode(data)) if (text := bytes(element))]


def _number(data: bytes) -> str:
    """How many elements an array has that has too many."""
    return str(len(orjson.loads(data))) if len(data) <= _COUNTED else "more"


def _bad_json(error: Exception) -> Unreadable:
    return Unreadable(Refusal("bad_json", f"expected JSON: {error}"))
