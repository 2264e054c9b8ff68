import json
from pathlib import Path
from typing import Any

import pytest

from channels.names import (
    check_tags,
    is_channel_name,
    is_event_name,
    is_key,
    is_mid,
    is_tag_name,
    is_traceparent,
    trace_context,
)

TRACEPARENT = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"


@pytest.mark.clause("M16")
@pytest.mark.parametrize("name", ["a", "room:1", "a/b.c-d_E9", "x" * 64])
def test_a_channel_name_is_1_to_64_of_its_alphabet(name: str) -> None:
    assert is_channel_name(name)


@pytest.mark.clause("M16")
@pytest.mark.parametrize("name", ["", "x" * 65, "room:*", "a b", "a\n", "ä", "a\x00", "{sub}", "\u202ea", "a?b"])
def test_anything_else_is_no_channel_name(name: str) -> None:
    assert not is_channel_name(name)


@pytest.mark.clause("M16")
@pytest.mark.parametrize("name", ["a", "signal.input.text", "a:b-c_d", ".".join("x" * 16), "x" * 128])
def test_an_event_name_is_up_to_16_segments_joined_by_dots(name: str) -> None:
    assert is_event_name(name)


@pytest.mark.clause("M16")
@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", ".".join("x" * 17), "x" * 129, "a/b", "a.b\n", "é"])
def test_anything_else_is_no_event_name(name: str) -> None:
    assert not is_event_name(name)


@pytest.mark.clause("M16")
@pytest.mark.parametrize("key", ["k", "n1/system", "ключ", "x" * 256, "é" * 128])
def test_a_key_is_1_to_256_bytes_of_utf8(key: str) -> None:
    assert is_key(key)


@pytest.mark.clause("M16")
@pytest.mark.parametrize("key", ["", "x" * 257, "é" * 129, "a\nb", "\x00", "\x7f", "\x85", "\ud800"])
def test_a_key_has_no_control_characters_and_no_more_bytes(key: str) -> None:
    assert not is_key(key)


@pytest.mark.clause("M16")
def test_a_mid_is_1_to_64_visible_ascii_characters() -> None:
    texts = ["b7c1-0042", "!", "~" * 64, "", "~" * 65, "a b", "é", "a\n"]
    assert [is_mid(text) for text in texts] == [True, True, True, False, False, False, False, False]


@pytest.mark.clause("M16")
def test_a_tag_name_is_1_to_64_of_its_alphabet() -> None:
    assert [is_tag_name(name) for name in ["env", "x" * 64, "", "x" * 65, "a:b"]] == [True, True, False, False, False]


@pytest.mark.clause("M16")
def test_tags_are_at_most_16_strings_of_at_most_256_bytes() -> None:
    assert check_tags({f"t{i}": "é" * 128 for i in range(16)}) is None


@pytest.mark.clause("M16")
@pytest.mark.parametrize(
    ("tags", "fault"),
    [
        ({f"t{i}": "" for i in range(17)}, ("tags", "expected at most 16 tags, came 17")),
        ({"a b": "x"}, ("tags.a b", "expected a name of 1 to 64 of A-Z a-z 0-9 _ . -, came 'a b'")),
        ({"env": 3}, ("tags.env", "expected a string, came int")),
        ({"env": "x" * 257}, ("tags.env", "expected at most 256 bytes of UTF-8")),
        ({"env": "\ud800"}, ("tags.env", "expected at most 256 bytes of UTF-8")),
    ],
)
def test_wrong_tags_are_told_with_path_and_what_was_expected(tags: dict[str, object], fault: tuple[str, str]) -> None:
    assert check_tags(tags) == fault


@pytest.mark.clause("M17")
@pytest.mark.parametrize("text", [TRACEPARENT, TRACEPARENT.replace("00-", "01-", 1), "cc" + TRACEPARENT[2:] + "-more"])
def test_a_traceparent_is_of_version_00_or_begins_like_one(text: str) -> None:
    assert is_traceparent(text)


@pytest.mark.clause("M17")
@pytest.mark.parametrize(
    "text",
    [
        "",
        TRACEPARENT.upper(),
        TRACEPARENT + "-more",
        "ff" + TRACEPARENT[2:],
        f"00-{'0' * 32}-5b1e9c40d2a7f638-01",
        f"00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-{'0' * 16}-01",
        TRACEPARENT + "\n",
        f"cc{TRACEPARENT[2:]}-{'x' * 500}",
    ],
)
def test_anything_else_is_no_traceparent(text: str) -> None:
    assert not is_traceparent(text)


@pytest.mark.clause("M17")
def test_an_invalid_traceparent_is_dropped_with_its_tracestate() -> None:
    assert trace_context("nonsense", "a=1") == (None, None)


@pytest.mark.clause("M17")
def test_a_tracestate_alone_says_nothing() -> None:
    assert trace_context(None, "a=1") == (None, None)


@pytest.mark.clause("M17")
def test_a_valid_context_passes_and_an_unprintable_or_long_tracestate_does_not() -> None:
    states = ["a=1,b=2", None, "a=\x00", "x" * 513]
    actual = [trace_context(TRACEPARENT, state)[1] for state in states]
    assert actual == ["a=1,b=2", None, None, None]


@pytest.mark.clause("M16")
def test_the_names_that_clients_let_through_are_those_that_are_taken_here() -> None:
    cases: Any = json.loads((Path(__file__).parents[1] / "vectors" / "names.json").read_text())["cases"]
    members = {case["name"]: case for case in cases}
    checks = {"channel": is_channel_name, "event": is_event_name, "event_type": is_event_name}
    for member, is_name in {**checks, "key": is_key, "mid": is_mid}.items():
        unfit = [value for value in members[member]["unfit"] if isinstance(value, str)]
        assert ([*map(is_name, members[member]["fit"])], [*map(is_name, unfit)]) == (
            [True] * len(members[member]["fit"]),
            [False] * len(unfit),
        ), member
