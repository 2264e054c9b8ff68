"""The client without `await`: the same calls, from threads, notebooks and under Ctrl-C."""

import asyncio
import inspect
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from neurograph_ws_client import (
    AuthError,
    Backoff,
    Closed,
    Disconnected,
    Event,
    Gap,
    NeurographWSClient,
    RequestTimeout,
    State,
    SyncClient,
    UnknownChannel,
)
from neurograph_ws_client.worker import Worker

from tests.clients.support import SOON, Hub, threads_of_clients

VECTOR = [0.1] * 8


def test_every_call_of_the_client_is_there_with_its_signature() -> None:
    of_async = {name for name, one in vars(NeurographWSClient).items() if callable(one) and name[0] != "_"}
    of_async |= {name for one in NeurographWSClient.__mro__ for name in vars(one) if name[0] != "_"}
    assert of_async - set(dir(SyncClient)) == set()
    for name in ("__init__", "connect", "subscribe", "publish", "publish_media", "emit", "emit_batch", "history"):
        mine, other = getattr(SyncClient, name), getattr(NeurographWSClient, name)
        assert inspect.signature(mine) == inspect.signature(other), name


def test_it_publishes_emits_reads_and_iterates(hub: Hub) -> None:
    with SyncClient(hub.url) as client:
        logs = client.subscribe("logs", start="new")
        assert logs.ready(SOON).state == "active"
        assert client.publish("logs", {"n": 1}).position == "fake1:1"
        assert client.emit("signal.a", VECTOR).is_novel
        assert len(client.emit_batch("signal.a", [VECTOR] * 3)) == 3
        assert client.ping() > 0
        assert [event.data for event in client.history("logs")] == [{"n": 1}]
        hub.publish("logs", 2, 3)
        assert [event.data for event in itertools.islice(logs, 3)] == [{"n": 1}, 2, 3]
        assert (client.state, client.role) == (State.CONNECTED, "developer")
        assert client.stats().events == 3
        assert repr(client).startswith("<SyncClient ws://127.0.0.1:")
        assert repr(logs).startswith("<SyncSubscription logs active at fake1:")
        logs.update(ack=5)
        client.unsubscribe("logs")
        assert list(logs) == []
    assert client.state == State.CLOSED


def test_positions_are_those_of_what_the_loop_is_done_with(hub: Hub) -> None:
    with SyncClient(hub.url) as client, client.subscribe("logs") as logs:
        hub.publish("logs", 1, 2)
        assert (logs.next(SOON).data, logs.next(SOON).data) == (1, 2)
        assert client.positions == {"logs": "fake1:1"}


def test_errors_are_those_of_the_client(hub: Hub) -> None:
    with SyncClient(hub.url) as client:
        with pytest.raises(UnknownChannel):
            client.subscribe("nope").ready(SOON)
        with pytest.raises(RequestTimeout, match=r"logs: nothing came within 0.01 s"):
            client.subscribe("logs").next(0.01)
        with pytest.raises(ValueError, match="ack: expected"):
            client.subscribe("metrics", ack=0)
    with pytest.raises(Closed):
        client.ping()
    client.close()
    hub.fake.tokens = {"good": "viewer"}
    with pytest.raises(AuthError), SyncClient(hub.url, token="bad"):
        pass


def test_what_a_time_out_left_comes_next(hub: Hub) -> None:
    with SyncClient(hub.url) as client:
        logs = client.subscribe("logs").ready(SOON)
        for number in range(3):
            with pytest.raises(RequestTimeout):
                logs.next(0.01)
            hub.publish("logs", number)
            assert logs.next(SOON).data == number


def interrupt() -> None:
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def interrupts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Called, it has Ctrl-C strike the next call that waits, when it does."""
    # Where tests run in the background, Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    wait = Worker.result

    def strike() -> None:
        def result(worker: Worker, future: Any, seconds: float | None = None) -> Any:
            monkeypatch.setattr(Worker, "result", wait)
            threading.Thread(target=interrupt).start()
            return wait(worker, future, seconds)

        monkeypatch.setattr(Worker, "result", result)

    yield strike
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_call_that_waits_and_loses_nothing(hub: Hub, interrupts: Callable[[], None]) -> None:
    with SyncClient(hub.url) as client:
        logs = client.subscribe("logs").ready(SOON)
        interrupts()
        with pytest.raises(KeyboardInterrupt):
            logs.next(SOON)
        hub.publish("logs", 1, 2)
        assert [logs.next(SOON).data, logs.next(SOON).data] == [1, 2]
        interrupts()
        with pytest.raises(KeyboardInterrupt):
            client.run_forever()
        assert client.state == State.CONNECTED


def test_handlers_run_beside_the_client_in_order_and_may_call_it(hub: Hub) -> None:
    done, seen = threading.Event(), list[Any]()

    def handle(event: Event[Any]) -> None:
        seen.append((event.data, client.publish("actions", event.data).position))
        if len(seen) == 3:
            done.set()

    with SyncClient(hub.url) as client:
        client.subscribe("logs", handle).ready(SOON)
        hub.publish("logs", 1, 2, 3)
        assert done.wait(SOON)
        assert seen == [(1, "fake1:1"), (2, "fake1:2"), (3, "fake1:3")]
        with pytest.raises(TypeError, match="status has a handler"):
            next(client.subscribe("status", handle))

        async def later(event: Event[Any]) -> None: ...

        with pytest.raises(TypeError, match="expected a plain function, got a coroutine function"):
            client.subscribe("metrics", later)


def test_a_token_source_may_block_and_a_listener_may_call_the_client(hub: Hub) -> None:
    hub.fake.tokens = {"good": "viewer"}
    told, states = threading.Event(), list[Any]()

    def connected(welcome: Any) -> None:
        states.append((welcome.role, client.stats().state))
        told.set()

    client = SyncClient(hub.url, token=lambda request: "good")
    client.on("connected", connected)
    with client:
        assert told.wait(SOON)
        assert states == [("viewer", "connected")]


def test_the_wait_for_the_next_attempt_may_be_ended(hub: Hub) -> None:
    away = threading.Event()
    with SyncClient(hub.url, backoff=Backoff(base=3600.0, cap=3600.0)) as client:
        client.on("disconnected", lambda error: away.set())
        hub.cut()
        assert away.wait(SOON)
        client.wait_for(State.RECONNECTING, SOON)
        client.try_now()
        client.wait_for(State.CONNECTED, SOON)


def test_gaps_come_in_the_stream_and_what_was_missed_is_replayed(hub: Hub) -> None:
    with SyncClient(hub.url) as client:
        logs = client.subscribe("logs", gaps=True, queue_size=2).ready(SOON)
        hub.publish("logs", *range(5))
        client.ping()
        items = [logs.next(SOON) for _ in range(2)]
        assert [type(item) for item in items] == [Gap, Event]
        hub.cut()
        hub.publish("logs", "missed")
        assert logs.next(SOON).data == "missed"


async def test_it_works_where_a_loop_runs_already_and_refuses_to_wait_for_itself(hub: Hub) -> None:
    with SyncClient(hub.url) as client:
        assert client.publish("logs", 1).position == "fake1:1"

        async def inside() -> None:
            client.ping()

        with pytest.raises(RuntimeError, match="which would wait for itself"):
            client.worker.wait(inside())


def test_what_is_away_is_refused_and_no_thread_is_left(hub: Hub) -> None:
    with pytest.raises(Disconnected), SyncClient("ws://127.0.0.1:1/ws"):
        pass
    handled, told = threading.Event(), threading.Event()
    client = SyncClient(hub.url, token=lambda request: "good")
    client.on("connected", lambda welcome: told.set())
    with client:
        client.subscribe("logs", lambda event: handled.set()).ready(SOON)
        hub.publish("logs", 1)
        assert handled.wait(SOON)
        assert told.wait(SOON)
        kinds = {thread.name.split("-")[1] for thread in threads_of_clients()}
        assert kinds == {"client", "handler", "listener", "token"}
    for thread in threads_of_clients():
        thread.join(SOON)
    assert threads_of_clients() == []


def test_a_client_that_is_never_used_has_no_thread() -> None:
    before = threading.active_count()
    client = SyncClient("ws://127.0.0.1:1/ws")
    assert (threading.active_count(), client.positions, client.state) == (before, {}, State.IDLE)
    client.close()
    with pytest.raises(Closed):
        client.connect()


def test_several_threads_may_share_a_client(hub: Hub) -> None:
    stored: list[str] = []

    def work(number: int) -> None:
        stored.append(client.publish("logs", number).position)

    with SyncClient(hub.url) as client:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
    assert sorted(stored, key=lambda one: int(one.partition(":")[2])) == [f"fake1:{n + 1}" for n in range(8)]


async def test_the_loop_of_the_caller_is_not_touched(hub: Hub) -> None:
    loop = asyncio.get_running_loop()
    with SyncClient(hub.url) as client:
        assert client.worker.loop is not loop
