"""Who listens to a SignalSystem inside the process: by `poll`, or by callbacks that the drain calls."""

import array
import asyncio
import json
import multiprocessing
import os
import select
import threading
from collections.abc import Iterator
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import SignalPump, SignalSystem, SignalSystemError, SignalValueError
from channels._native import Filter, FilterError, SignalEvent
from channels.listening import AT_ONCE
from channels.publication import Position

URGENT = {"data.priority": {"gte": 200}}


@pytest.fixture
def system() -> Iterator[SignalSystem]:
    system = SignalSystem()
    yield system
    system.close()


def at(x: float) -> list[float]:
    return [x] * 8


def ids(events: list[SignalEvent]) -> list[int]:
    return [event["token_id"] for event in events]


@pytest.mark.accept("B12", "N7")
def test_a_subscriber_hears_what_passes_its_filter(system: SignalSystem) -> None:
    near = {"data.vector": {"near": {"center": at(0.5), "radius": 0.1}}}
    everything, urgent, close = (
        system.subscribe(name, wanted)
        for name, wanted in (("all", None), ("urgent", URGENT), ("close", near | {"event": {"prefix": "a."}}))
    )
    assert len({everything, urgent, close}) == 3
    for event_type, x, priority in (("a.b", 0.5, 10), ("b", 0.5, 220), ("a.c", 0.9, 200), ("a.b", 0.52, 199)):
        system.emit(event_type, at(x), priority)
    assert ids(system.poll(everything)) == [1, 2, 3, 4]
    assert ids(system.poll(urgent)) == [2, 3]
    assert ids(system.poll(close)) == [1, 4]
    assert system.poll(everything) == []


def test_an_event_is_that_of_the_log(system: SignalSystem) -> None:
    number = system.subscribe("one", Filter(b'{"tags.host":"db1"}'))
    system.emit("a", at(0.25), key="k", tags={"host": "db1"}, payload=b'{"n":1}')
    system.emit("a", at(0.25))
    (event,) = system.poll(number)
    assert (event.event, event.key, event.tags, event["event"]) == ("a", "k", {"host": "db1"}, "a")
    assert event.data == json.loads(event.to_json())["data"]
    assert (event["payload"], event["vector"], event["is_novel"]) == ({"n": 1}, at(0.25), True)
    assert repr(event).startswith('SignalEvent({"event":"a","key":"k"')
    with pytest.raises(KeyError, match="nothing"):
        event["nothing"]


def test_a_full_queue_loses_its_oldest_and_says_how_many(system: SignalSystem) -> None:
    few, many = system.subscribe("few", queue=3), system.subscribe("many")
    for _ in range(10):
        system.emit("a", at(0.5))
    assert ids(system.poll(few)) == [8, 9, 10]
    assert ids(system.poll(many, 4)) == [1, 2, 3, 4]
    described = {one["name"]: one for one in system.list_subscribers()}
    assert described["few"] == {
        "subscriber_id": few,
        "name": "few",
        "queue": 3,
        "waiting": 0,
        "heard": 10,
        "dropped": 7,
        "failed": 0,
    }
    assert (described["many"]["waiting"], described["many"]["dropped"]) == (6, 0)
    assert "neurograph_signal_subscriber_dropped_total 7" in system.export_metrics()


@pytest.mark.parametrize("queue_size", [2_048, 65_536])
def test_a_subscriber_that_never_polls_makes_no_emit_wait_or_fail(queue_size: int) -> None:
    system = SignalSystem(capacity=1_024, index_window=1_024, neighbors="off", queue_size=queue_size)
    idle = system.subscribe("idle", queue=2)
    for _ in range(3):
        system.emit_batch("a", array.array("f", at(0.5) * queue_size))
    for _ in range(3_000):
        system.create_token(at(0.5))
        system.emit("a", at(0.5))
    assert [event["token_id"] for event in system.poll(idle)][-1] == 3 * queue_size + 6_000
    system.unsubscribe(idle)
    for _ in range(2):
        system.emit_batch("a", array.array("f", at(0.5) * queue_size))


def test_who_has_left_hears_nothing(system: SignalSystem) -> None:
    stays, leaves = system.subscribe("stays"), system.subscribe("leaves")
    system.unsubscribe(leaves)
    system.emit("a", at(0.5))
    assert ids(system.poll(stays)) == [1]
    for call in (system.unsubscribe, system.poll):
        with pytest.raises(KeyError, match=f"no subscriber {leaves}"):
            call(leaves)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (({"data.n": {"near": 1}},), {}, FilterError, "data.n.near: expected an object"),
        (({"color": 1},), {}, FilterError, "color"),
        ((7,), {}, TypeError, "filter must be a dictionary or a Filter, got int"),
        ((None, 7), {}, TypeError, "callback must be callable, got int"),
        ((), {"queue": 0}, ValueError, "1 to 65536 events was expected, 0 came"),
        ((), {"queue": 65_537}, ValueError, "1 to 65536 events"),
    ],
)
def test_what_is_wrong_is_told(
    system: SignalSystem, arguments: tuple[Any, ...], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        system.subscribe("wrong", *arguments, **options)
    assert system.list_subscribers() == []


def test_their_number_is_bounded_and_counted() -> None:
    system = SignalSystem(max_subscribers=2)
    held = [system.subscribe(f"s{number}") for number in range(2)]
    with pytest.raises(SignalValueError, match=r"subscribers must be at most 2 \(max_subscribers\), got 3"):
        system.subscribe("one too many")
    assert "neurograph_signal_subscribers_refused_total 1" in system.export_metrics()
    system.unsubscribe(held[0])
    system.subscribe("there is room again")
    for wrong in (0, -1, 65_537):
        with pytest.raises(SignalValueError, match=f"max_subscribers must be 1 to 65536, got {wrong}"):
            SignalSystem(max_subscribers=wrong)


class Door:
    """A log that takes everything."""

    max_signals = 1_000_000

    def __init__(self) -> None:
        self.stored = 0

    def append_signals(self, channel: str, batch: Any, done: Any) -> None:
        self.stored += len(batch)
        done(Position(channel, self.stored))


async def test_callbacks_run_on_the_loop_and_one_that_raises_stops_nobody(
    system: SignalSystem, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[int, Any]] = []
    done = asyncio.Event()
    count = AT_ONCE * 2 + 5

    def hears(event: SignalEvent) -> None:
        heard.append((event["token_id"], asyncio.get_running_loop()))
        if len(heard) == count:
            done.set()

    def raises(event: SignalEvent) -> None:
        raise ValueError(event["token_id"])

    failing = system.subscribe("failing", {"data.token_id": {"lte": 3}}, raises)
    system.subscribe("hearing", None, hears, queue=count)
    polled = system.subscribe("polled", queue=1)
    pump = SignalPump(system, Door())
    pump.start()
    system.emit_batch("a", array.array("f", at(0.5) * count))
    await asyncio.wait_for(done.wait(), 10)
    assert heard == [(number, asyncio.get_running_loop()) for number in range(1, count + 1)]
    described = {one["subscriber_id"]: one for one in system.list_subscribers()}
    assert (described[failing]["failed"], described[failing]["waiting"]) == (3, 0)
    assert sum("(failing) of the SignalSystem raised" in record.message for record in caplog.records) == 3
    assert ids(system.poll(polled)) == [count]
    assert "neurograph_signal_callback_errors_total 3" in system.export_metrics()
    system.emit("a", at(0.5))
    heard.clear()
    pump.stop()
    assert [token for token, _ in heard] == [count + 1]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 255)), max_size=30), st.integers(0, 255))
def test_tokens_are_listed_through_a_filter(made: list[tuple[str, int]], least: int) -> None:
    system = SignalSystem()
    for event_type, priority in made:
        system.create_token(at(0.5), event_type=event_type, priority=priority)
    expected = [number for number, (name, priority) in enumerate(made, start=1) if name == "a" and priority >= least][
        ::-1
    ]
    wanted = {"event": "a", "data.priority": {"gte": least}}
    assert [token.token_id for token in system.list_tokens(filter=wanted)] == expected
    assert [token.token_id for token in system.list_tokens(filter=wanted, limit=2)] == expected[:2]
    if expected:
        rest = system.list_tokens(filter=wanted, before=expected[0])
        assert [token.token_id for token in rest] == expected[1:]


@pytest.mark.accept("N8", "N6")
def test_a_filter_sees_a_token_as_an_event_of_its_type(system: SignalSystem) -> None:
    rows = array.array("f", [x for number in range(10_000) for x in at(number / 10_000)])
    system.create_tokens(vectors=rows, event_type="thing")
    near = {"data.vector": {"near": {"center": at(0.5), "radius": 0.0004}}}
    assert [token.token_id for token in system.list_tokens(filter=near)] == [5_002, 5_001, 5_000]
    assert [token.token_id for token in system.list_tokens(filter={"data.vector.3": {"lt": 0.0002}})] == [2, 1]
    seen = system.emit("seen", at(0.5), 7)
    wanted = {"event": "seen", "data.is_novel": False, "data.nearest_dist": {"lt": 0.001}, "data.weight": 1}
    assert [token.token_id for token in system.list_tokens(filter=wanted)] == [seen.token_id]
    with pytest.raises(FilterError, match="color"):
        system.list_tokens(filter={"color": 1})
    with pytest.raises(SignalValueError, match="limit must be at most 10000"):
        system.list_tokens(filter=near, limit=10_001)


def test_a_batch_is_encoded_in_either_form(system: SignalSystem) -> None:
    system.take_batch()
    system.emit("a", at(0.1), key="k", tags={"host": "db1"}, payload=b'{"big":18446744073709551615,"x":[1.5,null]}')
    system.create_token(at(0.2))
    batch = system.take_batch()
    assert batch is not None
    packed = [msgpack.unpackb(one) for one in batch.encode("msgpack")]
    assert packed == [json.loads(one) for one in batch.encode("json")] == [json.loads(one) for one in batch.encode()]
    assert packed[0]["data"]["payload"]["big"] == 2**64 - 1
    with pytest.raises(ValueError, match="json"):
        batch.encode("xml")  # type: ignore[arg-type]


CALLS: dict[str, Any] = {
    "emit": lambda system: system.emit("a", at(0.5)),
    "emit_batch": lambda system: system.emit_batch("a", array.array("f", at(0.5))),
    "emit_many": lambda system: system.emit_many([]),
    "emit_each": lambda system: system.emit_each([]),
    "create_token": lambda system: system.create_token(at(0.5)),
    "create_tokens": lambda system: system.create_tokens(1),
    "get_token": lambda system: system.get_token(1),
    "update_token": lambda system: system.update_token(1, weight=1.0),
    "delete_token": lambda system: system.delete_token(1),
    "list_tokens": lambda system: system.list_tokens(filter={"event": "a"}),
    "count_tokens": lambda system: system.count_tokens(),
    "clear_tokens": lambda system: system.clear_tokens(),
    "create_connection": lambda system: system.create_connection(1, 2),
    "get_connection": lambda system: system.get_connection(1),
    "update_connection": lambda system: system.update_connection(1, pull_strength=1.0),
    "delete_connection": lambda system: system.delete_connection(1),
    "list_connections": lambda system: system.list_connections(),
    "count_connections": lambda system: system.count_connections(),
    "get_connections_for_token": lambda system: system.get_connections_for_token(1),
    "find_neighbors": lambda system: system.find_neighbors(at(0.5)),
    "range_query": lambda system: system.range_query(at(0.0), at(1.0)),
    "get_grid_info": lambda system: system.get_grid_info(),
    "set_scales": lambda system: system.set_scales(at(1.0)),
    "warm": lambda system: system.warm(array.array("f", at(0.5))),
    "subscribe": lambda system: system.subscribe("late"),
    "unsubscribe": lambda system: system.unsubscribe(1),
    "poll": lambda system: system.poll(1),
    "take_heard": lambda system: system.take_heard(),
    "note_callback_errors": lambda system: system.note_callback_errors(1, 1),
    "list_subscribers": lambda system: system.list_subscribers(),
    "take_batch": lambda system: system.take_batch(),
    "wakeup_fd": lambda system: system.wakeup_fd(),
    "get_stats": lambda system: system.get_stats(),
    "reset_stats": lambda system: system.reset_stats(),
    "export_metrics": lambda system: system.export_metrics(),
    "close": lambda system: system.close(),
}
"""Every method."""


def test_after_a_fork_every_call_raises(system: SignalSystem) -> None:
    system.subscribe("before")
    public = {name for name in dir(SignalSystem) if not name.startswith("_")}
    assert public == set(CALLS)

    def child(answers: Any) -> None:
        said = {}
        for name, call in CALLS.items():
            try:
                call(system)
            except SignalSystemError as error:
                said[name] = "fork" in str(error)
        answers.send(said)
        os._exit(0)

    ours, theirs = multiprocessing.Pipe()
    pid = os.fork()
    if pid == 0:
        child(theirs)
    assert ours.poll(30)
    assert ours.recv() == dict.fromkeys(CALLS, True)
    os.waitpid(pid, 0)
    assert system.emit("a", at(0.5)).token_id == 1


def test_closing_wakes_who_waits_on_the_descriptor(system: SignalSystem) -> None:
    fd = system.wakeup_fd()
    assert select.select([fd], [], [], 0)[0] == []
    closer = threading.Thread(target=system.close)
    closer.start()
    assert select.select([fd], [], [], 10)[0] == [fd]
    closer.join()


def test_a_closed_system_gives_what_was_heard(system: SignalSystem) -> None:
    number = system.subscribe("late")
    system.emit("a", at(0.5))
    system.close()
    assert ids(system.poll(number)) == [1]
    with pytest.raises(SignalSystemError):
        system.subscribe("too late")
