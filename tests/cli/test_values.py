"""What `pub` takes for JSON, for a text, and for a mistake."""

from typing import Any

import pytest
from ng_ws.arguments import above_zero
from ng_ws.exits import Failed
from ng_ws.values import Form, line_of, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1}', {"a": 1}),
        (" [1, 2] ", [1, 2]),
        ('"word"', "word"),
        ("12", 12),
        ("true", True),
        ("null", None),
        (None, None),
    ],
)
def test_json_is_its_value(text: str | None, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "truely",
        "12 o'clock",
        "-5 degrees",
        "NaN",
        "[WARN] disk full",
        "[2026-01-01 10:00:00] started",
        "[1]: connected",
        '"quoted" and more',
        "",
    ],
)
def test_plain_words_and_lines_of_logs_are_texts(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "came", "hint"),
    [
        ("{a:1}", "{a:1}", "Expecting property name enclosed in double quotes at column 2"),
        ('{"a":1,}', '{"a":1,}', "at column"),
        ('{"a":1} x', '{"a":1} x', "Extra data at column 9"),
        ("[1,2", "[1,2", "column 5"),
        ("[a,b]", "[a,b]", "Expecting value at column 2"),
        ('"open', '"open', "Unterminated string"),
        ('{"a":NaN}', '{"a":NaN}', "NaN is no JSON number"),
        ('{"a":\n 1,\n b}', "1,", "at line 3 column 2"),
        ('{"long":"' + 60 * "x" + '",}', "…", "column 7"),
    ],
)
def test_what_begins_as_json_and_is_none_is_told_with_its_place_and_the_way_out(
    text: str, came: str, hint: str
) -> None:
    with pytest.raises(Failed) as failed:
        value_of(text)
    assert failed.value.message.startswith("DATA: expected JSON, got ")
    assert came in failed.value.message
    assert hint in failed.value.hint
    assert "--text" in failed.value.hint
    assert "at at" not in failed.value.hint


def test_a_text_that_is_said_to_be_one_is_never_looked_at() -> None:
    assert value_of("{a:1}", form=Form.TEXT) == "{a:1}"
    assert line_of('{"a":1}', "stdin", Form.TEXT) == '{"a":1}'


@pytest.mark.parametrize("text", ["word", "{a:1}", "NaN", ""])
def test_what_is_said_to_be_json_is_json_or_a_mistake(text: str) -> None:
    assert value_of(" [1] ", form=Form.JSON) == [1]
    for read in (value_of, line_of):
        with pytest.raises(Failed, match="expected JSON, got"):
            read(text, "DATA", form=Form.JSON)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("3", 3),
        ('"quoted"', "quoted"),
        ("['a']", "['a']"),
        ('"quoted', '"quoted'),
        ('{"a":', '{"a":'),
        ('{"a":NaN}', '{"a":NaN}'),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_line_is_json_where_all_of_it_is_and_else_a_text(text: str, value: Any) -> None:
    assert line_of(text, "stdin", Form.LIKELY) == value


def test_levels_beyond_what_json_is_read_to_are_no_text() -> None:
    with pytest.raises(Failed, match="expected JSON of fewer levels"):
        value_of("[" * 100_000)


def test_a_distance_may_be_nothing_where_only_the_same_is_looked_for() -> None:
    read = above_zero("--radius", "a distance", or_zero=True)
    assert read("0") == 0.0
    for text in ("-1", "inf", "nan", "far"):
        with pytest.raises(Failed, match="a distance of 0 or more"):
            read(text)
