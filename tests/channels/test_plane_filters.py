"""Filters of the native plane as Python sees them: reading, sieves, cursors that let part of a log through."""

import json
import threading
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from channels._native import Filter, FilterError, Plane, PlaneError, PlaneOverloaded
from tests.support.plane_peer import Running, entry


def hot(running: Running, log: int, *values: int) -> None:
    running.append(log, *[entry(json.dumps({"cpu": value}).encode()) for value in values])


@pytest.mark.clause("F1", "F5")
def test_equal_filters_are_equal_however_they_are_written() -> None:
    one, other = Filter(b'{"key":"a","data.n":1}'), Filter(b' {"data.n":{"eq":1.0}, "key":"\\u0061"}')
    assert one == other
    assert one.text == other.text == b'{"all":[{"key":{"eq":"a"}},{"data.n":{"eq":1}}]}'
    assert other.received == b' {"data.n":{"eq":1.0}, "key":"\\u0061"}'
    assert one != Filter(b'{"key":"a"}')
    assert Filter(b'{"key":"a"}') & Filter(b'{"data.n":1}') == one
    assert (Filter(b"{}").is_open, one.is_open) == (True, False)
    assert repr(Filter(b'{"key":"a"}')) == 'Filter({"key":{"eq":"a"}})'


@pytest.mark.clause("F8", "F9")
def test_a_filter_that_breaks_a_rule_says_which_member_and_what_was_expected() -> None:
    with pytest.raises(FilterError, match=r"^any\.0\.data\.a\.gte: expected a number or text, came null$") as caught:
        Filter(b'{"any":[{"data.a":{"gte":null}}]}')
    assert caught.value.path == "any.0.data.a.gte"
    with pytest.raises(FilterError, match="expected at most 10 bytes, came 11") as caught:
        Filter(b'{"key":"a"}', max_bytes=10)
    assert caught.value.path == ""
    with pytest.raises(FilterError, match="at most 1 operators"):
        Filter(b'{"key":"a","data":1}', max_nodes=1)
    with pytest.raises(FilterError, match="at most 1 filters"):
        Filter(b'{"not":{}}', max_depth=1)


@pytest.mark.clause("F3", "M14")
def test_both_encodings_get_the_same_entries_which_are_judged_once() -> None:
    with Running() as running:
        log = running.open_log()
        (json_conn, json_peer), (packed_conn, packed_peer) = running.connect(), running.connect(encoding="msgpack")
        running.subscribe(json_conn, log, filter='{"data.cpu":{"gte":80}}')
        json_peer.subscribed()
        sieve = running.sift(log, '{"data.cpu":{"gte":8e1}}')
        spec: Any = (log, "all", "gap", None, "new", False, None, sieve)
        running.plane.subscribe(packed_conn, [spec], [b"\x83\xa4type\xaasubscribed", b""])
        running.plane.flush()
        packed_peer.payload()
        hot(running, log, 79, 80, 81, 5, 99)
        assert json_peer.offsets(3) == [2, 3, 5]
        assert [msgpack.unpackb(packed_peer.payload()[1])["offset"] for _ in range(3)] == [2, 3, 5]
        stats = running.plane.stats()
        assert (stats["filters"], stats["filters_judged"], stats["filters_refused"]) == (1, 5, 0)


@pytest.mark.clause("F12")
def test_a_policy_and_a_filter_are_one_sieve() -> None:
    with Running() as running:
        log = running.open_log()
        plane, mine, policy = running.plane, Filter(b'{"key":"a"}'), Filter(b'{"data":{"gt":1}}')
        assert plane.sift(log, None) is None
        assert plane.sift(log, Filter(b"{}"), Filter(b"{}")) is None
        sieves = [plane.sift(log, mine, policy), plane.sift(log, policy, mine), plane.sift(log, None, mine & policy)]
        assert plane.stats()["filters"] == 1
        assert all(sieves)
        conn, peer = running.connect()
        plane.subscribe(
            conn, [(log, "all", "gap", None, "new", False, None, sieves[0])], [b'{"type":"subscribed",', b"}"]
        )
        plane.flush()
        peer.subscribed()
        running.append(log, entry(b"5", key="b"), entry(b"0", key="a"), entry(b"5", key="a"))
        assert peer.offsets(1) == [3]
        assert [json.loads(text)["offset"] for text in plane.read_log(log, 0, 10, policy)] == [1, 3]
        assert len(plane.read_log(log, 0, 1, policy)) == 1


def test_distinct_filters_are_bounded_and_equal_ones_are_not() -> None:
    with Running(max_filters=3, max_channel_filters=2) as running:
        logs = [running.open_log(name) for name in ("a", "b")]
        held: list[Any] = [running.sift(logs[0], f'{{"data":{number}}}') for number in (1, 2)]
        with pytest.raises(PlaneOverloaded, match="2 distinct filters of the channel"):
            running.sift(logs[0], '{"data":3}')
        held += [running.sift(logs[0], '{"data":1.0}'), running.sift(logs[1], '{"data":1}')]
        with pytest.raises(PlaneOverloaded, match="3 distinct filters of all channels"):
            running.sift(logs[1], '{"data":2}')
        held.append(running.plane.sift(logs[0], Filter(b'{"data":4}'), must=True))
        stats = running.plane.stats()
        assert (stats["filters"], stats["filters_refused"]) == (4, 2)
        held.clear()
        assert running.plane.stats()["filters"] == 0
        with pytest.raises(PlaneError, match="open log"):
            running.sift(99, '{"data":1}')


@pytest.mark.clause("R9")
def test_the_past_is_judged_without_the_interpreter_and_without_the_io_thread() -> None:
    with Running() as running:
        log = running.open_log()
        running.append(log, *[entry(str(number % 100).encode()) for number in range(5_000)])
        sieve = running.sift(log, '{"data":7}')
        assert sieve is not None
        epoch = running.plane.log_info(log)["epoch"]
        start: Any = ("at", epoch, 1_000)
        assert (sieve.unjudged("new"), sieve.unjudged(start), sieve.unjudged(("last", 5))) == (0, 4_000, 5_000)
        worker = threading.Thread(target=sieve.judge, args=(start,))
        worker.start()
        worker.join()
        assert (sieve.unjudged(start), running.plane.stats()["filters_judged"]) == (0, 4_000)
        conn, peer = running.connect()
        spec: Any = (log, "all", "gap", None, start, False, None, sieve)
        running.plane.subscribe(conn, [spec], [b'{"type":"subscribed",', b"}"])
        running.plane.flush()
        assert peer.subscribed() == (f"{epoch}:1000", 4_000)
        assert peer.offsets(40) == list(range(1_008, 5_000, 100))
        assert running.plane.stats()["filters_judged"] == 4_000


@pytest.mark.clause("M26", "F12")
def test_a_change_without_an_answer_is_not_told() -> None:
    with Running() as running:
        log = running.open_log()
        conn, peer = running.connect()
        running.subscribe(conn, log)
        peer.subscribed()
        running.append(log, entry(b"1"))
        assert peer.offsets(1) == [1]
        spec: Any = (log, "all", "gap", None, "new", True, None, running.sift(log, '{"data":3}'))
        running.plane.subscribe(conn, [spec], None)
        running.append(log, entry(b"2"), entry(b"3"))
        assert peer.offsets(1) == [3]


def near(number: int) -> str:
    """A ball of its own for each number, none touching another."""
    return json.dumps({"data.vector": {"near": {"center": [number / 1_000] * 8, "radius": 0.0005}}})


@pytest.mark.clause("F7")
@pytest.mark.accept("B12")
def test_an_event_touches_the_semantic_subscriptions_that_it_is_near_and_no_other() -> None:
    with Running(max_channel_filters=1) as running:
        log, count = running.open_log(), 300
        peers = []
        for number in range(count):
            conn, peer = running.connect()
            running.subscribe(conn, log, filter=near(number))
            peer.subscribed()
            peers.append(peer)
        stats: Any = running.plane.stats()
        assert (stats["filters"], stats["near_balls"]) == (count, count)
        assert 0 < stats["filter_bytes"] <= 4_096 * count
        hit, beside = [0.123] * 8, [0.123] * 7 + [0.5]
        running.append(log, *[entry(json.dumps({"vector": vector}).encode()) for vector in (beside, hit, beside)])
        assert peers[123].offsets(1) == [2]
        stats = running.plane.stats()
        assert (stats["filters_judged"], stats["near_matches"]) == (1, 1)
        channels: dict[str, Any] = stats["channels"]
        assert sum(channel["deliveries"] for channel in channels.values()) == 1


def test_semantic_subscriptions_are_bounded_by_their_memory() -> None:
    with Running(max_filters=0, filter_memory=65_536) as running:
        log = running.open_log()
        held: list[Any] = []

        def size() -> int:
            stats: dict[str, Any] = running.plane.stats()
            return int(stats["filter_bytes"])

        # A quarter is kept for what is judged.
        while size() < 47_000:
            held.append(running.sift(log, near(len(held))))
        assert 10 < len(held) < 100
        wide = json.dumps({"any": [json.loads(near(number)) for number in range(2_000, 2_008)]})
        with pytest.raises(PlaneOverloaded, match="take 49152 bytes already"):
            running.sift(log, wide)
        assert running.plane.stats()["filters_refused"] == 1
        held.pop()
        held.append(running.sift(log, near(1_000)))


def test_the_bounds_are_checked() -> None:
    with pytest.raises(TypeError):
        Filter("{}")  # type: ignore[arg-type]
    plane = Plane(max_filters=0)
    log = plane.open_log("logs", seconds=1.0, max_bytes=1_000)
    with pytest.raises(PlaneOverloaded, match="0 distinct"):
        plane.sift(log, Filter(b'{"key":"a"}'))
