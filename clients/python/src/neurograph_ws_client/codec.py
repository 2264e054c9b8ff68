"""Messages to bytes and back, for the two subprotocols (C2).

What goes out is written by the standard library: it refuses NaN, where orjson would send null in its place.
What comes in is read by orjson if it is installed (M13 keeps integers within what it reads exactly).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from .errors import BadRequest
from .fitness import fault_of, is_plain
from .glimpse import TELLING, Unread, elements_of, telling_of
from .media import HEADER, MEDIA, is_media, join, split, without_payload

Message = Mapping[str, Any]


class Codec(Protocol):
    """One form of all frames of a connection."""

    subprotocol: str
    is_text: bool

    @property
    def read_plain(self) -> Callable[[bytes], Any]:
        """Reads what most payloads are, at the least cost; ValueError where one is anything else."""
        ...

    def encode(self, message: Message | Sequence[Message]) -> bytes:
        """Write one message or an array of them; BadRequest names the place of what has no form on the wire."""
        ...

    def decode(self, payload: bytes) -> Any:
        """Read a payload; ValueError where it cannot be read."""
        ...

    def salvage(self, payload: bytes, why: str) -> Any:
        """What `decode` refused, by parts: `Unread` in place of each message that cannot be read."""
        ...


def _check(message: Message | Sequence[Message], *, wants_names: bool = False) -> None:
    """BadRequest for the first value that has no form on the wire."""
    for one in (message,) if isinstance(message, Mapping) else message:
        if (fault := fault_of(without_payload(one), wants_names=wants_names)) is not None:
            raise fault


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
    read_plain = staticmethod(_read_json)

    def encode(self, message: Message | Sequence[Message]) -> bytes:
        """Write compact JSON (M10, M13)."""
        if isinstance(message, Mapping) and is_media(message):
            return join(self._text(without_payload(message)), message["data"])
        return self._text(message)

    def _text(self, message: Message | Sequence[Message]) -> bytes:
        try:
            text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as fault:
            _check(message)
            raise BadRequest(str(fault), error="bad_message") from fault
        if not is_plain(text):
            _check(message)
        return text

    def decode(self, payload: bytes) -> Any:
        """Read JSON, or a media frame, which no JSON begins like."""
        if payload[:1] != MEDIA:
            return _read_json(payload)
        header, data = split(payload)
        message = _read_json(header)
        return {**message, "data": data} if isinstance(message, dict) else message

    def salvage(self, payload: bytes, why: str) -> Any:
        """A media frame is known by its header, each message of an array is read by itself."""
        if payload[:1] == MEDIA:
            return Unread(telling_of(payload[HEADER:]), why)
        elements = elements_of(payload)
        if elements is None:
            return Unread(telling_of(payload), why)
        rest = [] if elements.rest is None else [Unread(telling_of(elements.rest), why, is_endless=True)]
        return [*map(self._read, elements.whole), *rest]

    def _read(self, text: bytes) -> Any:
        try:
            return _read_json(text)
        except ValueError as fault:
            return Unread(telling_of(text), str(fault))


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
        self.read_plain = self.decode
        self._reader = msgpack.Unpacker
        self._unpack_error: type[Exception] = msgpack.UnpackException

    def encode(self, message: Message | Sequence[Message]) -> bytes:
        """Write a map or an array of maps (M13, M14)."""
        # The library would write much that no hub takes: NaN, extension types, bytes and names of any kind.
        _check(message, wants_names=True)
        try:
            packed: bytes = self._pack(message)
        except (TypeError, ValueError, OverflowError, RecursionError) as fault:
            raise BadRequest(str(fault), error="bad_message") from fault
        return packed

    def decode(self, payload: bytes) -> Any:
        """Read a map or an array of maps; extension types but timestamps are refused (M14)."""
        try:
            return self._unpack(payload, ext_hook=_refuse_extension)
        except RecursionError as fault:
            raise ValueError("nested too deeply") from fault

    def salvage(self, payload: bytes, why: str) -> Any:
        """Each message of an array is read by itself; of a map the plain members are found."""
        reader = self._reader()
        reader.feed(payload)
        try:
            count = reader.read_array_header()
        except ValueError:
            return Unread(self._telling(payload), why)
        first, spans = reader.tell(), [*self._spans(reader, count)]
        read = [self._read(payload[start:end]) for start, end in spans]
        if len(read) == count:
            return read
        rest = payload[spans[-1][1] if spans else first :]
        return [*read, Unread(self._telling(rest), why, is_endless=True)]

    def _spans(self, reader: Any, count: int) -> Iterator[tuple[int, int]]:
        for _ in range(count):
            start = reader.tell()
            try:
                reader.skip()
            except (ValueError, self._unpack_error):
                return
            yield start, reader.tell()

    def _read(self, message: bytes) -> Any:
        try:
            return self.decode(message)
        except ValueError as fault:
            return Unread(self._telling(message), str(fault))

    def _telling(self, message: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        reader = self._reader()
        reader.feed(message)
        try:
            for _ in range(reader.read_map_header()):
                name = reader.unpack()
                if isinstance(name, str) and name in TELLING:
                    found[name] = reader.unpack()
                else:
                    reader.skip()
        except (ValueError, self._unpack_error):
            # What stands before the fault is still told.
            pass
        return found


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
