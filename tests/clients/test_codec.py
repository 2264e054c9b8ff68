"""Messages to bytes and back."""

import math
from typing import Any

import pytest
from neurograph_ws_client import BadRequest, codec
from neurograph_ws_client.codec import JsonCodec, MsgpackCodec, codecs_for

MESSAGE = {"type": "publish", "data": {"n": 2**63, "f": 1.5, "s": "й", "none": None}}


@pytest.mark.clause("C2")
@pytest.mark.parametrize("form", [JsonCodec(), MsgpackCodec()])
def test_a_message_and_an_array_come_back_as_they_went(form: codec.Codec) -> None:
    assert form.decode(form.encode(MESSAGE)) == MESSAGE
    assert form.decode(form.encode([MESSAGE, MESSAGE])) == [MESSAGE, MESSAGE]


@pytest.mark.clause("M10")
@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"])
def test_what_json_cannot_carry_is_refused_and_never_changed_in_silence(value: Any) -> None:
    with pytest.raises(BadRequest, match=r"data: expected (a finite number|text without lone surrogates)"):
        JsonCodec().encode({"data": value})


@pytest.mark.parametrize("payload", [b"", b"{", b'{"a":NaN}', b"\xff", b"[" * 100_000])
@pytest.mark.parametrize("reader", [JsonCodec().decode, codec._read_plain])
def test_what_is_no_json_is_a_value_error_with_either_reader(reader: Any, payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the reader's
        reader(payload)


@pytest.mark.clause("M14")
@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\xd4\x05\x00", b"\x91" * 5000])
def test_what_is_no_message_is_a_value_error_in_msgpack_too(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is the library's
        MsgpackCodec().decode(payload)


@pytest.mark.clause("C2", "C5")
def test_json_is_always_offered_last() -> None:
    assert [form.subprotocol for form in codecs_for("json")] == ["ng-ws.v1.json"]
    assert [form.subprotocol for form in codecs_for("msgpack")] == ["ng-ws.v1.msgpack", "ng-ws.v1.json"]
    with pytest.raises(ValueError, match='encoding: expected "json" or "msgpack", got \'xml\''):
        codecs_for("xml")
