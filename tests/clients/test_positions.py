"""Positions and starts."""

from typing import Any

import pytest
from neurograph_ws_client.positions import Position
from neurograph_ws_client.starts import Last, wire_start


@pytest.mark.clause("P2")
def test_a_position_reads_back_as_it_was_written() -> None:
    assert str(Position.parse("k3Fq:902")) == "k3Fq:902"
    assert Position.parse("a-_9:0") == ("a-_9", 0)


@pytest.mark.clause("P2")
@pytest.mark.parametrize(
    "text",
    ["", "k3Fq", "k3F:1", "k3Fq:01", "k3Fq:-1", "k3Fq:1 ", "k3Fq:1:2", "a" * 17 + ":1", "k3Fq:" + "9" * 17, 5, None],
)
def test_anything_else_is_refused_with_what_was_expected(text: object) -> None:
    with pytest.raises(ValueError, match="expected a position like k3Fq:902"):
        Position.parse(text)


def test_only_places_of_one_epoch_can_be_compared() -> None:
    assert Position("aaaa", 5).reaches(Position("aaaa", 5))
    assert not Position("aaaa", 4).reaches(Position("aaaa", 5))
    assert not Position("bbbb", 9).reaches(Position("aaaa", 5))


@pytest.mark.clause("M24")
@pytest.mark.parametrize(
    ("start", "member"), [(None, None), ("new", "new"), ("snapshot", "snapshot"), (Last(100), {"last": 100})]
)
def test_a_start_goes_on_the_wire_as_the_protocol_has_it(start: Any, member: Any) -> None:
    assert member == wire_start(start)


@pytest.mark.parametrize("start", ["old", Last(0), 5])
def test_a_start_that_is_none_is_refused_before_it_is_sent(start: Any) -> None:
    with pytest.raises(ValueError, match="start: expected"):
        wire_start(start)
