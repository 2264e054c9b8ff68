"""Media in the Python client: frames, codecs, contents, and the events that come of them (B4, B5, B9)."""

import gzip
import json
import re
import zlib
from typing import Any

import neurograph_ws_client as client
import pytest
from neurograph_ws_client import Event, binary_handler
from neurograph_ws_client.codec import JsonCodec, MsgpackCodec
from neurograph_ws_client.contents import opened
from neurograph_ws_client.deflate import Deflate
from neurograph_ws_client.glimpse import Unread
from websockets.frames import Frame, Opcode

from tests.support.content_vectors import MediaVectors

EVENT = {"type": "event", "channel": "actions", "offset": 7, "event": "e", "ts": 1.5, "content_type": "image/png"}


class TestBinary(MediaVectors):
    handler = binary_handler


def test_the_names_of_the_documents_are_there() -> None:
    for name in ("create_image_message", "create_audio_message", "create_video_message", "create_data_message"):
        assert getattr(client, name) == getattr(binary_handler, name)


@pytest.mark.clause("B4", "B5")
@pytest.mark.parametrize("payload", [b"", b"\x01\x00", bytes(range(256))])
def test_bytes_go_as_a_media_frame_or_as_bin_and_come_back(payload: bytes) -> None:
    message: dict[str, Any] = {**EVENT, "data": payload}
    frame = JsonCodec().encode(message)
    assert (frame[:1], frame[-len(payload) :] if payload else b"") == (b"\x01", payload)
    assert JsonCodec().decode(frame) == message
    assert MsgpackCodec().decode(MsgpackCodec().encode(message)) == message
    assert JsonCodec().encode({**EVENT, "data": "text"})[:1] == b"{"


@pytest.mark.clause("B4")
@pytest.mark.parametrize("frame", [b"\x01", b"\x01\xff\xff\xff\xff{}", b"\x01\0\0\0\x02{"])
def test_a_frame_that_is_cut_is_not_read(frame: bytes) -> None:
    with pytest.raises(ValueError, match="expected a media frame"):
        JsonCodec().decode(frame)


@pytest.mark.clause("B9")
@pytest.mark.parametrize("encode", [("gzip", gzip.compress), ("zlib", zlib.compress)])
def test_what_is_encoded_is_opened(encode: tuple[str, Any]) -> None:
    name, compress = encode
    encoded = {**EVENT, "content_encoding": name}
    table = opened({**encoded, "content_type": "text/csv", "data": compress(b"a,b")}, 100)
    document = opened({**encoded, "content_type": "Application/JSON; x=y", "data": compress(b'{"a":1}')}, 100)
    assert (table["data"], document["data"]) == (b"a,b", {"a": 1})
    assert "content_encoding" not in table.keys() | document.keys()
    for broken in (compress(bytes(101)), b"no", compress(b"{")):
        unread = opened({**encoded, "content_type": "application/json", "data": broken}, 100)
        assert (type(unread), set(unread.members)) == (Unread, {"type", "channel", "offset"})
        assert re.search(r"expected|Expecting|header|zlib", unread.why)
    for other in ({"type": "pong"}, [1], 7, {**encoded, "data": "text"}):
        assert opened(other, 100) == other


@pytest.mark.clause("M44", "B4")
def test_an_event_shows_its_media_and_writes_what_of_it_is_json() -> None:
    frame = JsonCodec().encode({**EVENT, "meta": {"width": 7}, "data": b"\x89PNG"})
    event: Event[bytes] = Event(JsonCodec().decode(frame), "k3Fq", frame)
    assert (event.data, event.content_type, event.meta) == (b"\x89PNG", "image/png", {"width": 7})
    assert json.loads(event.wire) == {**EVENT, "meta": {"width": 7}}
    plain: Event[Any] = Event({**EVENT, "data": 1}, "k3Fq")
    assert (json.loads(plain.wire)["data"], plain.meta) == (1, None)


@pytest.mark.clause("B3")
@pytest.mark.parametrize(
    ("opcode", "data", "is_compressed"),
    [
        (Opcode.TEXT, b"a" * 511, False),
        (Opcode.TEXT, b"a" * 512, True),
        (Opcode.BINARY, b"\x83" + b"a" * 600, True),
        (Opcode.BINARY, b"\x01" + b"a" * 600, False),
        (Opcode.PING, b"", False),
    ],
)
def test_what_is_short_and_media_are_sent_as_they_are(opcode: Opcode, data: bytes, is_compressed: bool) -> None:
    extension = Deflate(True, True, 15, 15)
    frame = extension.encode(Frame(opcode, data))
    assert frame.rsv1 is is_compressed
    assert bytes(extension.decode(frame).data) == data
