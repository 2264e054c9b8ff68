"""What is left of a client when it is closed: nothing."""

import asyncio
import os
import threading
from math import inf
from pathlib import Path
from typing import Any

import pytest
from neurograph_ws_client import FileStore, State
from neurograph_ws_client.testing import FakeHub

from tests.clients.support import Seen, client_of, comes, token_of


def of_the_client(tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    texts = {task: str(task.get_coro()) for task in tasks}
    return {task for task, text in texts.items() if "neurograph_ws_client/" in text and "/testing/" not in text}


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.clause("X6")
async def test_no_task_thread_timer_or_socket_is_left(tmp_path: Path) -> None:
    async with FakeHub() as hub:
        files, threads = open_files(), threading.active_count()
        for round_ in range(3):
            client = client_of(hub, positions=FileStore(tmp_path / "positions"))
            await client.connect()
            seen = Seen()
            await client.subscribe("logs", seen, ack=4)
            await token_of(client)
            hub.goaway()
            await hub.asked("connect", round_ + 1)
            await hub.connected(1)
            hub.publish("logs", round_)
            await seen.wait(1)
            await client.history("logs", last=1)
            await client.close()
            await hub.connected(0)
            assert not client._link._timer.rings_by(inf)
            assert of_the_client(asyncio.all_tasks()) == set()
        assert (open_files(), threading.active_count()) == (files, threads)


async def test_closing_in_the_middle_of_a_switch_leaves_nothing_either() -> None:
    async with FakeHub() as hub:
        client = client_of(hub)
        await client.connect()
        await client.subscribe("logs")
        await token_of(client)
        hub.answer_next("connect", {})
        hub.goaway()
        await hub.asked("connect")
        await client.close()
        await hub.connected(0)
        assert (of_the_client(asyncio.all_tasks()), client.state) == (set(), State.CLOSED)


@pytest.mark.clause("P5")
async def test_a_handler_finishes_what_it_has_in_hand_and_gets_nothing_more() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    handled: list[int] = []

    async def handle(event: Any) -> None:
        begun.set()
        await comes(may_end)
        handled.append(event.offset)

    async with FakeHub() as hub:
        client = client_of(hub)
        await client.connect()
        await client.subscribe("logs", handle)
        hub.publish("logs")
        hub.publish("logs")
        await comes(begun)
        closing = asyncio.ensure_future(client.close())
        await hub.connected(0)
        may_end.set()
        await closing
        assert (handled, client.positions) == ([1], {"logs": "fake1:1"})


async def test_a_handler_that_does_not_end_is_cancelled_after_the_time_out() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(event: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with FakeHub() as hub:
        client = client_of(hub, timeout=0.05)
        await client.connect()
        await client.subscribe("logs", handle)
        hub.publish("logs")
        await comes(begun)
        await client.close()
        assert (ended.is_set(), client.positions) == (True, {"logs": "fake1:0"})


async def test_a_handler_may_close_the_client() -> None:
    async with FakeHub() as hub:
        client = client_of(hub)
        await client.connect()

        async def handle(event: Any) -> None:
            await client.close()

        await client.subscribe("logs", handle)
        running = asyncio.ensure_future(client.run_forever())
        hub.publish("logs")
        await running
        assert client.state is State.CLOSED
