"""Every node knows the connections of all others by what channel `connections` says (C22)."""

from typing import Any

import orjson
import pytest

from channels._native import encode_entries
from hub.cluster.elsewhere import Elsewhere, Former
from hub.last_seen import LastSeen


def entry(event: str, conn: str | None, data: Any = None, *, ts: float = 5.0, **members: Any) -> bytes:
    row = {"user": "ann", "role": "developer", "node": "n2", "since": 1.0, **members} if data is None else data
    return encode_entries([(event, orjson.dumps(row), conn, None, None, None)], ts)[0]


@pytest.fixture
def seen() -> LastSeen:
    return LastSeen()


@pytest.fixture
def elsewhere(seen: LastSeen) -> Elsewhere:
    return Elsewhere("n1", "c-own", seen)


@pytest.mark.clause("C22")
def test_connections_of_other_nodes_are_known_until_they_leave(elsewhere: Elsewhere, seen: LastSeen) -> None:
    elsewhere.applied(1, entry("join", "c-a1") + entry("join", "c-a2", since=2.0) + entry("join", "c-b1", node="n3"))
    elsewhere.applied(4, entry("update", "c-a1", role="viewer") + entry("leave", "c-b1", node="n3", ts=9.0))
    assert [one["id"] for one in elsewhere.snapshot(10)] == ["c-a2", "c-a1"]
    assert [one["id"] for one in elsewhere.snapshot(1)] == ["c-a2"]
    assert [one["id"] for one in elsewhere.snapshot(10, role="viewer")] == ["c-a1"]
    assert elsewhere.snapshot(10, user="bob") == []
    assert dict(elsewhere.counts()) == {"n2": 2, "n3": 0}
    assert elsewhere.nodes() == ["n2"]
    assert (list(elsewhere.of("n2")), seen.of("ann"), seen.of("bob")) == (["c-a1", "c-a2"], 9.0, None)


@pytest.mark.clause("N16")
def test_of_its_own_connections_a_node_believes_nobody(elsewhere: Elsewhere) -> None:
    denied: list[str] = []
    former: list[Former] = []
    elsewhere.on_denied, elsewhere.on_former = denied.append, former.append
    elsewhere.applied(1, entry("join", "c-own1", node="n1") + entry("leave", "c-own2", node="n1"))
    elsewhere.applied(3, entry("join", "c-before", node="n1") + entry("leave", "c-gone", node="n1"))
    assert (denied, [one.conn for one in former], elsewhere.snapshot(10)) == (["c-own2"], ["c-before"], [])


@pytest.mark.clause("N8")
def test_what_another_history_said_is_forgotten(elsewhere: Elsewhere) -> None:
    begun: list[str] = []
    elsewhere.on_begun = lambda: begun.append("begun")
    elsewhere.applied(1, entry("join", "c-a1"))
    elsewhere.begun()
    assert (elsewhere.snapshot(10), begun) == ([], ["begun"])


@pytest.mark.clause("N17")
@pytest.mark.parametrize("data", [1, [], {}, {"node": 5}, "text"])
def test_what_an_administrator_may_have_published_there_is_no_connection(elsewhere: Elsewhere, data: Any) -> None:
    elsewhere.applied(1, entry("join", "c-x", data) + entry("join", None))
    assert elsewhere.snapshot(10) == []


def test_a_row_without_a_time_is_the_oldest(elsewhere: Elsewhere) -> None:
    elsewhere.applied(1, entry("join", "c-a1", since=None) + entry("join", "c-a2"))
    assert [one["id"] for one in elsewhere.snapshot(10)] == ["c-a2", "c-a1"]


def test_who_was_seen_longest_ago_is_forgotten_first() -> None:
    seen = LastSeen(most=2)
    for number, subject in enumerate(("ann", "bob", "ann", "cy")):
        seen.left(subject, float(number))
    seen.left(None, 9.0)
    seen.left("cy", 1.0)
    assert [seen.of(subject) for subject in ("ann", "bob", "cy")] == [2.0, None, 3.0]


@pytest.mark.clause("C22", "N13")
def test_newest_entries_that_were_read_before_what_came_since_change_nothing(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.cluster.elsewhere.MOST_LEFT", 1)
    elsewhere.applied(5, entry("leave", "c-a0") + entry("leave", "c-a1") + entry("update", "c-a2", since=7.0))
    for offset, conn in ((1, "c-a1"), (2, "c-a2"), (3, "c-a3"), (4, "c-a0")):
        elsewhere.applied(offset, entry("join", conn))
    # Of those that left only the last ones are remembered.
    assert {conn: row["since"] for conn, row in elsewhere.of("n2").items()} == {"c-a2": 7.0, "c-a3": 1.0, "c-a0": 1.0}
