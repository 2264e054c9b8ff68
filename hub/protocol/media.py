"""Media frames: binary messages of the JSON subprotocols (B4)."""

from channels._native import check_json
from hub.protocol.errors import Refusal
from hub.protocol.json_codec import JsonCodec
from hub.protocol.messages import MediaPublish, Publish
from hub.protocol.unreadable import Inbound, Unreadable, bad
from hub.protocol.wording import came

MEDIA = 1
"""What a media frame begins with; other first bytes are reserved."""
MAX_HEADER = 65_536
"""Bytes of the JSON between the first five bytes and the payload."""
_PREFIX = 5
_json = JsonCodec(arrays=False)


def decode_media(frame: bytes) -> Inbound:
    """The publish that `frame` is, or why it is none."""
    if frame[:1] != bytes((MEDIA,)):
        return bad(f"expected a media frame, whose first byte is 0x01, came {frame[:1].hex() or 'an empty message'}")
    length = int.from_bytes(frame[1:_PREFIX], "big")
    if len(frame) < _PREFIX or length > MAX_HEADER or _PREFIX + length > len(frame):
        most = min(MAX_HEADER, max(0, len(frame) - _PREFIX))
        return bad(f"expected a header of at most {most} bytes behind its length, came one of {length}")
    header, payload = frame[_PREFIX : _PREFIX + length], frame[_PREFIX + length :]
    try:
        check_json(header)
    except ValueError as error:
        return Unreadable(Refusal("bad_json", f"header: {error}"))
    return with_payload(_json.decode_one(header), payload)


def with_payload(message: Inbound, payload: bytes) -> Inbound:
    """`message`, which stood before `payload`."""
    if isinstance(message, Publish):
        return MediaPublish.of(message, payload)
    if isinstance(message, Unreadable):
        return message
    return bad(f"expected a publish before the payload, came {came(type(message).__name__.lower())}", path="type")
