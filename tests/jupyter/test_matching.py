"""Filters on rows mean what PROTOCOL.md says of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neurograph_jupyter.matching import matches

ROW: dict[str, Any] = {
    "type": "signal.input.text",
    "priority": 200,
    "weight": 1.5,
    "is_novel": True,
    "nearest_id": None,
    "vector": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
    "payload": {"text": "disk", "n": [1, "a"]},
}


@pytest.mark.clause("F1", "F3", "F4", "F5", "F7")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"data.priority": 200.0}, True),
        ({"data.priority": "200"}, False),
        ({"data.is_novel": True}, True),
        ({"data.is_novel": 1}, False),
        ({"data.nearest_id": None}, True),
        ({"data.nearest_id": {"exists": True}}, True),
        ({"data.other": {"exists": False}}, True),
        ({"data.other": {"ne": 1}}, False),
        ({"data.other": None}, False),
        ({"not": {"data.other": {"gt": 1}}}, True),
        ({"data.priority": {"gte": 200, "lt": 201}}, True),
        ({"data.priority": {"gt": 200}}, False),
        ({"data.priority": {"lte": 199.5}}, False),
        ({"data.priority": {"gt": "1"}}, False),
        ({"data.type": {"gt": "signal"}}, True),
        ({"data.type": {"prefix": "signal."}}, True),
        ({"data.priority": {"prefix": "2"}}, False),
        ({"data.payload.text": {"contains": "is"}}, True),
        ({"data.payload.n": {"contains": "a"}}, True),
        ({"data.payload.n": {"contains": True}}, False),
        ({"data.payload.n.1": "a"}, True),
        ({"data.payload.n.2": {"exists": False}}, True),
        ({"data.type.x": {"exists": False}}, True),
        ({"data.priority": {"in": [1, 200]}}, True),
        ({"data.priority": {"nin": [1, 200]}}, False),
        ({"data.weight": {"nin": [1]}}, True),
        ({"data.vector.3": {"gt": 0.3}}, True),
        ({"data.vector": {"near": {"center": ROW["vector"], "radius": 0}}}, True),
        ({"data.vector": {"near": {"center": [0] * 8, "radius": 1}}}, False),
        ({"data.type": {"near": {"center": [0] * 8, "radius": 1}}}, False),
        ({"all": [{"data.priority": 200}, {"data.is_novel": False}]}, False),
        ({"any": [{"data.priority": 1}, {"data.is_novel": True}]}, True),
    ],
)
def test_a_row_is_let_through_as_an_event_would_be(condition: dict[str, Any], expected: bool) -> None:
    assert matches(condition, ROW) is expected


def test_an_operator_that_the_protocol_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="expected an operator of PROTOCOL"):
        matches({"data.priority": {"above": 1}}, ROW)


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_whole_numbers_compare_exactly(one: int, other: int) -> None:
    told = [matches({"data.n": {operator: other}}, {"n": one}) for operator in ("eq", "ne", "gt", "gte", "lt", "lte")]
    assert told == [one == other, one != other, one > other, one >= other, one < other, one <= other]
