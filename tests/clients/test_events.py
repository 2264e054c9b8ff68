"""Events and gaps as values."""

from typing import Any

import pytest
from neurograph_ws_client import Event, Gap

MESSAGE = {
    "type": "event",
    "channel": "metrics",
    "offset": 7,
    "event": "system_metrics",
    "ts": 12.5,
    "data": {"cpu": 41.5},
    "key": "n1/system",
    "tags": {"node": "n1"},
}


def event(**members: Any) -> Event[Any]:
    return Event({**MESSAGE, **members}, "k3Fq")


@pytest.mark.clause("M44", "M45")
@pytest.mark.accept("B11")
def test_an_event_shows_its_type_and_metadata() -> None:
    one = event()
    assert (one.channel, one.event, one.offset, one.position, one.ts) == (
        "metrics",
        "system_metrics",
        7,
        "k3Fq:7",
        12.5,
    )
    assert (one.key, one.tags, one.data, one.traceparent) == ("n1/system", {"node": "n1"}, {"cpu": 41.5}, None)
    assert repr(one) == "<Event metrics k3Fq:7 system_metrics key='n1/system' data={'cpu': 41.5}>"


@pytest.mark.accept("I1")
def test_a_handler_that_prints_its_argument_prints_the_data() -> None:
    assert f"Metrics: {event()}" == "Metrics: {'cpu': 41.5}"


def test_an_event_is_a_mapping_over_its_data() -> None:
    one = event()
    assert (one["cpu"], list(one), len(one), dict(one)) == (41.5, ["cpu"], 1, {"cpu": 41.5})
    with pytest.raises(TypeError):
        one["cpu"] = 2  # type: ignore[index]


def test_an_event_whose_data_is_no_object_says_so() -> None:
    one = event(data=[1, 2])
    assert (len(one), list(one)) == (0, [])
    with pytest.raises(KeyError, match=r"data of metrics/system_metrics is list; use event\.data"):
        one["cpu"]


def test_an_event_without_data_still_is_one() -> None:
    assert event(data=None)


def test_two_events_are_equal_by_place_and_content_and_an_event_equals_a_mapping_like_its_data() -> None:
    assert event() == event()
    assert event() != event(offset=8)
    assert event() == {"cpu": 41.5}
    assert len({event(), event()}) == 1


def test_an_event_goes_on_as_the_bytes_it_came_in() -> None:
    assert Event(MESSAGE, "k3Fq", b'{ "as": "it came" }').wire == b'{ "as": "it came" }'
    assert b'"data":{"cpu":41.5}' in event().wire


@pytest.mark.clause("M48")
def test_a_gap_says_what_is_missing_in_words_and_on_the_wire() -> None:
    gap = Gap("logs", "k3Fq:100", "k3Fq:612", 87, "slow")
    assert str(gap) == "logs: 87 entries missed (slow), k3Fq:100 to k3Fq:612"
    assert gap.wire == b'{"type":"gap","channel":"logs","from":"k3Fq:100","to":"k3Fq:612","missed":87,"reason":"slow"}'
    assert "logs: an unknown number of entries missed" in str(Gap("logs", "a", "b", None, "epoch"))
    assert "logs: 1 entry missed" in str(Gap("logs", "a", "b", 1, "slow"))
