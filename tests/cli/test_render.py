"""Events and gaps as lines."""

import json
from typing import Any

import pytest
from neurograph_ws_client import Event, Gap
from ng_ws.pretty import Pretty
from ng_ws.render import as_compact, as_json, clock

MESSAGE: dict[str, Any] = {
    "type": "event",
    "channel": "metrics",
    "offset": 7,
    "event": "system_metrics",
    "ts": 1767225600.12,
    "data": {"cpu": 41.5, "note": "a\x1b[31mb"},
    "key": "n1/system",
    "tags": {"node": "n1"},
}
GAP = Gap("logs", "k3Fq:100", "k3Fq:612", 87, "slow")


def event(**members: Any) -> Event[Any]:
    return Event({**MESSAGE, **members}, "k3Fq")


@pytest.mark.accept("L4")
def test_json_is_the_object_as_it_came_on_one_line() -> None:
    wire = b'{"type":"event",\n "channel":"metrics","offset":7,"ts":1.50}'
    assert as_json(Event(MESSAGE, "k3Fq", wire)) == b'{"type":"event",  "channel":"metrics","offset":7,"ts":1.50}\n'
    assert json.loads(as_json(GAP)) == dict(GAP.message)


@pytest.mark.accept("L4")
def test_compact_is_time_channel_event_key_and_data_cut_to_the_width() -> None:
    line = f'{clock(MESSAGE["ts"])} metrics system_metrics n1/system {{"cpu":41.5,"note":"a\\u001b[31mb"}}\n'
    assert as_compact(event(), None).decode() == line
    assert as_compact(event(), 40).decode() == line[:39] + "…\n"
    assert as_compact(event(key=None), 50).decode().split()[3] == "-"
    assert as_compact(GAP, None).decode() == "-- logs: 87 entries missed (slow), k3Fq:100 to k3Fq:612\n"


@pytest.mark.accept("L5")
def test_pretty_shows_type_metadata_and_data_without_a_control_character_of_the_wire() -> None:
    lines = Pretty(has_color=False).render(event()).decode().splitlines()
    assert lines == [
        f"{clock(MESSAGE['ts'])} metrics system_metrics n1/system  k3Fq:7 node=n1",
        "  cpu 41.5  note a\\x1b[31mb",
    ]


@pytest.mark.accept("L5")
def test_pretty_says_of_a_signal_whether_it_is_new_and_what_is_near() -> None:
    found = {"token_id": 18, "is_novel": False, "neighbors": [{"token_id": 17, "distance": 0.034}], "priority": 200}
    text = Pretty(has_color=False).render(event(data=found)).decode()
    assert text.splitlines()[1] == "  token 18 known, near 17 (0.034)  priority 200"


def test_colour_is_only_an_addition() -> None:
    plain, coloured = (Pretty(has_color=has_color).render(event()).decode() for has_color in (False, True))
    assert "\x1b[" not in plain
    assert "\x1b[" in coloured
    for word in ("metrics", "system_metrics", "n1/system", "cpu 41.5"):
        assert word in coloured


def test_a_gap_is_told_in_words() -> None:
    assert Pretty(has_color=False).render(GAP) == b"-- gap -- logs: 87 entries missed (slow), k3Fq:100 to k3Fq:612\n"


@pytest.mark.parametrize("data", [None, 3, "text", [1, 2], {"deep": {"er": [1]}}])
def test_any_json_value_can_be_shown(data: Any) -> None:
    for line in (
        as_json(event(data=data)),
        as_compact(event(data=data), 80),
        Pretty(has_color=True).render(event(data=data)),
    ):
        assert line.endswith(b"\n")


@pytest.mark.parametrize("ts", [1e300, float("inf"), -1e18])
def test_a_time_beyond_all_calendars_is_shown_as_none(ts: float) -> None:
    assert clock(ts) == "--:--:--.---"
