"""Filters as people write them, and the JSON that the hub gets (PROTOCOL.md, F)."""

from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client import encode_text
from neurograph_ws_client.expressions import joined
from ng_ws.exits import Exit, Failed
from ng_ws.filters import filter_of, near
from ng_ws.filters.fields import nearly_known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("is_novel", {"data.is_novel": True}),
        ("priority >= 150", {"data.priority": {"gte": 150}}),
        ("key = 'db1'", {"key": "db1"}),
        ("key != null", {"key": {"ne": None}}),
        ('event ^= "signal."', {"event": {"prefix": "signal."}}),
        ('event ~ "signal.*.text"', {"event": {"glob": "signal.*.text"}}),
        ('payload.text *= "disk"', {"data.payload.text": {"contains": "disk"}}),
        ('tags.env in ["prod", "stage"]', {"tags.env": {"in": ["prod", "stage"]}}),
        ("tags.env not in ['test']", {"tags.env": {"nin": ["test"]}}),
        ("key exists and tags.x missing", {"key": {"exists": True}, "tags.x": {"exists": False}}),
        ("dim.emotional > 0.8", {"data.vector.3": {"gt": 0.8}}),
        ("cpu >= 80 and cpu < 95", {"data.cpu": {"gte": 80, "lt": 95}}),
        ("cpu > 1 and cpu > 2", {"all": [{"data.cpu": {"gt": 1}}, {"data.cpu": {"gt": 2}}]}),
        ("a == 1 and a > 0", {"data.a": {"eq": 1, "gt": 0}}),
        ("a or b and c", {"any": [{"data.a": True}, {"data.b": True, "data.c": True}]}),
        ("(a or b) and c", {"any": [{"data.a": True}, {"data.b": True}], "data.c": True}),
        ("not (a or b)", {"not": {"any": [{"data.a": True}, {"data.b": True}]}}),
        ("not a and not b", {"all": [{"not": {"data.a": True}}, {"not": {"data.b": True}}]}),
        ("x == -1.5e3", {"data.x": -1500.0}),
        ("x == 9007199254740993", {"data.x": 9007199254740993}),
        ('{"data.cpu":{"gte":80}}', {"data.cpu": {"gte": 80}}),
    ],
)
def test_an_expression_becomes_the_json_of_the_protocol(text: str, expected: dict[str, Any]) -> None:
    assert filter_of(text)[0] == expected


def test_near_takes_a_text_or_eight_numbers() -> None:
    expected = {"data.vector": {"near": {"center": encode_text("disk failure"), "radius": 0.12}}}
    assert filter_of('near("disk failure", 0.12)')[0] == near("disk failure", 0.12) == expected
    numbers = {"data.vector": {"near": {"center": [1, 2, 3, 4, 5, 6, 7, 8], "radius": 1}}}
    assert filter_of("near([1,2,3,4,5,6,7,8], 1)")[0] == numbers
    assert near("1,2,3,4,5,6,7,8", 1.0) == numbers


def test_an_expression_can_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "only.txt"
    file.write_text("is_novel and\n  priority > 1\n")
    assert filter_of(f"@{file}")[0] == {"data.is_novel": True, "data.priority": {"gt": 1}}
    with pytest.raises(Failed, match="expected a readable file"):
        filter_of(f"@{tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("text", "told", "column"),
    [
        ("", "expected a filter, got 'the end'", 0),
        ("a >=", "expected a number, \"text\", true, false or null, got 'the end'", 4),
        ("a >= b", "expected a number, \"text\", true, false or null, got 'b'", 5),
        ("a b", "expected and, or, or the end, got 'b'", 2),
        ("(a or b", "expected ), got 'the end'", 7),
        ("a in 1", "expected [, got '1'", 5),
        ("and a", "expected a field, not, near or (, got 'and'", 0),
        ("a and and", "expected a field, not, near or (, got 'and'", 6),
        ("not", "expected a field, not, near or (, got 'the end'", 3),
        ("dim.mood > 1", "expected dim. and one of physical, sensory, motor", 0),
        ('key ~ "x*"', "expected ~ on event only, got '~'", 4),
        ("near([1,2], 1)", "expected a text or 8 numbers, got '['", 5),
        ('near("x", "y")', "expected a radius from 0", 10),
        ("a == $", "expected a field, an operator or a value, got '$'", 5),
        ('a == "open', "expected a field, an operator or a value", 5),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_grammar(text: str, told: str, column: int) -> None:
    with pytest.raises(Failed) as failed:
        filter_of(text)
    assert told in failed.value.message
    assert failed.value.exit_code is Exit.USAGE
    lines = failed.value.hint.split("\n")
    assert (lines[0], lines[1].index("^") - 7) == (text, column)
    assert "near(" in lines[2]


def test_json_that_is_none_is_told() -> None:
    with pytest.raises(Failed, match="expected a JSON object, or an expression"):
        filter_of("{bad")


def test_several_filters_hold_together() -> None:
    assert joined([{"a": 1}, {"b": 2}]) == {"a": 1, "b": 2}
    assert joined([{"any": [{"a": 1}]}, {"any": [{"b": 1}]}]) == {"all": [{"any": [{"a": 1}]}, {"any": [{"b": 1}]}]}


@pytest.mark.parametrize(
    ("name", "channels", "meant"),
    [
        ("is_novl", ("signals",), "is_novel"),
        ("is_novel", ("signals",), None),
        ("is_novl", ("signals", "room:x"), None),
        ("is_novl", (), None),
        ("zzz", ("signals",), None),
        ("evnt", ("logs",), "event"),
    ],
)
def test_a_field_that_is_nearly_known_is_named_where_all_fields_are(
    name: str, channels: tuple[str, ...], meant: str | None
) -> None:
    assert nearly_known(name, channels) == meant
