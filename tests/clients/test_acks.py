"""When what was handled is acknowledged, and on which connection."""

import pytest
from neurograph_ws_client.acks import Acks
from neurograph_ws_client.follows import Follow
from neurograph_ws_client.line import Line
from neurograph_ws_client.positions import Position


def followed(window: int | None, reached: int = 0) -> tuple[Follow, Line]:
    follow, line = Follow("logs", {}), Line(1)
    line.read(follow, Position("aaaa", 0))
    line.readings["logs"].offset = reached
    follow.window = window
    return follow, line


@pytest.mark.clause("S10")
def test_half_a_window_is_due_at_once_and_less_of_it_after_a_second() -> None:
    acks = Acks()
    follow, line = followed(4, reached=9)
    follow.cursor = Position("aaaa", 1)
    assert (acks.count(follow, 10.0), acks.deadline(), acks.is_due(10.9), acks.is_due(11.0)) == (
        False,
        11.0,
        False,
        True,
    )
    follow.cursor = Position("aaaa", 2)
    assert acks.count(follow, 10.5) is True
    assert acks.take(line) == {"logs": "aaaa:2"}
    assert (acks.deadline(), acks.take(line)) == (None, {})


def test_a_subscription_without_a_window_is_never_due() -> None:
    acks = Acks()
    follow, _ = followed(None)
    assert (acks.count(follow, 0.0), acks.deadline()) == (False, None)


@pytest.mark.clause("M36")
def test_nothing_is_acknowledged_beyond_what_came_on_the_connection() -> None:
    acks = Acks()
    follow, line = followed(2, reached=3)
    follow.cursor = Position("aaaa", 9)
    acks.count(follow, 0.0)
    assert acks.take(line) == {"logs": "aaaa:3"}
    acks.count(follow, 0.0)
    assert acks.take(line) == {}


@pytest.mark.clause("M36")
def test_a_cursor_of_another_epoch_than_the_connection_is_not_acknowledged_there() -> None:
    acks = Acks()
    follow, line = followed(2, reached=3)
    follow.cursor = Position("bbbb", 1)
    acks.count(follow, 0.0)
    assert acks.take(line) == {}
