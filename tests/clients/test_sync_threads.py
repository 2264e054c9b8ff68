"""The threads of the client without `await`: who ends them, who waits for whom, what they may not lose."""

import asyncio
import contextlib
import itertools
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest
from neurograph_ws_client import Closed, Event, RequestTimeout, SyncClient, TokenRequest
from neurograph_ws_client.threads import Threads
from neurograph_ws_client.worker import Worker

from tests.clients.support import SOON, Hub, threads_of_clients


def in_a_thread(act: Callable[[], object]) -> Future[object]:
    """Call it in a daemon of its own, which no test waits for in vain."""
    return Threads("test", 1).start(act)


def test_close_ends_the_calls_of_other_threads(hub: Hub) -> None:
    client = SyncClient(hub.url)
    client.connect()
    logs = client.subscribe("logs").ready(SOON)
    hub.fake.is_mute = True
    calls = [in_a_thread(lambda: client.history("logs", timeout=3600.0)), in_a_thread(lambda: next(logs, None))]
    hub.worker.wait(hub.fake.connected(2))
    client.close()
    with pytest.raises(Closed, match="the client was closed"):
        calls[0].result(SOON)
    assert calls[1].result(SOON) is None
    with pytest.raises(Closed):
        client.ping()


def test_a_call_that_meets_the_end_of_the_worker_is_done_or_refused() -> None:
    def use(worker: Worker, barrier: threading.Barrier) -> None:
        barrier.wait(SOON)
        with pytest.raises(Closed, match="the client was closed"):
            all(worker.call(lambda: True) for _ in itertools.repeat(None))

    for _ in range(50):
        worker, barrier = Worker("neurograph-client"), threading.Barrier(5)
        calls = [in_a_thread(partial(use, worker, barrier)) for _ in range(4)]
        barrier.wait(SOON)
        worker.stop()
        for call in calls:
            call.result(SOON)


def test_what_does_not_end_by_being_cancelled_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurograph_ws_client.worker._END_WITHIN", 0.01)
    begun = threading.Event()

    async def stubborn() -> None:
        while True:
            begun.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    worker = Worker("neurograph-client")
    call = in_a_thread(lambda: worker.wait(stubborn()))
    assert begun.wait(SOON)
    worker.stop()
    with pytest.raises(Closed):
        call.result(SOON)


def test_the_first_use_by_several_threads_makes_one_worker(hub: Hub) -> None:
    client, barrier = SyncClient(hub.url), threading.Barrier(8)

    def use() -> object:
        barrier.wait(SOON)
        client.connect()
        return client.worker

    workers = {call.result(SOON) for call in [in_a_thread(use) for _ in range(8)]}
    assert len(workers) == 1
    assert [thread.name for thread in threads_of_clients()].count("neurograph-client") == 1
    client.close()


@pytest.mark.parametrize("fault", [StopIteration, SystemExit])
def test_a_handler_that_raises_what_no_future_carries_is_told_and_goes_on(hub: Hub, fault: Any) -> None:
    told, done = list[Exception](), threading.Event()

    def handle(event: Event[Any]) -> None:
        if event.data == 1:
            raise fault
        done.set()

    with SyncClient(hub.url) as client:
        client.on("error", told.append)
        logs = client.subscribe("logs", handle).ready(SOON)
        hub.publish("logs", 1, 2)
        assert done.wait(SOON)
        assert (logs.failures, logs.state) == (1, "active")
    assert [type(one) for one in told] == [RuntimeError]
    assert fault.__name__ in str(told[0])


class Late(Future[Any]):
    """Done just when somebody looks whether it is."""

    def done(self) -> bool:
        if not super().done():
            self.set_result("came")
        return True


def test_what_comes_as_the_time_out_strikes_is_not_lost(hub: Hub) -> None:
    with SyncClient(hub.url) as client:
        logs = client.subscribe("logs").ready(SOON)
        logs._coming = Late()
        assert logs.next(0.001) == "came"
        with pytest.raises(RequestTimeout):
            logs.next(0.001)
        hub.publish("logs", 1)
        assert logs.next(SOON).data == 1


def test_a_time_out_that_nobody_set_is_raised_as_it_is(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    async def late() -> None:
        raise TimeoutError("of a resolver")

    with SyncClient(hub.url) as client:
        logs = client.subscribe("logs").ready(SOON)
        monkeypatch.setattr(logs, "_active", late)
        with pytest.raises(TimeoutError, match="of a resolver"):
            logs.ready()
        monkeypatch.setattr(logs, "_fetch", late)
        for timeout in (None, SOON):
            with pytest.raises(TimeoutError, match="of a resolver"):
                logs.next(timeout)


ABANDONED = """
import sys, threading
from neurograph_ws_client import SyncClient
held, begun = threading.Event(), threading.Barrier(3)
def block(value):
    begun.wait()
    held.wait()
client = SyncClient(sys.argv[1])
client.on("connected", block)
client.connect()
client.subscribe("logs", block).ready()
client.publish("logs", 1)
begun.wait()
"""


def test_an_interpreter_ends_whatever_a_handler_waits_for(hub: Hub) -> None:
    assert subprocess.run([sys.executable, "-c", ABANDONED, hub.url], timeout=6 * SOON, check=False).returncode == 0


def test_close_in_a_handler_does_not_wait_for_that_handler(hub: Hub) -> None:
    client = SyncClient(hub.url, timeout=3600.0)
    ended, after = threading.Event(), list[str]()

    def handle(event: Event[Any]) -> None:
        client.close()
        after.append(client.state)
        ended.set()

    client.connect()
    client.subscribe("logs", handle).ready(SOON)
    hub.publish("logs", 1)
    assert ended.wait(SOON)
    assert after == ["closed"]


def test_close_waits_for_the_handlers_of_others(hub: Hub) -> None:
    client = SyncClient(hub.url)
    begun, go_on, ended, done = threading.Event(), threading.Event(), threading.Event(), list[int]()

    def slow(event: Event[Any]) -> None:
        begun.set()
        go_on.wait(SOON)
        done.append(event.data)

    def closing(event: Event[Any]) -> None:
        begun.wait(SOON)
        client.on("state", lambda change: go_on.set())
        client.close()
        done.append(event.data)
        ended.set()

    client.connect()
    client.subscribe("logs", slow).ready(SOON)
    client.subscribe("actions", closing).ready(SOON)
    hub.publish("logs", 1)
    hub.publish("actions", 2)
    assert ended.wait(SOON)
    assert done == [1, 2]
    for thread in threads_of_clients():
        thread.join(SOON)


def test_a_client_may_be_looked_at_on_its_own_thread(hub: Hub) -> None:
    seen = list[Any]()

    async def source(request: TokenRequest) -> str:
        seen.extend((client.stats().state, repr(client), client.positions))
        return "good"

    client = SyncClient(hub.url, token=source)
    with client:
        assert (seen[0], seen[2]) == ("connecting", {})
        assert seen[1].startswith("<SyncClient ws://127.0.0.1:")


def test_repr_never_raises(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with SyncClient(hub.url) as client:
        begun, go_on = threading.Event(), threading.Event()

        def block() -> None:
            begun.set()
            go_on.wait(SOON)

        monkeypatch.setattr("neurograph_ws_client.sync_client._LOOK_WITHIN", 0.001)
        busy = in_a_thread(lambda: client.worker.call(block))
        assert begun.wait(SOON)
        assert "SyncClient object at" in repr(client)
        go_on.set()
        busy.result(SOON)
    assert "SyncClient object at" in repr(SyncClient.__new__(SyncClient))


def test_what_a_slow_listener_is_told_is_bounded_and_counted(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurograph_ws_client.sync_client.MAX_TOLD", 2)
    begun, go_on, seen = threading.Event(), threading.Event(), list[str]()

    def listen(error: Exception) -> None:
        begun.set()
        go_on.wait(SOON)
        seen.append(str(error))

    client = SyncClient(hub.url)
    client.on("error", listen)
    with client:
        client.worker.call(lambda: client.client._link.report(ValueError("0")))
        assert begun.wait(SOON)
        for number in range(1, 5):
            client.worker.call(lambda number=number: client.client._link.report(ValueError(str(number))))
        assert client.untold == 2
        go_on.set()
    for thread in threads_of_clients():
        thread.join(SOON)
    assert seen == ["0", "3", "4"]
