"""What is kept of every entry: enough to know it again, and not the entry."""

import tracemalloc
from typing import Any

import pytest
from neurograph_ws_client.positions import Position
from ng_ws.verify.history import HistoryError
from ng_ws.verify.rules import Findings
from ng_ws.verify.sightings import Sightings


def entry(number: int, size: int = 10) -> dict[str, Any]:
    data = {"n": number, "fill": "x" * size}
    return {"type": "event", "channel": "c", "event": "e", "offset": number, "ts": number / 8, "data": data}


def saw(sightings: Sightings, message: dict[str, Any], line: int = 1) -> None:
    sightings.saw(message, Position("aaaa", message["offset"]), line)


@pytest.mark.clause("I1")
@pytest.mark.parametrize("member", ["event", "key", "tags", "data", "ts"])
def test_an_entry_that_differs_in_one_member_is_not_the_same(member: str) -> None:
    findings = Findings()
    sightings = Sightings(findings)
    saw(sightings, entry(1), 1)
    saw(sightings, entry(1), 2)
    assert findings.total == 0
    saw(sightings, {**entry(1), member: {"x": "y"}}, 3)
    assert [(one.rule, one.lines) for one in findings.kept] == [("I1", (1, 3))]


def test_what_is_kept_of_an_entry_does_not_grow_with_it() -> None:
    sightings, count = Sightings(Findings()), 200
    tracemalloc.start()
    try:
        for number in range(1, 1 + count):
            message = entry(number, 20_000)
            sightings.sent({**message, "mid": f"m{number}"}, number)
            saw(sightings, message)
            sightings.stored({**message, "mid": f"m{number}"}, f"aaaa:{number}", number)
        kept = tracemalloc.get_traced_memory()[0] / count
    finally:
        tracemalloc.stop()
    assert kept < 2_000


def test_no_more_is_taken_than_can_be_kept() -> None:
    sightings = Sightings(Findings(), most=3)
    for number in (1, 2, 3, 3):
        saw(sightings, entry(number))
    with pytest.raises(HistoryError, match="expected at most 3 entries, which is what can be kept"):
        saw(sightings, entry(4))
    others = Sightings(Findings(), most=3)
    for number in range(3):
        others.sent(entry(number), number)
    with pytest.raises(HistoryError, match="a shorter run, or a lower rate"):
        others.sent(entry(3), 3)
