"""Nothing from the wire moves a cursor or turns a line around."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ng_ws.escape import escaped, json_line

UNSAFE = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\ttab", "two\\x0alines\\x09tab"),
        ("\u202eevil", "\\u202eevil"),
        ("\x9b31m", "\\x9b31m"),
        ("\ud800", "\\ud800"),
        ("Привет, 世界 🙂", "Привет, 世界 🙂"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(st.text())
def test_what_is_escaped_is_one_harmless_line(text: str) -> None:
    assert not set(map(ord, escaped(text))) & set(UNSAFE)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=VALUES, indent=st.sampled_from([None, 1, "\t"]))
def test_a_json_text_becomes_one_harmless_line_of_the_same_value(value: object, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    line = json_line(text.encode(errors="surrogatepass"))
    assert json.loads(line) == value
    assert not set(map(ord, line.decode())) & set(UNSAFE)


def test_a_harmless_json_text_goes_on_byte_for_byte() -> None:
    wire = '{ "n": 1.50, "big": 18446744073709551615, "s": "й" }'.encode()
    assert json_line(wire) is wire
