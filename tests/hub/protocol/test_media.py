"""Media frames (B4): what a binary message of a JSON subprotocol holds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.binary import binary_handler
from hub.protocol.media import MAX_HEADER, decode_media
from hub.protocol.messages import MediaPublish
from hub.protocol.unreadable import Unreadable

HEADER = {"type": "publish", "id": 9, "channel": "actions", "event": "camera.frame", "content_type": "image/jpeg"}


def frame(
    header: Any = HEADER, payload: bytes = b"\xff\xd8", length: int | None = None, first: bytes = b"\x01"
) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return first + (len(text) if length is None else length).to_bytes(4, "big") + text + payload


@pytest.mark.clause("B4")
@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x01{}", bytes(range(256)) * 9])
def test_a_media_frame_is_a_publish_and_its_payload(payload: bytes) -> None:
    message = decode_media(frame(payload=payload))
    assert isinstance(message, MediaPublish)
    assert (message.payload, message.id, message.channel, message.content_type) == (payload, 9, "actions", "image/jpeg")


@pytest.mark.clause("B4", "M10", "M11")
@pytest.mark.parametrize(
    ("given_frame", "error"),
    [
        (b"", "bad_message"),
        (b"\x01", "bad_message"),
        (b"\x01\x00\x00\x00", "bad_message"),
        (frame(first=b"\x00"), "bad_message"),
        (frame(first=b"{"), "bad_message"),
        (frame(length=10_000), "bad_message"),
        (frame({**HEADER, "key": "x" * MAX_HEADER}), "bad_message"),
        (frame(length=2**32 - 1), "bad_message"),
        (frame({"type": "event", **{name: value for name, value in HEADER.items() if name != "type"}}), "unknown_type"),
        (frame({"type": "ping"}), "bad_message"),
        (frame([HEADER]), "bad_message"),
        (frame(b""), "bad_json"),
        (frame(b'{"type":"publish","type":"publish"}'), "bad_json"),
        (frame(b"\xff"), "bad_json"),
        (frame(b'{"type":"publish","channel":"a","event":"m","key":"\xff","content_type":"text/plain"}'), "bad_json"),
        (frame(b'{"type":"publish","channel":"a","event":"m","more":"\xff","content_type":"text/plain"}'), "bad_json"),
        (frame({"type": "publish", "channel": "logs"}), "bad_message"),
    ],
)
def test_what_is_no_media_frame_is_told(given_frame: bytes, error: str) -> None:
    message = decode_media(given_frame)
    assert isinstance(message, Unreadable)
    assert message.refusal.error == error


@pytest.mark.clause("B4")
@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_is_a_publish_or_refused(data: bytes, is_prefixed: bool) -> None:
    given_frame = b"\x01" + data if is_prefixed else data
    assert isinstance(decode_media(given_frame), MediaPublish | Unreadable)


@pytest.mark.clause("B4")
def test_what_the_ready_made_messages_are_can_be_read() -> None:
    message = decode_media(binary_handler.create_image_message(b"img", format="jpeg", width=1920, height=1080))
    assert isinstance(message, MediaPublish)
    assert (message.payload, message.content_type) == (b"img", "image/jpeg")
