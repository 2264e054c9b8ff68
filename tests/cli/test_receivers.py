"""What the flight recorder can and cannot say of who was to get an event."""

from typing import Any

import pytest
from ng_ws.receivers import Place, Receiver, receivers

PLACE = Place("signals", "ep", 10, 100.0)
SUBSCRIBED = "signals from ep:{}, 0 behind, {}, on_slow close"


def story(*records: tuple[float, str, str], conn: str = "c-1", **about: Any) -> dict[str, Any]:
    listed = [{"at": at, "last": at, "count": 1, "kind": kind, "text": text} for at, kind, text in records]
    return {"conn": conn, "user": "ann", "role": "bot", "client": None, "records": listed, **about}


def verdict(*records: tuple[float, str, str]) -> str | None:
    found = receivers(PLACE, [story(*records)])
    return found[0].verdict if found else None


LIVE = (90.0, "subscribed", SUBSCRIBED.format(3, "all"))
MISSED = (101.0, "gap", "signals ep:8 to ep:12, 4 entries missed (slow)")


@pytest.mark.accept("G19")
@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ((LIVE,), "due"),
        (((90.0, "subscribed", SUBSCRIBED.format(3, "latest")),), "perhaps"),
        (((120.0, "subscribed", SUBSCRIBED.format(9, "all")),), "replayed"),
        (((120.0, "subscribed", SUBSCRIBED.format(10, "all")),), None),
        (((90.0, "subscribed", "metrics from ep:3, 0 behind, all, on_slow close"),), None),
        (((90.0, "subscribed", SUBSCRIBED.format(3, "all").replace("ep:", "old:")),), None),
        ((LIVE, (99.0, "unsubscribed", "signals")), None),
        ((LIVE, (99.0, "unsubscribed", "metrics")), "due"),
        ((LIVE, (99.97, "unsubscribed", "signals")), "unknown"),
        ((LIVE, (100.5, "closing", "1006 (by peer)")), "unknown"),
        ((LIVE, (110.0, "ended", "")), "due"),
        ((LIVE, MISSED), "missed"),
        ((LIVE, (101.0, "gap", "signals ep:10 to ep:12, 2 entries missed (slow)")), "due"),
        ((LIVE, (101.0, "gap", "metrics ep:8 to ep:12, 4 entries missed (slow)")), "due"),
        (
            (
                (120.0, "subscribed", "signals from old:7, 12 behind, all, on_slow close"),
                (120.0, "gap", "signals old:7 to ep:9, an unknown number of entries missed (epoch)"),
            ),
            "replayed",
        ),
        (
            (
                (120.0, "subscribed", "signals from old:7, 12 behind, all, on_slow close"),
                (120.0, "gap", "signals old:7 to ep:15, an unknown number of entries missed (epoch)"),
            ),
            "missed",
        ),
        ((LIVE, MISSED, (120.0, "subscribed", SUBSCRIBED.format(9, "all"))), "replayed"),
        ((), None),
    ],
)  # fmt: skip
def test_a_verdict_says_what_the_records_say_and_no_more(
    records: tuple[tuple[float, str, str], ...], expected: str | None
) -> None:
    assert verdict(*records) == expected


def test_receivers_come_in_the_order_of_time_with_who_they_are() -> None:
    late = story((120.0, "subscribed", SUBSCRIBED.format(2, "all")), conn="c-2", client={"name": "app", "version": "1"})
    found = receivers(PLACE, [late, story(LIVE)])
    assert [one.conn for one in found] == ["c-1", "c-2"]
    assert found[1] == Receiver("c-2", "ann", "bot", "app 1", "replayed", "was to get it as a replay", 120.0)
