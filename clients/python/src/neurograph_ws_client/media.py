"""Media frames (B4): a message whose `data` is bytes, as one binary message of the JSON subprotocols.

byte 0x01, length of the header (32 bits, big-endian), the header (JSON without `data`), the payload
"""

from collections.abc import Mapping
from typing import Any

MEDIA = b"\x01"
_PREFIX = 5


def is_media(message: Mapping[str, Any]) -> bool:
    """Whether its `data` is bytes, and it goes as a media frame or with `bin`."""
    return isinstance(message.get("data"), bytes | bytearray | memoryview)


def join(header: bytes, payload: bytes | bytearray | memoryview) -> bytes:
    """One frame."""
    return b"".join((MEDIA, len(header).to_bytes(4, "big"), header, payload))


def split(frame: bytes) -> tuple[bytes, bytes]:
    """Header and payload of a frame; ValueError where it is none."""
    end = _PREFIX + int.from_bytes(frame[1:_PREFIX], "big")
    if frame[:1] != MEDIA or not _PREFIX <= end <= len(frame):
        raise ValueError(f"expected a media frame, came {len(frame)} bytes that are none")
    return frame[_PREFIX:end], frame[end:]
