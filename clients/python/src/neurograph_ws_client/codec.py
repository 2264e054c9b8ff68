"""Messages to bytes and back, for the two subprotocols (C2).

What goes out is written by the standard library: it refuses NaN, where orjson would send null in its place.
What comes in is read by orjson if it is installed (M13 keeps integers within what it reads exactly).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from .checks import place_of_fault
from .media import MEDIA, is_media, join, split

Message = Mapping[str, Any]


class Codec(Protocol):
    """One form of all frames of a connection."""

    subprotocol: str
    is_text: bool

    def encode(self, message: Message | Sequence[Message]) -> bytes:
        """Write one message or an array of them; TypeError or ValueError where it has no such form."""
        ...

    def decode(self, payload: bytes) -> Any:
        """Read a payload; ValueError where it cannot be read."""
        ...


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def _read_plain(payload: bytes) -> Any:
    try:
        return _decoder.decode(payload.decode())
    except RecursionError as fault:
        raise ValueError("nested too deeply") from fault


_read_json: Callable[[bytes], Any]
try:
    from orjson import loads as _read_json
except ImportError:
    _read_json = _read_plain


class JsonCodec:
    """JSON text, UTF-8; a message whose `data` is bytes is a media frame (B4)."""

    subprotocol = "ng-ws.v1.json"
    is_text = True

    def encode(self, message: Message | Sequence[Message]) -> bytes:
        """Write compact JSON; NaN and lone surrogates are refused (M10), told with their place."""
        if isinstance(message, Mapping) and is_media(message):
            return join(self._text({name: value for name, value in message.items() if name != "data"}), message["data"])
        return self._text(message)

    def _text(self, message: Message | Sequence[Message]) -> bytes:
        try:
            return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except TypeError as fault:
            raise TypeError(place_of_fault(message) or str(fault)) from fault
        except ValueError as fault:
            raise ValueError(place_of_fault(message) or str(fault)) from fault
        except RecursionError as fault:
            raise ValueError("expected a JSON value, got one that is nested too deeply") from fault

    def decode(self, payload: bytes) -> Any:
        """Read JSON, or a media frame, which no JSON begins like."""
        if payload[:1] != MEDIA:
            return _read_json(payload)
        header, data = split(payload)
        message = _read_json(header)
        return {**message, "data": data} if isinstance(message, dict) else message


class MsgpackCodec:
    """MessagePack maps; needs the extra `msgpack`."""

    subprotocol = "ng-ws.v1.msgpack"
    is_text = False

    def __init__(self) -> None:
        try:
            import msgpack  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra, asked for where it is used
        except ImportError as fault:
            raise ImportError('encoding="msgpack" needs: pip install "neurograph-ws-client[msgpack]"') from fault
        self._pack = msgpack.packb
        self._unpack = msgpack.unpackb

    def encode(self, message: Message | Sequence[Message]) -> bytes:
        """Write a map or an array of maps."""
        packed: bytes = self._pack(message)
        return packed

    def decode(self, payload: bytes) -> Any:
        """Read a map or an array of maps; extension types but timestamps are refused (M14)."""
        try:
            return self._unpack(payload, ext_hook=_refuse_extension)
        except RecursionError as fault:
            raise ValueError("nested too deeply") from fault


def _refuse_extension(code: int, data: bytes) -> Any:
    raise ValueError(f"extension type {code} of {len(data)} bytes is not part of the protocol")


def codecs_for(encoding: str) -> tuple[Codec, ...]:
    """The codecs to offer, the wanted one first; JSON always last, which every hub speaks."""
    match encoding:
        case "json":
            return (JsonCodec(),)
        case "msgpack":
            return (MsgpackCodec(), JsonCodec())
    raise ValueError(f'encoding: expected "json" or "msgpack", got {encoding!r}')
