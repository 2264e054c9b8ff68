"""Media frames as a bare client writes and reads them (B4)."""

import json
from typing import Any


def media_frame(header: dict[str, Any], payload: bytes) -> bytes:
    """One binary message."""
    text = json.dumps(header).encode()
    return b"\x01" + len(text).to_bytes(4, "big") + text + payload


def read_media(frame: bytes) -> dict[str, Any]:
    """Its header, with the payload as `data`."""
    assert frame[0] == 1
    end = 5 + int.from_bytes(frame[1:5], "big")
    return {**json.loads(frame[5:end]), "data": frame[end:]}
