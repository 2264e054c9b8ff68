"""What a message may hold: what has no form on the wire is found before it is sent, in either encoding."""

import datetime
import math
from typing import Any

import pytest
from neurograph_ws_client import BadRequest, near
from neurograph_ws_client.codec import Codec, JsonCodec, MsgpackCodec
from neurograph_ws_client.fitness import DEEPEST, is_plain
from neurograph_ws_client.vectors import as_numbers, as_rows

CODECS = [JsonCodec(), MsgpackCodec()]


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.clause("M10", "M13", "M14")
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("message", "path", "told"),
    [
        ({"data": {"x": [0, 0, 0, 2**64]}}, "data.x[3]", "an integer from -2^63 to 2^64-1, got 18446744073709551616"),
        ({"payload": [-(2**63) - 1]}, "payload[0]", "an integer from -2^63 to 2^64-1, got -9223372036854775809"),
        ({"meta": {"size": 2**53}}, "meta.size", r"an integer from -(2^53-1) to 2^53-1, got 9007199254740992"),
        ({"data": [{"a": math.nan}]}, "data[0].a", "a finite number, got nan"),
        ({"data": {"a": "x\ud800"}}, "data.a", r"text without lone surrogates, got 'x\ud800'"),
        ({"data": {"\udfff": 1}}, "data", r"a name that is text, got '\udfff'"),
        ({"data": {(1, 2): 1}}, "data", "a name that is text, got (1, 2)"),
        ({"data": {"a": {1}}}, "data.a", "a JSON value, got {1}"),
        ({"data": {"a": b"x"}}, "data.a", "a JSON value, got b'x'"),
        ({"data": nested(DEEPEST)}, "data" + "[0]" * 31, "at most 32 levels of nesting in a message, got more"),
        ({"data": [datetime.date(2024, 1, 2)]}, "data[0]", "a JSON value, got datetime.date(2024, 1, 2)"),
    ],
)
def test_the_first_value_without_a_form_is_named(codec: Codec, message: Any, path: str, told: str) -> None:
    with pytest.raises(BadRequest) as fault:
        codec.encode(message)
    assert (fault.value.path, str(fault.value).partition(": expected ")[2]) == (path, told)


@pytest.mark.clause("M10", "M13", "B4")
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "value", [2**64 - 1, -(2**63), 1.7e308, nested(DEEPEST - 1), "\u2028 й 😀", {"a": (1, True)}, b"x"]
)
def test_what_is_just_within_the_bounds_goes_out(codec: Codec, value: Any) -> None:
    read = codec.decode(codec.encode({"data": value}))["data"]
    assert read == ({"a": [1, True]} if isinstance(value, dict) else value)


@pytest.mark.clause("M14")
def test_a_name_that_is_no_text_becomes_text_in_json_and_is_refused_in_msgpack() -> None:
    assert JsonCodec().decode(JsonCodec().encode({"data": {1: "a"}})) == {"data": {"1": "a"}}
    with pytest.raises(BadRequest, match="a name that is text, got 1"):
        MsgpackCodec().encode({"data": {1: "a"}})
    for name in (None, 1.5, True, (1,)):
        with pytest.raises(BadRequest, match="a name that is text, got "):
            MsgpackCodec().encode({"data": [{"a": {name: 1}}]})


@pytest.mark.clause("M12")
@pytest.mark.parametrize("codec", CODECS)
def test_one_of_several_messages_without_a_form_is_found(codec: Codec) -> None:
    with pytest.raises(BadRequest, match=r"data\[1\]: expected an integer"):
        codec.encode([{"data": 1}, {"data": [1, 2**70]}])


def test_ordinary_content_needs_no_second_look() -> None:
    text = JsonCodec().encode({"type": "publish", "data": {"ratio": 0.12345678901234567, "at": 1732881234.123456}})
    assert is_plain(text)


@pytest.mark.clause("M32")
@pytest.mark.parametrize(
    ("vector", "told"),
    [
        (None, "vector: expected 8 numbers, got None"),
        ("abc", "vector: expected 8 numbers, got 'abc'"),
        (b"12345678", "vector: expected 8 numbers, got b'12345678'"),
        ({1: 2}, "vector: expected 8 numbers, got {1: 2}"),
        ([True] * 8, "vector.0: expected a finite number, got True"),
        ([0.5, "1"], "vector.1: expected a finite number, got '1'"),
        ([0.5, None], "vector.1: expected a finite number, got None"),
        ([10**400], "vector.0: expected a finite number, got one of 1,329 bits"),
    ],
)
def test_what_is_no_vector_is_refused_by_its_place(vector: Any, told: str) -> None:
    with pytest.raises(BadRequest) as fault:
        as_numbers(vector)
    assert (str(fault.value), fault.value.path) == (told, told.partition(":")[0])


@pytest.mark.clause("M33")
@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        (5, "vectors: expected vectors of 8 numbers, got 5"),
        (b"0" * 16, "vectors: expected vectors of 8 numbers"),
        ([[0.5] * 8, None], r"vectors\.1: expected 8 numbers, got None"),
    ],
)
def test_what_are_no_vectors_is_refused_by_its_place(vectors: Any, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        as_rows(vectors)


@pytest.mark.clause("F7")
@pytest.mark.parametrize("radius", [math.inf, math.nan, -0.1, None, "0.1", True])
def test_a_radius_that_is_no_number_from_0_on_is_refused(radius: Any) -> None:
    with pytest.raises(BadRequest, match=r"radius: expected a (finite )?number"):
        near([0.5] * 8, radius)
