"""Times as people write them."""

import time
from datetime import datetime

import pytest
from neurograph_ws_client.durations import shown
from ng_ws.durations import seconds, since
from ng_ws.exits import Failed


@pytest.mark.parametrize(("text", "value"), [("250ms", 0.25), ("30s", 30), ("10m", 600), ("1.5h", 5400), ("7", 7)])
def test_a_time_is_read_in_its_unit(text: str, value: float) -> None:
    assert seconds("--for", text) == value


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "ten"])
def test_anything_else_names_the_option(text: str) -> None:
    with pytest.raises(Failed, match="--for: expected a time like 250ms, 30s, 10m or 1h"):
        seconds("--for", text)


@pytest.mark.parametrize(
    "text", ["2026-11-28T23:26:00", "2026-11-28 23:26", "2026-11-28T23:26:00Z", "2026-11-28T23:26:00.5+02:00"]
)
def test_since_takes_a_date_and_time_which_without_a_zone_is_this_machines(text: str) -> None:
    assert since("--from", text) == datetime.fromisoformat(text).timestamp()


def test_since_takes_a_time_ago() -> None:
    assert abs(time.time() - 600 - since("--from", "10m")) < 5


@pytest.mark.parametrize("text", ["", "later", "2026-13-01T00:00:00", "23:26", "2026-11-28T25:00"])
def test_any_other_moment_is_told_with_both_forms(text: str) -> None:
    expected = "--from: expected a time like 250ms, 30s, 10m or 1h, or a date and time like 2026-11-28T23:26:00, got"
    with pytest.raises(Failed, match=expected):
        since("--from", text)


@pytest.mark.parametrize(
    ("value", "text"), [(0.844, "0.84 s"), (12.3, "12 s"), (180, "3 min"), (9000, "2.5 h"), (400_000, "4.6 d")]
)
def test_a_time_is_shown_as_short_as_it_is_useful(value: float, text: str) -> None:
    assert shown(value) == text
