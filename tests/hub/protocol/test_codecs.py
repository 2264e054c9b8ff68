"""Bytes in, messages out, and back."""

import json
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.messages import MediaPublish, Ping, Publish
from hub.protocol.subprotocols import CODECS
from hub.protocol.unreadable import Unreadable

JSON, ARRAYS, MSGPACK = CODECS[None], CODECS["ng-ws.v1.json"], CODECS["ng-ws.v1.msgpack"]
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def packed(message: Any) -> bytes:
    data: bytes = msgpack.packb(message)
    return data


def publish(data: Any) -> dict[str, Any]:
    return {"type": "publish", "channel": "logs", "event": "x", "data": data}


def refusal(frame: bytes) -> str:
    ((message, _),) = MSGPACK.decode(frame)
    assert isinstance(message, Unreadable)
    return message.refusal.error


@pytest.mark.clause("M13", "M14", "B5")
@given(DATA)
def test_data_keeps_its_values_from_msgpack_to_json(data: Any) -> None:
    ((message, _),) = MSGPACK.decode(packed(publish(data)))
    assert isinstance(message, Publish)
    came = json.loads(bytes(message.data))
    assert (came, json.dumps(came)) == (data, json.dumps(data))


@pytest.mark.clause("M14")
def test_integers_stay_integers_and_floats_stay_floats() -> None:
    data = [1, 1.0, -1, 2**64 - 1, -(2**63), 0.1, 1e300]
    ((message, _),) = MSGPACK.decode(packed(publish(data)))
    assert isinstance(message, Publish)
    came = json.loads(bytes(message.data))
    assert [(value, type(value)) for value in came] == [(value, type(value)) for value in data]
    assert msgpack.unpackb(MSGPACK.encode({"a": data, "b": MSGPACK.embed(b"[1,1.0]")})) == {"a": data, "b": [1, 1.0]}


@pytest.mark.clause("M14", "M1", "M11", "M13")
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(packed(publish(float("nan"))), id="NaN"),
        pytest.param(packed(publish([float("inf")])), id="infinity"),
        pytest.param(packed(publish({"deep": [b"bytes"]})), id="bin inside data"),
        pytest.param(packed(publish(msgpack.Timestamp(1))), id="timestamp"),
        pytest.param(packed(publish(msgpack.ExtType(7, b"x"))), id="extension"),
        pytest.param(packed({**publish(None), 1: 2}), id="integer key"),
        pytest.param(packed({**publish(None), b"k": 2}), id="binary key"),
        pytest.param(packed(publish({1: 2})), id="integer key inside data"),
        pytest.param(packed("ping"), id="no map"),
        pytest.param(packed(7), id="a number"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="reserved byte"),
        pytest.param(packed({"type": "ping"}) + b"\x00", id="trailing bytes"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="2^32 members declared"),
        pytest.param(b"\x81\xa1a\xdd\xff\xff\xff\xff", id="2^32 elements declared"),
        pytest.param(b"\x91" * 2_000, id="deep"),
        pytest.param(packed({"type": "ping"})[:-1], id="cut"),
        pytest.param(b"\x81\xa4type\xa1\xff", id="text that is not UTF-8"),
        pytest.param(b"\x82\xa4type\xa4ping\xa4type\xa4ping", id="a key twice"),
        pytest.param(packed({"type": "ping", "x": 2**53}), id="an integer that is not exact"),
    ],
)
def test_what_msgpack_may_not_hold_is_400(frame: bytes) -> None:
    assert refusal(frame) == "bad_message"


@pytest.mark.clause("M14", "B5")
def test_bin_as_the_whole_of_data_is_a_payload() -> None:
    given = {**publish(b"\x00\xff"), "id": 7, "mid": "m", "content_type": "image/png", "meta": {"width": 7}}
    ((message, size),) = MSGPACK.decode(packed(given))
    assert isinstance(message, MediaPublish)
    assert (message.payload, message.id, message.mid, size) == (b"\x00\xff", 7, "m", len(packed(given)))
    assert (message.content_type, bytes(message.data)) == ("image/png", b"")
    messages = [one for one, _ in MSGPACK.decode(packed([given, publish([1])]))]
    assert [type(one) for one in messages] == [MediaPublish, Publish]


@pytest.mark.clause("M14", "B5")
@pytest.mark.parametrize("data", [[b"a"], {"a": b"b"}, {"a": [1, b"c"]}])
def test_bin_within_data_is_refused(data: Any) -> None:
    ((message, _),) = MSGPACK.decode(packed({**publish(data), "id": 7}))
    assert isinstance(message, Unreadable)
    assert (message.refusal.error, message.refusal.path, message.id) == ("bad_message", "data", 7)


@pytest.mark.clause("M4", "M14")
@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"type": "emit", "event_type": "x", "payload": b"b"}, "payload: expected what JSON can hold, came bin"),
        (publish([float("nan")]), "data: expected finite numbers, came nan"),
        (publish({b"k": 1}), "data: expected keys that are text, came one of type bin"),
    ],
)
def test_what_json_cannot_hold_is_told_by_its_member_and_answered_by_its_id(
    members: dict[str, Any], sentence: str
) -> None:
    ((message, _),) = MSGPACK.decode(packed({**members, "id": 7}))
    assert isinstance(message, Unreadable)
    assert (message.type, message.id, message.refusal.message) == (members["type"], 7, sentence)
    assert message.refusal.is_unreadable


@pytest.mark.clause("E2", "M14")
@pytest.mark.parametrize(
    ("frame", "came"),
    [
        (b"\xc1", "a byte that begins no value"),
        (packed({1: 2}), "a key that is no text"),
        (packed({"type": "ping"}) + b"\x00", "1 bytes more after it"),
        (packed({"type": "ping"})[:-1], "one that ends too early"),
        (b"\xdf\xff\xff\xff\xff", "a length that its bytes cannot hold"),
        (b"\x81\xa4type\xa1\xff", "text that is not UTF-8"),
        (b"\x91" * 2_000, "one nested too deeply"),
        (packed(msgpack.ExtType(7, b"x")), "extension type 7 of 1 bytes, and none is spoken"),
    ],
)
def test_bytes_that_are_no_msgpack_map_are_told_in_our_words(frame: bytes, came: str) -> None:
    ((message, _),) = MSGPACK.decode(frame)
    assert isinstance(message, Unreadable)
    assert message.refusal.message == f"expected one msgpack map, came {came}"


@pytest.mark.clause("E2", "M1", "M4", "M12", "M16")
@pytest.mark.parametrize(
    ("text", "path", "sentence"),
    [
        (b"null", None, "expected an object with a member type, came null"),
        (b'"ping"', None, "expected an object with a member type, came 'ping'"),
        (b'[{"type":"ping"},[]]', "1", "1: expected an object with a member type, came an array"),
        (b"[" + b"{}," * 256 + b"{}]", None, "expected an array of 1 to 256 messages, came 257"),
        (
            b'{"type":"ping","id":1.5}',
            "id",
            "id: expected an integer from 0 to 2^53-1 or text of 1 to 64 bytes, came 1.5",
        ),
        (
            b'{"type":"ping","id":true}',
            "id",
            "id: expected an integer from 0 to 2^53-1 or text of 1 to 64 bytes, came true",
        ),
        (
            b'{"type":"subscribe","channel":"a","delivery":"newest"}',
            "delivery",
            "delivery: expected all or latest, came 'newest'",
        ),
        (
            b'{"type":"publish","channel":"a","event":"b","tags":{"y":"","x":null}}',
            "tags.x",
            "tags.x: expected text, came null",
        ),
        (b'{"type":"subscribe","channels":["a",{}]}', "channels.1", "channels.1: expected text, came an object"),
        (b'{"type":"ack"}', "positions", "positions: expected an object, it is missing"),
        (b'{"type":"connect","client":{"name":false}}', "client.name", "client.name: expected text, came false"),
    ],
)
def test_a_message_of_the_wrong_form_is_told_what_was_expected_and_what_came(
    text: bytes, path: str | None, sentence: str
) -> None:
    message, _ = ARRAYS.decode(text)[-1]
    assert isinstance(message, Unreadable)
    assert (message.refusal.error, message.refusal.path, message.refusal.message) == ("bad_message", path, sentence)


def test_what_an_answer_repeats_of_a_long_value_is_short() -> None:
    ((message, _),) = JSON.decode(b'{"type":"subscribe","channel":"a","delivery":"' + b"x" * 60_000 + b'"}')
    assert isinstance(message, Unreadable)
    assert len(message.refusal.message) < 120


@pytest.mark.clause("M11")
def test_a_key_twice_inside_data_passes_and_the_last_one_counts() -> None:
    data = b"\x82\xa1a\x01\xa1a\x02"
    frame = b"\x84\xa4type\xa7publish\xa7channel\xa4logs\xa5event\xa1x\xa4data" + data
    ((message, _),) = MSGPACK.decode(frame)
    assert bytes(message.data) == b'{"a":2}'  # type: ignore[union-attr]


@pytest.mark.clause("M10")
def test_nesting_over_32_is_refused_in_msgpack_too() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = [deep]
    assert refusal(packed(publish(deep))) == "bad_message"


@pytest.mark.clause("M12")
@pytest.mark.parametrize("codec", [ARRAYS, MSGPACK])
def test_the_messages_of_an_array_come_in_order(codec: Any) -> None:
    messages = [{"type": "ping", "id": number} for number in range(3)]
    frame = packed(messages) if codec is MSGPACK else b" " + json.dumps(messages).encode()
    assert [message.id for message, _ in codec.decode(frame)] == [0, 1, 2]


@pytest.mark.clause("L20", "L8")
def test_each_message_of_a_large_array_has_its_own_size() -> None:
    small, large = {"type": "ping"}, {"type": "ping", "pad": "x" * 70_000}
    sizes = [size for _, size in ARRAYS.decode(json.dumps([small, large], separators=(",", ":")).encode())]
    assert sizes == [len(json.dumps(message, separators=(",", ":"))) for message in (small, large)]
    assert [size for _, size in MSGPACK.decode(packed([small, large]))] == [len(packed(small)), len(packed(large))]


def test_an_array_of_a_million_elements_is_refused_without_making_them() -> None:
    ((message, _),) = ARRAYS.decode(b"[" + b"{}," * 300_000 + b"{}]")
    assert isinstance(message, Unreadable)
    assert "256" in message.refusal.message


def test_json_that_is_cut_is_bad_json_in_an_array_too() -> None:
    errors = [
        codec.decode(frame)[0][0] for codec, frame in ((JSON, b'{"type":'), (ARRAYS, b'[{"type":'), (ARRAYS, b"["))
    ]
    assert [error.refusal.error for error in errors if isinstance(error, Unreadable)] == ["bad_json"] * 3


@pytest.mark.clause("M42", "M23")
@pytest.mark.parametrize("codec", [JSON, MSGPACK])
@pytest.mark.parametrize("errors", [{}, {"c": {"code": 404}}])
@pytest.mark.parametrize(("kind", "member"), [("subscribed", "channels"), ("welcome", "subscriptions")])
def test_an_answer_leaves_room_for_the_members_that_the_plane_writes(
    codec: Any, errors: dict[str, Any], kind: str, member: str
) -> None:
    channels: dict[str, Any] = {
        "a": {"delivery": "all", "on_slow": "gap"},
        "b": {"delivery": "latest", "on_slow": "gap", "max_rate": 1.5},
    }
    parts = codec.in_parts({"type": kind, "id": 1}, channels, errors)
    members: dict[str, Any] = {"position": "k3Fq:7", "behind": 2}
    text = json.dumps(members, separators=(",", ":")).encode()[1:-1]
    whole = (packed(members)[1:] if codec is MSGPACK else text).join(parts)
    expected: dict[str, Any] = {"type": kind, "id": 1, **({"errors": errors} if errors else {})}
    expected[member] = {name: {**members, **own} for name, own in channels.items()}
    assert (msgpack.unpackb(whole) if codec is MSGPACK else json.loads(whole)) == expected
    assert len(parts) == 3


@pytest.mark.clause("M37")
def test_what_is_embedded_is_not_looked_at() -> None:
    assert JSON.encode({"t": JSON.embed(b"1.50e1")}) == b'{"t":1.50e1}'


@given(st.binary(max_size=200))
def test_no_bytes_upset_the_codecs(data: bytes) -> None:
    for codec in (JSON, ARRAYS, MSGPACK):
        assert len(codec.decode(data)) >= 1


def test_a_message_of_the_right_form_is_itself() -> None:
    ((message, size),) = JSON.decode(b'{"type":"ping","id":1}')
    assert (type(message), size) == (Ping, 22)
