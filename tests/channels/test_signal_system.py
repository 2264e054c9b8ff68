"""The SignalSystem as Python sees it (signals.md 1, 2, 4, 7, 8, 10); `cargo test -p ng-signal` holds the rest."""

import array
import json
import math
import os
import select
import threading
from collections import UserDict, UserList
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels import SignalOverloaded, SignalSystem, SignalSystemError, SignalValueError

if TYPE_CHECKING:
    from channels._native import EmitResult

VECTOR = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
TRACEPARENT = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01"


@pytest.fixture
def system() -> Iterator[SignalSystem]:
    system = SignalSystem()
    yield system
    system.close()


def attached(**options: Any) -> SignalSystem:
    """A system whose events are taken."""
    system = SignalSystem(**options)
    assert system.take_batch() is None
    return system


def events(system: SignalSystem) -> list[dict[str, Any]]:
    taken = []
    while (batch := system.take_batch()) is not None:
        taken += [json.loads(text) for text in batch.encode("json")]
    return taken


# --- emit -------------------------------------------------------------------------------------------------------------


@pytest.mark.accept("N1", "N2", "N18")
def test_the_call_of_the_users_documents_works_word_for_word() -> None:
    system = SignalSystem()
    first = system.emit(event_type="signal.input.text", vector=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], priority=200)
    result = system.emit(event_type="signal.input.text", vector=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], priority=200)
    assert (first["token_id"], first["is_novel"], first["neighbors"]) == (1, True, [])
    assert (result["token_id"], result["is_novel"], len(result["neighbors"])) == (2, False, 1)
    assert result["processing_time_us"] > 0


@pytest.mark.accept("N2", "N7")
def test_a_result_has_its_members_as_attributes_as_items_and_as_a_dictionary(system: SignalSystem) -> None:
    system.emit("a", VECTOR)
    result = system.emit("b", [x + 0.01 for x in VECTOR])
    distance = round(0.01 * math.sqrt(8), 6)
    [neighbor] = result.neighbors
    assert (neighbor.token_id, round(neighbor.distance, 6), neighbor.event_type) == (1, distance, "a")
    assert neighbor.resonance == pytest.approx(1 - distance / 0.1, abs=1e-5)
    as_dict = result.to_dict()
    assert as_dict["neighbors"] == [neighbor.to_dict()]
    assert {name: as_dict[name] for name in as_dict if name != "neighbors"} == {
        "token_id": 2,
        "is_novel": False,
        "processing_time_us": result.processing_time_us,
        "nearest_dist": neighbor.distance,
        "anomaly_score": pytest.approx(neighbor.distance / 0.1, abs=1e-6),
        "exact": True,
    }
    for name, value in as_dict.items():
        assert name == "neighbors" or result[name] == getattr(result, name) == value
    with pytest.raises(KeyError, match="nothing"):
        result["nothing"]
    with pytest.raises(AttributeError):
        result.token_id = 5  # type: ignore[misc]


@pytest.mark.clause("M46")
def test_a_result_writes_the_members_of_emitted_itself(system: SignalSystem) -> None:
    system.emit("a", [0.0] * 8)
    result = system.emit("a", [0.0625, *[0.0] * 7])
    expected = {"token_id": 2, "is_novel": False, "neighbors": [{"token_id": 1, "distance": 0.0625}]}
    assert json.loads(result.to_json()) == expected


@pytest.mark.accept("N3")
@pytest.mark.parametrize(
    "vector",
    [
        VECTOR,
        tuple(VECTOR),
        UserList(VECTOR),
        array.array("f", VECTOR),
        array.array("d", VECTOR),
        memoryview(array.array("d", VECTOR * 2))[8:],
        memoryview(array.array("f", [x for pair in zip(VECTOR, VECTOR, strict=True) for x in pair]))[::2],
    ],
    ids=["list", "tuple", "sequence", "float32", "float64", "view", "strided"],
)
def test_any_sequence_and_any_buffer_of_floats_is_a_vector(system: SignalSystem, vector: Any) -> None:
    result = system.emit("a", vector)
    token = system.get_token(result.token_id)
    assert token is not None
    assert list(token.vector) == VECTOR


def test_whole_numbers_are_numbers_too(system: SignalSystem) -> None:
    token = system.get_token(system.emit("a", [0, 1, True, -1, 2, 3, 4, 5]).token_id)
    assert token is not None
    assert token.vector == (0, 1, 1, -1, 2, 3, 4, 5)


@pytest.mark.clause("M32")
@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ([0.5] * 7, "vector must have 8 dimensions, got 7"),
        ([], "vector must have 8 dimensions, got 0"),
        (array.array("f", [0.5] * 9), "vector must have 8 dimensions, got 9"),
        ([0.5, math.nan, *[0.5] * 6], r"vector\[1\] must be finite as a 32-bit float, got NaN"),
        ([0.5] * 7 + [1e300], r"vector\[7\] must be finite as a 32-bit float, got 1e300"),
        ([0.5] * 7 + [10**400], r"vector\[7\] must be finite as a 32-bit float, got inf"),
        (array.array("d", [math.inf] * 8), r"vector\[0\] must be finite as a 32-bit float, got inf"),
    ],
)
def test_a_vector_that_is_none_is_refused_with_what_came(system: SignalSystem, vector: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        system.emit("a", vector)
    assert isinstance(caught.value, SignalValueError)
    assert (caught.value.slug, caught.value.path) == ("vector_invalid", "vector")
    assert system.count_tokens() == 0


@pytest.mark.parametrize("vector", [None, 5, "12345678", b"12345678", {}, ["x"] * 8, [None] * 8, object()])
def test_what_is_no_sequence_of_numbers_is_a_type_error(system: SignalSystem, vector: Any) -> None:
    with pytest.raises(TypeError):
        system.emit("a", vector)
    assert system.count_tokens() == 0


@pytest.mark.clause("M16", "M32")
@pytest.mark.parametrize(
    ("options", "slug", "path"),
    [
        ({"event_type": "no spaces"}, "bad_message", "event_type"),
        ({"event_type": ""}, "bad_message", "event_type"),
        ({"event_type": "a" * 129}, "bad_message", "event_type"),
        ({"priority": 256}, "schema_invalid", "priority"),
        ({"priority": -1}, "schema_invalid", "priority"),
        ({"priority": 10**30}, "schema_invalid", "priority"),
        ({"key": ""}, "bad_message", "key"),
        ({"key": "a\nb"}, "bad_message", "key"),
        ({"key": "k" * 257}, "bad_message", "key"),
        ({"tags": {"no spaces": "x"}}, "bad_message", "tags"),
        ({"tags": {"a": "x" * 257}}, "bad_message", "tags"),
        ({"tags": b'{"a":1}'}, "bad_message", "tags"),
        ({"tags": {f"t{n}": "x" for n in range(17)}}, "too_large", "tags"),
        ({"payload": b"{"}, "bad_message", "payload"),
        ({"payload": b""}, "bad_message", "payload"),
        ({"payload": b'"' + b"x" * 65_535 + b'"'}, "too_large", "payload"),
    ],
)
def test_what_travels_with_a_signal_is_checked_before_it_is_processed(
    system: SignalSystem, options: dict[str, Any], slug: str, path: str
) -> None:
    with pytest.raises(SignalValueError) as caught:
        system.emit(**({"event_type": "a", "vector": VECTOR} | options))
    assert (caught.value.slug, caught.value.path) == (slug, path)
    assert system.count_tokens() == 0


@pytest.mark.parametrize(
    "options", [{"tags": {"a": 1}}, {"tags": "a"}, {"payload": "{}"}, {"priority": 1.5}, {"key": 5}]
)
def test_members_of_another_type_are_type_errors(system: SignalSystem, options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        system.emit("a", VECTOR, **options)


@given(st.lists(st.floats(width=32), min_size=6, max_size=10) | st.binary(max_size=64) | st.text() | st.integers())
def test_whatever_comes_as_a_vector_is_taken_or_refused(vector: Any) -> None:
    system = SignalSystem(capacity=1024)
    try:
        result = system.emit("a", vector)
    except (ValueError, TypeError):
        assert system.count_tokens() == 0
    else:
        assert (result.token_id, result.is_novel) == (1, True)


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.floats(-1, 1, width=32)] * 8), min_size=1, max_size=60))
def test_neighbours_and_novelty_equal_brute_force(vectors: list[Sequence[float]]) -> None:
    system = SignalSystem(neighbor_radius=0.9, novelty_radius=0.5, max_neighbors=5)
    seen: list[Sequence[float]] = []
    for vector in vectors:
        result = system.emit("a", vector)
        distances = sorted(d for d in (math.dist(vector, other) for other in seen) if d <= 0.9)
        assert [n.distance for n in result.neighbors] == pytest.approx(distances[:5], abs=1e-5)
        # The rule is that of the reported number, whatever the last bit of the true distance is.
        assert result.is_novel == (result.nearest_dist is None or result.nearest_dist > 0.5)
        seen.append(vector)


def test_the_radius_itself_is_within_and_said_to_be_so(system: SignalSystem) -> None:
    system.emit("a", [0.0] * 8)
    result = system.emit("a", [0.1, *[0.0] * 7])
    assert (result.is_novel, result.nearest_dist) == (False, 0.1)


# --- many -------------------------------------------------------------------------------------------------------------


@pytest.mark.accept("N15")
def test_a_batch_says_what_the_single_emits_would_have_said() -> None:
    one, other = SignalSystem(), SignalSystem()
    vectors = [[(7 * i % 13) / 40] * 8 for i in range(600)]
    singles = [one.emit("a", vector) for vector in vectors]
    batch = other.emit_batch("a", array.array("d", [x for vector in vectors for x in vector]))
    assert len(batch) == 600
    keys = ("token_id", "is_novel", "nearest_dist", "anomaly_score", "exact")
    for single, result in zip(singles, (batch[i] for i in range(600)), strict=True):
        assert [single[key] for key in keys] == [result[key] for key in keys]
        assert [n.to_dict() for n in single.neighbors] == [n.to_dict() for n in result.neighbors]
    assert batch.novel_count == sum(single.is_novel for single in singles)


def test_the_columns_of_a_batch_are_buffers(system: SignalSystem) -> None:
    system.emit("a", [0.0] * 8)
    batch = system.emit_batch("a", array.array("f", [*[0.0] * 8, *[5.0] * 8]))
    assert batch.token_ids.tolist() == [2, 3]
    assert batch.novel.tolist() == [0, 1]
    assert batch.nearest_dist.tolist() == [0.0, math.inf]
    assert batch.counts.tolist() == [1, 0]
    rows: Any = [batch.neighbor_ids.tolist(), batch.neighbor_dists.tolist()]
    assert rows == [[[1, *[0] * 9], [0] * 10], [[0.0, *[math.inf] * 9], [math.inf] * 10]]
    formats = [batch.token_ids.format, batch.novel.format, batch.nearest_dist.format, batch.neighbor_ids.format]
    assert formats == ["Q", "B", "f", "Q"]
    assert [batch[-1].token_id, batch[0].token_id] == [3, 2]
    with pytest.raises(IndexError, match="index 2 of a batch of 2"):
        batch[2]


def test_a_batch_may_give_each_signal_its_own_type_priority_and_key() -> None:
    system = attached()
    vectors = memoryview(array.array("f", VECTOR * 2)).cast("B").cast("f", (2, 8))
    system.emit_batch(["x.one", "x.two"], vectors, bytes([1, 255]), keys=["k1", "k2"], payload=b'{"n":1}')
    told = [(e["event"], e["key"], e["data"]["priority"], e["data"]["payload"]) for e in events(system)]
    assert told == [("x.one", "k1", 1, {"n": 1}), ("x.two", "k2", 255, {"n": 1})]


@pytest.mark.clause("M33")
@pytest.mark.parametrize(
    ("arguments", "options", "slug", "path"),
    [
        (("a", array.array("f", [*VECTOR, math.nan, *VECTOR[1:]])), {}, "vector_invalid", "vectors.1"),
        (("a", array.array("d", [*VECTOR, *VECTOR, 1.0])), {}, "vector_invalid", "vectors.2"),
        (("a", memoryview(bytes(28)).cast("f", (1, 7))), {}, "vector_invalid", "vector"),
        (("a", array.array("f", bytes(32 * 65_537))), {}, "too_large", "vectors"),
        ((["a"], array.array("f", VECTOR * 2)), {}, "schema_invalid", "event_type"),
        (("a b", array.array("f", VECTOR * 2)), {}, "bad_message", "event_type"),
        (("a", array.array("f", VECTOR * 2), b"1"), {}, "schema_invalid", "priorities"),
        (("a", array.array("f", VECTOR * 2), 256), {}, "schema_invalid", "priority"),
        (("a", array.array("f", VECTOR * 2)), {"keys": ["k"]}, "schema_invalid", "keys"),
        (("a", array.array("f", VECTOR * 2)), {"keys": ["k", ""]}, "bad_message", "key"),
        (("a", array.array("f", VECTOR * 2)), {"payload": b"}"}, "bad_message", "payload"),
    ],
)
def test_a_batch_is_refused_whole(
    system: SignalSystem, arguments: Any, options: dict[str, Any], slug: str, path: str
) -> None:
    with pytest.raises(SignalValueError) as caught:
        system.emit_batch(*arguments, **options)
    assert (caught.value.slug, caught.value.path) == (slug, path)
    assert system.count_tokens() == 0


@pytest.mark.parametrize("vectors", [VECTOR, [VECTOR], b"x" * 32, None, array.array("i", range(8))])
def test_a_batch_takes_buffers_of_floats_only(system: SignalSystem, vectors: Any) -> None:
    with pytest.raises(TypeError):
        system.emit_batch("a", vectors)


def test_an_empty_batch_is_nothing(system: SignalSystem) -> None:
    batch = system.emit_batch("a", array.array("f"))
    assert (len(batch), batch.token_ids.tolist(), batch.neighbor_ids.tolist()) == (0, [], [])


def item(vectors: Any, event_type: str = "a", priority: int = 128, **members: Any) -> Any:
    names = ("key", "tags", "payload", "traceparent", "tracestate")
    return (event_type, vectors, priority, *(members.get(name) for name in names))


@pytest.mark.clause("M32", "M33", "M46")
def test_the_emits_of_many_are_processed_in_order_and_refused_each_for_itself(system: SignalSystem) -> None:
    packed = array.array("f", VECTOR).tobytes()
    outcomes = system.emit_many(
        [
            item(VECTOR),
            item([0.5] * 7),
            item(packed * 3, "b"),
            item([VECTOR, [math.nan] * 8]),
            item(VECTOR, priority=300),
            item((VECTOR, VECTOR)),
            item(VECTOR, "not a name"),
        ]
    )
    ids = [[r.token_id for r in outcome] if isinstance(outcome, list) else outcome.slug for outcome in outcomes]
    assert ids == [[1], "vector_invalid", [2, 3, 4], "vector_invalid", "schema_invalid", [5, 6], "bad_message"]
    refusals = [outcome.path for outcome in outcomes if not isinstance(outcome, list)]
    assert refusals == ["vector", "vectors.1", "priority", "event_type"]


@pytest.mark.clause("M17", "M44")
def test_key_tags_payload_and_trace_travel_with_the_event() -> None:
    system = attached(node="n1")
    members: dict[str, Any] = {
        "key": "k",
        "tags": {"chat": "c-1"},
        "payload": b'{"text":"hi"}',
        "traceparent": TRACEPARENT,
    }
    system.emit("x.y", VECTOR, 200, **members)
    system.emit_many([item(VECTOR, "x.y", tracestate="a=1", **members)])
    system.emit_many([item(VECTOR, "x.y", tags=b'{"chat":"c-2"}', traceparent="no trace", tracestate="a=1")])
    system.emit("x.y", VECTOR, tags=UserDict({"chat": "c-3"}), traceparent="00-bad")
    first, second, third, fourth = events(system)
    assert first == {
        "event": "x.y",
        "key": "k",
        "tags": {"chat": "c-1"},
        "traceparent": TRACEPARENT,
        "data": {
            "token_id": 1,
            "vector": VECTOR,
            "priority": 200,
            "is_novel": True,
            "nearest_dist": None,
            "anomaly_score": 1.0,
            "neighbors": [],
            "node": "n1",
            "payload": {"text": "hi"},
        },
    }
    assert (second["traceparent"], second["tracestate"]) == (TRACEPARENT, "a=1")
    assert {"traceparent", "tracestate"}.isdisjoint(third)
    assert (third["tags"], fourth["tags"]) == ({"chat": "c-2"}, {"chat": "c-3"})
    assert "traceparent" not in fourth


@pytest.mark.parametrize(
    "items",
    [
        None,
        5,
        [None],
        [()],
        [("a", VECTOR)],
        [item(b"x" * 31)],
        [item(b"")],
        [item("text")],
        [item([["x"] * 8])],
        ["x" * 8],
    ],
)
def test_what_is_no_item_is_a_type_error_and_nothing_is_processed(system: SignalSystem, items: Any) -> None:
    with pytest.raises(TypeError):
        system.emit_many([item(VECTOR), *items] if isinstance(items, list) else items)
    assert system.count_tokens() == 0


def test_tags_that_are_json_text_must_be_an_object(system: SignalSystem) -> None:
    outcomes = system.emit_many([item(VECTOR, tags=b"[]"), item(VECTOR, tags=b"{")])
    assert [outcome.path for outcome in outcomes if isinstance(outcome, SignalValueError)] == ["tags", "tags"]


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.accept("N8", "N5")
def test_a_token_is_made_read_changed_and_removed(system: SignalSystem) -> None:
    token_id = system.create_token(VECTOR, event_type="place", weight=0.5, priority=7)
    token = system.get_token(token_id)
    assert token is not None
    assert token.to_dict() | {"created": 0} == {
        "token_id": token_id,
        "vector": tuple(VECTOR),
        "event_type": "place",
        "priority": 7,
        "weight": 0.5,
        "created": 0,
        "is_novel": False,
        "nearest_id": None,
        "nearest_dist": None,
    }
    assert system.update_token(token_id, vector=[0.9] * 8, weight=2.0, priority=9)
    moved = system.get_token(token_id)
    assert moved is not None
    assert (moved.vector, moved["weight"], moved.priority) == ((0.9,) * 8, 2.0, 9)
    assert [n.token_id for n in system.find_neighbors([0.9] * 8, radius=0.01)] == [token_id]
    assert [n.token_id for n in system.find_neighbors(VECTOR, radius=0.01)] == []
    assert (system.delete_token(token_id), system.delete_token(token_id)) == (True, False)
    assert (system.get_token(token_id), system.update_token(token_id, weight=1.0)) == (None, False)


@pytest.mark.accept("N8", "N15")
def test_many_tokens_are_made_listed_counted_and_cleared(system: SignalSystem) -> None:
    assert system.create_tokens(100_000) == range(1, 100_001)
    made = system.create_tokens(vectors=array.array("f", VECTOR * 3), event_type="b")
    assert made == range(100_001, 100_004)
    assert system.count_tokens() == 100_003
    assert [token.token_id for token in system.list_tokens(limit=3)] == [100_003, 100_002, 100_001]
    assert [token.event_type for token in system.list_tokens(limit=2, before=100_002)] == ["b", "token"]
    assert (system.clear_tokens(), system.count_tokens(), system.list_tokens()) == (100_003, 0, [])
    assert system.create_token(VECTOR) == 100_004


@pytest.mark.parametrize("token_id", [0, -1, 2**63, 10**30])
def test_ids_that_no_token_has_are_no_error(system: SignalSystem, token_id: int) -> None:
    assert (system.get_token(token_id), system.delete_token(token_id)) == (None, False)


def test_a_token_remembers_what_was_nearest_when_it_came(system: SignalSystem) -> None:
    first = system.emit("a", VECTOR)
    second = system.get_token(system.emit("a", VECTOR).token_id)
    assert second is not None
    assert (second.nearest_id, second.nearest_dist, second.is_novel) == (first.token_id, 0.0, False)


def test_tokens_without_an_index_are_nobodys_neighbours(system: SignalSystem) -> None:
    system.create_tokens(vectors=array.array("f", VECTOR), index=False)
    assert system.emit("a", VECTOR).is_novel


@pytest.mark.accept("N10")
def test_neighbours_are_asked_for_by_place_or_by_token(system: SignalSystem) -> None:
    ids = [system.emit("a", [x, *[0.0] * 7]).token_id for x in (0.0, 3.0, 4.0)]
    by_place = system.find_neighbors([3.0, *[0.0] * 7], 2)
    assert [(n.token_id, n.distance) for n in by_place] == [(ids[1], 0.0), (ids[2], 1.0)]
    by_token = system.find_neighbors(ids[1])
    assert [(n.token_id, n.distance) for n in by_token] == [(ids[2], 1.0), (ids[0], 3.0)]
    assert [n.token_id for n in system.find_neighbors(ids[1], radius=1.0)] == [ids[2]]
    grid = system.get_grid_info()
    assert (grid["points"], grid["window"], grid["radius"]) == (3, 131_072, 0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.find_neighbors(VECTOR, 65), "k must be 1 to 64, got 65"),
        (lambda s: s.find_neighbors(VECTOR, -1), "k must be 1 to 64, got -1"),
        (lambda s: s.find_neighbors(VECTOR, radius=0), "radius must be above 0 and at most 1e9, got 0"),
        (lambda s: s.find_neighbors(99), "token_id must be the id of a live token, got 99"),
        (lambda s: s.list_tokens(limit=10_001), "limit must be at most 10000, got 10001"),
        (lambda s: s.create_token(VECTOR, weight=math.inf), "weight must be finite as a 32-bit float, got inf"),
        (lambda s: s.create_tokens(2**20 + 1), "n must be at most the capacity, got 1048577"),
        (lambda s: s.set_scales([0.0] * 8), "scales must be 8 finite numbers above 0"),
        (lambda s: s.take_batch(-1), "max_events must be a positive number, got -1"),
    ],
)
def test_every_call_is_bounded_and_says_by_what(system: SignalSystem, call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(system)


def test_exactly_one_of_number_and_vectors_makes_tokens(system: SignalSystem) -> None:
    for options in ({}, {"n": 1, "vectors": array.array("f", VECTOR)}):
        with pytest.raises(TypeError, match="exactly one of n and vectors"):
            system.create_tokens(**options)  # type: ignore[arg-type]


def test_scales_weigh_the_axes(system: SignalSystem) -> None:
    system.emit("a", [0.0] * 8)
    system.set_scales([10.0, *[1.0] * 7])
    assert system.emit("a", [0.05, *[0.0] * 7]).is_novel
    assert not system.emit("a", [0.0, 0.05, *[0.0] * 6]).is_novel


def test_what_was_warmed_is_known_and_told_to_nobody() -> None:
    system = attached()
    assert system.warm(array.array("f", VECTOR), "signal.input.text") == 1
    assert events(system) == []
    result = system.emit("a", VECTOR)
    assert (result.is_novel, result.neighbors[0].event_type) == (False, "signal.input.text")


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"capacity": 5}, "capacity must be 1024 to 2147483648, got 5"),
        ({"capacity": -1}, "capacity must be a positive number, got -1"),
        ({"index_window": 2**20 + 1}, r"index_window must be 1024 to capacity \(1048576\), got 1048577"),
        ({"novelty_radius": 0.2}, r"novelty_radius must be above 0 and at most neighbor_radius \(0.1\), got 0.2"),
        ({"neighbor_radius": math.nan}, "neighbor_radius must be above 0 and at most 1e9, got NaN"),
        ({"novelty_ttl": 0.0}, "novelty_ttl must be above 0 and at most 1e9 seconds, got 0"),
        ({"max_neighbors": 65}, "max_neighbors must be 1 to 64, got 65"),
        ({"event_neighbors": 65}, "event_neighbors must be 0 to 64, got 65"),
        ({"queue_size": 1}, "queue_size must be 64 to 4194304, got 1"),
        ({"neighbors": "some"}, 'neighbors must be "exact" or "bounded" or "off", got "some"'),
        ({"publish": "few"}, 'publish must be "all" or "novel" or "none", got "few"'),
        ({"overflow": "panic"}, 'overflow must be "refuse" or "block" or "drop_oldest", got "panic"'),
        ({"scales": [1.0] * 7}, "vector must have 8 dimensions, got 7"),
        ({"scales": [-1.0] * 8}, "scales must be 8 finite numbers above 0"),
        ({"publish": "novel", "neighbors": "off"}, 'publish must be "all" or "none" where neighbors is "off"'),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected_and_what_came(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SignalValueError, match=message):
        SignalSystem(**options)


def test_a_window_nobody_set_fits_the_capacity() -> None:
    assert SignalSystem(capacity=2_048).get_grid_info()["window"] == 2_048


def test_without_neighbours_nothing_is_said_to_be_novel() -> None:
    result = SignalSystem(neighbors="off").emit("a", VECTOR)
    assert (result.is_novel, result.exact, result.neighbors, result.nearest_dist) == (False, False, [], None)


@pytest.mark.clause("M34")
def test_a_deployment_may_publish_novel_signals_only() -> None:
    system = attached(publish="novel")
    published = [system.emit("a", VECTOR).published for _ in range(2)]
    published.append(system.emit("a", VECTOR, publish=True).published)
    assert published == [True, False, True]
    assert [event["data"]["token_id"] for event in events(system)] == [1, 3]


# --- the hub's side ---------------------------------------------------------------------------------------------------


def is_readable(fd: int) -> bool:
    return select.select([fd], [], [], 0)[0] != []


def test_the_descriptor_is_readable_exactly_while_events_wait(system: SignalSystem) -> None:
    fd = system.wakeup_fd()
    assert (fd, is_readable(fd)) == (system.wakeup_fd(), False)
    for _ in range(3):
        system.emit("a", VECTOR)
    assert is_readable(fd)
    batch = system.take_batch(2)
    assert batch is not None
    assert (len(batch), is_readable(fd)) == (2, True)
    assert system.take_batch() is not None
    assert not is_readable(fd)


@pytest.mark.clause("M34")
def test_a_full_queue_refuses_before_anything_is_processed() -> None:
    system = attached(queue_size=64)
    system.emit_batch("a", array.array("f", VECTOR * 64))
    with pytest.raises(SignalOverloaded, match="64 events wait") as caught:
        system.emit("a", VECTOR)
    assert caught.value.slug == "overloaded"
    with pytest.raises(SignalOverloaded):
        system.create_token(VECTOR)
    [single, batch] = system.emit_many([item(VECTOR), item([VECTOR, VECTOR])])
    assert isinstance(single, SignalOverloaded)
    assert isinstance(batch, SignalOverloaded)
    assert (system.count_tokens(), system.get_stats().refused) == (64, 4)


def test_drop_oldest_tells_what_was_lost() -> None:
    system = attached(queue_size=64, overflow="drop_oldest")
    system.emit_batch("a", array.array("f", VECTOR * 70))
    batch = system.take_batch()
    assert batch is not None
    assert (batch.dropped, len(batch), batch.index_of(7), batch.index_of(6)) == (6, 65, 1, None)
    first = json.loads(batch.encode()[0])
    expected = {"count": 6, "first_token_id": 1, "last_token_id": 6, "node": ""}
    assert (first["event"], first["data"]) == ("signal.dropped", expected)


def test_a_blocked_emitter_waits_for_room_and_lets_others_run() -> None:
    system = attached(queue_size=64, overflow="block")
    system.emit_batch("a", array.array("f", VECTOR * 64))
    result: list[EmitResult] = []
    emitter = threading.Thread(target=lambda: result.append(system.emit("a", VECTOR)))
    emitter.start()
    while (batch := system.take_batch(1)) is None:
        pass
    emitter.join(10)
    assert (len(batch), [r.token_id for r in result]) == (1, [65])


def test_the_consumers_own_thread_is_refused_instead_of_waiting_for_itself() -> None:
    system = attached(queue_size=64, overflow="block")
    with pytest.raises(SignalOverloaded):
        system.emit_batch("a", array.array("f", VECTOR * 65))
    assert system.count_tokens() == 0
    system.emit_batch("a", array.array("f", VECTOR * 64))
    with pytest.raises(SignalOverloaded):
        system.emit("a", VECTOR)
    assert system.count_tokens() == 64


@pytest.mark.accept("N14", "N16")
def test_threads_share_one_system() -> None:
    system = attached()
    ids: list[int] = []

    def emit() -> None:
        ids.extend(system.emit("a", VECTOR).token_id for _ in range(500))
        ids.extend(system.emit_batch("a", array.array("f", VECTOR * 500)).token_ids)

    threads = [threading.Thread(target=emit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ids) == list(range(1, 4_001))
    assert [event["data"]["token_id"] for event in events(system)] == list(range(1, 4_001))


def test_a_closed_system_refuses_work_and_gives_what_it_holds(system: SignalSystem) -> None:
    system.wakeup_fd()
    system.emit("a", VECTOR)
    system.close()
    with pytest.raises(SignalSystemError, match="closed"):
        system.emit("a", VECTOR)
    batch = system.take_batch()
    assert batch is not None
    assert len(batch) == 1
    assert system.take_batch() is None


def test_closing_ends_the_wait_of_a_blocked_emitter() -> None:
    system = attached(queue_size=64, overflow="block")
    system.emit_batch("a", array.array("f", VECTOR * 64))
    caught: list[Exception] = []

    def emit() -> None:
        try:
            system.emit("a", VECTOR)
        except SignalSystemError as error:
            caught.append(error)

    emitter = threading.Thread(target=emit)
    emitter.start()
    system.close()
    emitter.join(10)
    assert [str(error) for error in caught] == ["the SignalSystem is closed"]


def test_a_system_does_not_survive_a_fork(system: SignalSystem) -> None:
    system.emit("a", VECTOR)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        text = "no error"
        try:
            system.emit("a", VECTOR)
        except SignalSystemError as error:
            text = str(error)
        finally:
            os.write(write, text.encode())
            os._exit(0)
    os.waitpid(child, 0)
    assert b"does not survive a fork" in os.read(read, 200)
    os.close(read)
    os.close(write)
    assert system.emit("a", VECTOR).token_id == 2


# --- figures ----------------------------------------------------------------------------------------------------------


def test_figures_say_what_happened_and_can_be_reset(system: SignalSystem) -> None:
    system.emit("a", VECTOR)
    system.emit("a", VECTOR)
    system.create_token(VECTOR)
    system.delete_token(3)
    stats = system.get_stats()
    assert (stats.emits, stats.novel, stats.created, stats.deleted, stats.tokens) == (2, 1, 1, 1, 2)
    assert (stats["window_points"], stats.to_dict()["queue_depth"]) == (2, 0)
    assert 0 < stats.emit_p50_us <= stats.emit_p99_us
    system.reset_stats()
    assert (system.get_stats().emits, system.get_stats().emit_p99_us, system.get_stats().tokens) == (0, 0, 2)


@pytest.mark.accept("N12")
def test_metrics_are_exported_as_prometheus_reads_them(system: SignalSystem) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    for _ in range(3):
        system.emit("a", VECTOR)
    families = {family.name: family for family in text_string_to_metric_families(system.export_metrics())}
    prefix = "neurograph_signal_"
    counters = {"emits", "novel", "refused", "dropped", "evicted", "queries", "connections_refused"}
    counters |= {"subscriber_dropped", "callback_errors", "subscribers_refused"}
    gauges = {"tokens", "token_connections", "window_points", "index_depth", "index_fill", "queue_depth", "subscribers"}
    assert families.keys() == {prefix + name for name in counters | gauges | {"emit_seconds"}}
    assert families[prefix + "emits"].samples[0].value == 3
    samples = {sample.name: sample.value for sample in families[prefix + "emit_seconds"].samples}
    assert samples[prefix + "emit_seconds_count"] == 3


def test_objects_say_what_they_are(system: SignalSystem) -> None:
    result = system.emit("a", VECTOR)
    assert repr(result) == "EmitResult(token_id=1, is_novel=True, neighbors=0, nearest_dist=None)"
    assert repr(system) == "SignalSystem(tokens=1, window_points=1, emits=1, queue_depth=0)"
    again = system.emit("a", VECTOR)
    assert repr(again) == "EmitResult(token_id=2, is_novel=False, neighbors=1, nearest_dist=0.0)"
