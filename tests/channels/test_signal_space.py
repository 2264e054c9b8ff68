"""Token connections and the grid as Python sees them (signals.md 1, 2, 7; acceptance N5, N9, N10, N13)."""

import json
import math
from array import array
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from channels import SignalSystem, SignalSystemError, SignalValueError

ORIGIN = [0.0] * 8


@pytest.fixture
def system() -> Iterator[SignalSystem]:
    system = SignalSystem(capacity=4_096, node="n1")
    assert system.take_batch() is None
    yield system
    system.close()


def events(system: SignalSystem) -> list[dict[str, Any]]:
    taken = []
    while (batch := system.take_batch()) is not None:
        taken += [json.loads(text) for text in batch.encode("json")]
    return taken


def at(x: float) -> list[float]:
    return [x, *[0.0] * 7]


@pytest.mark.accept("N8", "N9", "N13")
def test_the_methods_of_the_users_documents_are_there_by_name(system: SignalSystem) -> None:
    a, b = (system.create_token(at(x)) for x in (0.0, 0.5))
    made = system.create_connection(a, b, kind="causes", pull_strength=0.25)
    found = system.get_connection(made)
    assert found is not None
    expected = {
        "connection_id": made,
        "token_a": a,
        "token_b": b,
        "kind": "causes",
        "pull_strength": 0.25,
        "preferred_distance": 0.5,
        "activations": 0,
    }
    assert found.to_dict() == expected
    assert all(found[name] == getattr(found, name) == value for name, value in expected.items())
    assert system.count_connections() == 1
    assert [one.connection_id for one in system.list_connections()] == [made]
    assert [one.connection_id for one in system.get_connections_for_token(b)] == [made]
    assert system.update_connection(made, pull_strength=0.5)
    assert system.delete_connection(made)
    assert not system.delete_connection(made)
    assert system.get_connection(made) is None
    with pytest.raises(KeyError, match="nothing"):
        found["nothing"]


@pytest.mark.accept("B3")
def test_connections_are_told_and_go_with_their_tokens(system: SignalSystem) -> None:
    a, b = (system.create_token(at(x)) for x in (0.0, 0.5))
    made = system.create_connection(a, b)
    system.create_connection(a, b, pull_strength=0.5)
    system.delete_token(b)
    told = [one for one in events(system) if one["event"].startswith("connection.")]
    assert [one["event"] for one in told] == ["connection.created", "connection.updated", "connection.deleted"]
    [connection] = told[0]["data"]["connections"]
    assert (connection["connection_id"], connection["token_a"], connection["token_b"]) == (made, a, b)
    assert told[2]["data"] == {"reason": "token", "count": 1, "node": "n1"}
    assert system.count_connections() == 0


def test_an_emit_connects_its_token_with_its_nearest() -> None:
    system = SignalSystem(auto_connect=2)
    for x in (0.0, 0.05, 0.08):
        system.emit("a", at(x))
    [first, second] = system.get_connections_for_token(3)
    assert {first.token_b, second.token_b} == {1, 2}
    nearest = next(one for one in (first, second) if one.token_b == 2)
    assert nearest.kind == "similar"
    assert nearest.pull_strength == pytest.approx(0.7, abs=1e-5)
    assert nearest.preferred_distance == pytest.approx(0.03, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message", "slug"),
    [
        (lambda s: s.create_connection(1, 99), "token_b must be the id of a live token, got 99", "schema_invalid"),
        (lambda s: s.create_connection(1, 10**30), "token_b must be the id of a live token", "schema_invalid"),
        (lambda s: s.create_connection(1, 1), "token_b must be another token than token_a", "schema_invalid"),
        (lambda s: s.create_connection(1, 2, kind="a b"), "kind must be 1 to 128 of", "bad_message"),
        (lambda s: s.create_connection(1, 2, pull_strength=math.nan), "pull_strength must be finite", "schema_invalid"),
        (lambda s: s.update_connection(1, pull_strength=1e300), "pull_strength must be finite", "schema_invalid"),
        (lambda s: s.list_connections(limit=10_001), "limit must be at most 10000", "schema_invalid"),
        (lambda s: s.list_connections(limit=-1), "limit must be 0 to 10000", "schema_invalid"),
        (lambda s: s.find_neighbors(ORIGIN, 65), "k must be 1 to 64, got 65", "schema_invalid"),
        (lambda s: s.find_neighbors(ORIGIN, scope="some"), 'scope must be "window" or "all"', "schema_invalid"),
        (lambda s: s.find_neighbors(ORIGIN, radius=-1.0), "radius must be above 0", "schema_invalid"),
        (lambda s: s.find_neighbors([0.0] * 7), "vector must have 8 dimensions, got 7", "vector_invalid"),
        (lambda s: s.range_query(ORIGIN, at(-1.0)), r"hi must be at least lo on every axis", "schema_invalid"),
        (lambda s: s.range_query(ORIGIN, [math.inf] * 8), r"vector\[0\] must be finite", "vector_invalid"),
        (lambda s: s.range_query(ORIGIN, ORIGIN, 10_001), "limit must be at most 10000", "schema_invalid"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(
    system: SignalSystem, call: Callable[[SignalSystem], Any], message: str, slug: str
) -> None:
    for x in (0.0, 0.5):
        system.create_token(at(x))
    with pytest.raises(SignalValueError, match=message) as caught:
        call(system)
    assert caught.value.slug == slug
    assert (system.count_tokens(), system.count_connections()) == (2, 0)


def test_a_full_table_refuses_by_the_api_and_is_counted_for_emits() -> None:
    system = SignalSystem(max_connections=1, auto_connect=3)
    for _ in range(3):
        system.emit("a", ORIGIN)
    assert system.count_connections() == 1
    assert system.get_stats().connections_refused == 2
    with pytest.raises(SignalValueError, match="the table of token connections is full, it holds 1") as caught:
        system.create_connection(3, 1)
    assert caught.value.slug == "overloaded"


@pytest.mark.accept("N5", "N10")
def test_the_grid_finds_by_box_by_type_and_among_all_tokens() -> None:
    system = SignalSystem(capacity=4_096, index_window=1_024)
    system.emit("far", at(3.0))
    for n in range(1_500):
        system.emit("near", at(n / 1_500))
    assert system.find_neighbors(at(3.0), 1)[0].event_type == "near"
    [found] = system.find_neighbors(at(3.0), 1, scope="all")
    assert (found.token_id, found.distance, found.event_type) == (1, 0.0, "far")
    assert system.find_neighbors(at(3.0), event_type="far") == []
    assert [one.token_id for one in system.find_neighbors(at(0.0), 3, event_type="far", scope="all")] == [1]
    assert system.find_neighbors(at(3.0), event_type="unheard.of") == []
    inside = system.range_query([0.9, *[-0.1] * 7], [0.95, *[0.1] * 7])
    assert inside == sorted(inside, reverse=True)
    [lo, hi] = array("f", [0.9, 0.95])
    assert len(inside) == sum(lo <= x <= hi for x in array("f", [n / 1_500 for n in range(1_500)]))
    assert system.range_query([0.9, *[-0.1] * 7], [0.95, *[0.1] * 7], 3) == inside[:3]
    info = system.get_grid_info()
    assert (info["window"], info["points"], info["radius"]) == (1_024, 1_024, 0.1)


@pytest.mark.accept("B4")
def test_one_question_in_a_hundred_is_told(system: SignalSystem) -> None:
    system.create_token(ORIGIN)
    for _ in range(99):
        system.find_neighbors(ORIGIN, 5, 0.5)
    system.range_query(ORIGIN, ORIGIN, 7)
    [told] = [one for one in events(system) if one["event"] == "grid.query"]
    took = told["data"].pop("processing_time_us")
    assert told["data"] == {"k": 7, "radius": None, "hits": 1, "node": "n1"}
    assert took > 0
    assert system.get_stats().queries == 100


@pytest.mark.accept("P14")
def test_novelty_is_told_once_more_where_that_is_asked_for() -> None:
    system = SignalSystem(novelty_events=True)
    system.take_batch()
    system.emit("a.b", ORIGIN)
    told = [one for one in events(system) if one["event"] == "signal.anomaly.novelty"]
    assert [one["data"] for one in told] == [
        {"token_id": 1, "nearest_dist": None, "event": "a.b", "left_out": 0, "node": ""}
    ]


def test_bounded_results_say_so_and_novelty_is_never_wrong() -> None:
    exact = SignalSystem(capacity=8_192, neighbor_radius=3.0, novelty_radius=0.05)
    bounded = SignalSystem(capacity=8_192, neighbor_radius=3.0, novelty_radius=0.05, neighbors="bounded", max_leaves=1)
    inexact = 0
    for n in range(2_000):
        vector = [math.sin(n * (axis + 1)) for axis in range(8)]
        truth, told = exact.emit("a", vector), bounded.emit("a", vector)
        assert told.is_novel == truth.is_novel
        assert truth.exact
        inexact += not told.exact
    assert inexact > 1_000


@pytest.mark.accept("N14", "N15")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_batch_is_the_sequence_of_its_emits_whatever_searches(threads: int) -> None:
    rows = array("f", (math.sin(n * 0.7 * (axis + 1)) * 0.2 for n in range(1_500) for axis in range(8)))
    one, many = (SignalSystem(capacity=1_024, threads=n) for n in (1, threads))
    alone = [one.emit("a", rows[n : n + 8]) for n in range(0, len(rows), 8)]
    together = many.emit_batch("a", rows)
    assert list(together.token_ids) == [result.token_id for result in alone]
    assert [bool(novel) for novel in together.novel] == [result.is_novel for result in alone]
    for place in range(0, 1_500, 50):
        expected = [neighbor.distance for neighbor in alone[place].neighbors]
        assert [neighbor.distance for neighbor in together[place].neighbors] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighbors": "some"}, 'neighbors must be "exact" or "bounded" or "off"'),
        ({"max_leaves": 0}, "max_leaves must be 1 to 1048576, got 0"),
        ({"auto_connect": 11}, r"auto_connect must be 0 to max_neighbors \(10\), got 11"),
        ({"max_connections": -1}, "max_connections must be a positive number, got -1"),
        ({"threads": 0}, "threads must be 1 to 64, got 0"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SignalValueError, match=message):
        SignalSystem(**options)


@pytest.mark.accept("N19")
def test_a_hundred_thousand_identical_vectors_cost_no_more_than_others() -> None:
    system = SignalSystem(auto_connect=1, max_connections=1_000)
    rows = array("f", [0.5] * 8 * 50_000)
    for _ in range(2):
        result = system.emit_batch("bot", rows)
    assert result.novel_count == 0
    assert system.get_grid_info()["buckets"] == 1
    assert system.count_connections() == 1_000
    assert system.range_query([0.5] * 8, [0.5] * 8, 2) == [100_000, 99_999]


def test_a_closed_system_refuses_every_question() -> None:
    system = SignalSystem()
    system.close()
    for call in (
        lambda: system.create_connection(1, 2),
        system.count_connections,
        system.list_connections,
        lambda: system.find_neighbors(ORIGIN, scope="all"),
        lambda: system.range_query(ORIGIN, ORIGIN),
    ):
        with pytest.raises(SignalSystemError, match="closed"):
            call()
