"""Media frames (B4): a message whose `data` is bytes, as one binary message of the JSON subprotocols.

byte 0x01, length of the header (32 bits, big-endian), the header (JSON without `data`), the payload
"""

from collections.abc import Mapping
from typing import Any

MEDIA = b"\x01"

# Where the header begins.
HEADER = 5


def is_media(message: Mapping[str, Any]) -> bool:
    """Whether its `data` is bytes, and it goes as a media frame or with `bin`."""
    return isinstance(message.get("data"), bytes | bytearray | memoryview)


def without_payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """What of a message is text: all of it, or of media all but `data`."""
    return {name: value for name, value in message.items() if name != "data"} if is_media(message) else message


def join(header: bytes, payload: bytes | bytearray | memoryview) -> bytes:
    """One frame."""
    return b"".join((MEDIA, len(header).to_bytes(4, "big"), header, payload))


def split(frame: bytes) -> tuple[bytes, bytes]:
    """Header and payload of a frame; ValueError where it is none."""
    end = HEADER + int.from_bytes(frame[1:HEADER], "big")
    if frame[:1] != MEDIA or not HEADER <= end <= len(frame):
        raise ValueError(f"expected a media frame, came {len(frame)} bytes that are none")
    return frame[HEADER:end], frame[end:]
