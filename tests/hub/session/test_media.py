"""What a session makes of payloads: their form, their encoding, and what of them it passes on (B4-B9)."""

from typing import Any

import pytest

from channels.publication import Content
from hub.session import Publish
from tests.hub.session.support import Bench, admin, bench, developer
from tests.support.media import media_frame

JPEG = {"channel": "actions", "event": "camera.frame", "content_type": "image/jpeg"}


def send(peer: Bench, payload: bytes = b"\xff\xd8", **members: Any) -> Any:
    """One media publish in the form of the subprotocol."""
    message = {"type": "publish", **JPEG, **members}
    message = {name: value for name, value in message.items() if value is not ...}
    if peer.session.codec.encoding == "msgpack":
        (answer,) = peer.send({**message, "data": payload})
    else:
        (answer,) = peer.take(peer.session.received_binary(media_frame(message, payload), peer.moment))
    return answer


@pytest.fixture(params=[None, "ng-ws.v1.json", "ng-ws.v1.msgpack"])
def peer(request: pytest.FixtureRequest) -> Bench:
    return bench(admin(), subprotocol=request.param)


@pytest.mark.clause("B4", "B5")
def test_a_payload_becomes_a_publication_byte_for_byte(peer: Bench) -> None:
    payload = bytes(range(256))
    effect = send(peer, payload, id=9, key="cam-1", tags={"a": "b"}, mid="m", meta={"format": "jpeg", "width": 1920})
    assert isinstance(effect, Publish)
    publication = effect.publication
    assert (publication.data, publication.key, publication.tags) == (payload, "cam-1", b'{"a":"b"}')
    assert publication.content == Content("image/jpeg", None, b'{"format":"jpeg","width":1920}')
    assert publication.entry[6:] == (publication.content,)
    assert (effect.ticket.id, effect.ticket.mid) == (9, "m")


@pytest.mark.clause("B6")
def test_without_a_media_type_it_is_octets(peer: Bench) -> None:
    effect = send(peer, content_type=...)
    assert effect.publication.content == Content("application/octet-stream")


@pytest.mark.clause("B6", "E2")
@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"content_type": "jpeg"}, "content_type"),
        ({"content_type": "image/" + "x" * 123}, "content_type"),
        ({"meta": {"width": 0}}, "meta"),
        ({"meta": {"height": 65_536}}, "meta"),
        ({"meta": {"format": 7}}, "meta"),
        ({"meta": {"duration": -1}}, "meta"),
        ({"meta": {"sample_rate": 1.5}}, "meta"),
        ({"meta": {"a": None}}, "meta"),
        ({"meta": {"a": [1]}}, "meta"),
        ({"meta": {f"m{n}": n for n in range(33)}}, "meta"),
        ({"meta": "x"}, "meta"),
        ({"content_encoding": 7}, "content_encoding"),
        ({"event": "a b"}, "event"),
        ({"channel": ...}, "channel"),
    ],
)
def test_what_is_said_of_a_payload_is_checked(peer: Bench, members: dict[str, Any], path: str) -> None:
    answer = send(peer, id=1, **members)
    assert (answer["code"], answer["error"], answer["path"], answer["id"]) == (400, "bad_message", path, 1)
    assert answer["message"].startswith(f"{path}: expected ")


@pytest.mark.clause("B7")
@pytest.mark.parametrize("encoding", ["gzip", "zlib", "deflate"])
def test_three_encodings_are_taken(peer: Bench, encoding: str) -> None:
    assert send(peer, content_encoding=encoding).publication.content.encoding == encoding


@pytest.mark.clause("B7", "E2")
@pytest.mark.parametrize("encoding", ["br", "zstd", "GZIP", ""])
def test_other_encodings_are_415(peer: Bench, encoding: str) -> None:
    answer = send(peer, content_encoding=encoding)
    assert (answer["code"], answer["error"], answer["path"]) == (415, "encoding_unsupported", "content_encoding")
    assert answer["channel"] == "actions"


@pytest.mark.clause("E6", "B7")
def test_the_right_is_asked_before_the_content_is_looked_at() -> None:
    answer = send(bench(developer()), content_encoding="br")
    assert (answer["code"], answer["error"]) == (403, "forbidden")


@pytest.mark.clause("M29", "B4")
def test_media_has_no_data_beside_its_payload() -> None:
    answer = send(bench(admin()), data=[1])
    assert (answer["code"], answer["path"]) == (400, "data")


@pytest.mark.clause("L7")
def test_the_limit_counts_the_frame_around_the_payload(peer: Bench) -> None:
    assert isinstance(send(peer, b"\0" * 1_048_000), Publish)
    answer = send(peer, b"\0" * 1_048_576)
    assert (answer["code"], answer["limit"]) == (413, 1_048_576)


@pytest.mark.clause("L8", "C13")
def test_who_has_not_logged_in_sends_no_media() -> None:
    answer = send(bench(None))
    assert (answer["code"], answer["error"]) == (401, "login_required")
