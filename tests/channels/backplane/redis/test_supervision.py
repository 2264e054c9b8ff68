"""What should never fail, and does: it is told, answered, and begun again; and nothing slow holds up the rest (N10)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from channels.backplane.redis.backoff import Backoff
from channels.backplane.redis.errors import FailedError
from channels.backplane.redis.pipe import Pipe
from channels.backplane.redis.scripts import TELL
from channels.backplane.redis.tasks import Tasks
from tests.support.redis import RedisServer
from tests.support.redis_nodes import Node, eventually, nodes


class PlantedError(Exception):
    """What nobody expects."""


def once(original: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same, but the first call fails."""
    failed: list[bool] = []

    async def call(*arguments: Any, **rest: Any) -> Any:
        if not failed:
            failed.append(True)
            raise PlantedError
        return await original(*arguments, **rest)

    return call


async def told_and_over(node: Node, text: str) -> None:
    """The node says what has failed, and is ready again."""
    await eventually(lambda: text in (node.backplane.failure or ""), lambda: str(node.backplane.failure))
    await node.ready()


@pytest.mark.clause("N10")
async def test_a_keeper_of_a_connection_that_dies_is_told_and_begun_again(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        store: Any = a.backplane.parts.store
        store.link._ensure = once(store.link._ensure)
        store.link.reconnect("a test")
        await told_and_over(a, "connecting failed: PlantedError()")
        assert len(await a.append("e")) == 1


@pytest.mark.clause("N10")
@pytest.mark.parametrize("way", ["read_response", "send_packed_command"])
async def test_a_connection_whose_reader_or_writer_dies_is_replaced(server: RedisServer, way: str) -> None:
    async with nodes(server, "a") as (a,):
        store: Any = a.backplane.parts.store
        pipe = store.link._pipe
        setattr(pipe._connection, way, once(getattr(pipe._connection, way)))
        await eventually(lambda: store.link._pipe not in (None, pipe))
        await a.ready()
        assert (await a.append("e"))[0].endswith(":1")
        assert sum(a.backplane.figures.command_seconds["beat"].counts) > 0


async def test_the_end_of_a_connection_does_not_swallow_that_of_its_owner() -> None:
    class Endless:
        is_closed = False

        async def read_response(self, **_: Any) -> None:
            await asyncio.Event().wait()

        async def disconnect(self, **_: Any) -> None:
            self.is_closed = True

    connection: Any = Endless()
    pipe = Pipe(connection, 1.0, lambda _: None)
    await asyncio.sleep(0)
    closing = asyncio.create_task(pipe.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert connection.is_closed


@pytest.mark.clause("N10", "N11", "E3")
async def test_an_append_that_fails_as_nothing_should_is_answered_and_told(server: RedisServer) -> None:
    async with nodes(server, "a", outbox_wait=30.0) as (a,):
        appending, goes_on = a.backplane.parts.appending, asyncio.Event()
        append = appending.append

        async def fail(*_: Any, **__: Any) -> Any:
            await goes_on.wait()
            appending.append = append  # type: ignore[method-assign]
            raise PlantedError

        appending.append = fail  # type: ignore[method-assign]
        sent = asyncio.create_task(a.append("one"))
        await eventually(lambda: "actions" in a.backplane.parts.outbox._lanes)
        waiting = asyncio.create_task(a.append("two", batch_id="alone"))
        await eventually(lambda: a.backplane.figures.outbox == 2)
        goes_on.set()
        assert await asyncio.wait_for(sent, 5) == ["outcome_unknown"]
        assert (await asyncio.wait_for(waiting, 5))[0].endswith(":1")  # it harms no other
        await told_and_over(a, "appending to actions failed: PlantedError()")
        assert (await a.append("three"))[0].endswith(":2")
        assert a.backplane.figures.outbox == 0


@pytest.mark.clause("N10")
async def test_a_read_that_fails_as_nothing_should_is_told_and_done_again(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        healing, following = a.backplane.parts.healing, a.backplane.parts.following
        healing._catch_up = once(healing._catch_up)  # type: ignore[method-assign, assignment]
        replica = following.get("actions")
        assert replica is not None
        following.suspect(replica)
        await told_and_over(a, "reading actions failed: PlantedError()")
        assert not replica.is_suspect


async def test_what_is_done_once_and_failed_is_told_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.backplane.redis.tasks.RESTART_SECONDS", 0.01)
    tasks = Tasks()
    tasks.died("something", PlantedError("why"))
    assert (tasks.failure, tasks.deaths) == ("something failed: PlantedError('why')", 1)
    await eventually(lambda: tasks.failure is None)


# --- what is slow -----------------------------------------------------------------------------------------------------


@pytest.mark.clause("N9", "N16")
async def test_neither_slow_looks_nor_a_full_connection_keep_a_node_from_saying_that_it_is_there(
    server: RedisServer,
) -> None:
    async with nodes(server, "a") as (a,):
        store: Any = a.backplane.parts.store
        heads: Any = a.backplane.parts.heads
        heads.compare = asyncio.Event().wait
        for _ in range(16):
            await store.link._slots.acquire()
        beats = [int(server.command("HGET", "ng:ctl:nodes", "node:a"))]
        proven = a.backplane.parts.listener.proven_at
        await eventually(lambda: int(server.command("HGET", "ng:ctl:nodes", "node:a")) > beats[0] + 500)
        assert a.backplane.parts.listener.proven_at > proven
        for _ in range(16):
            store.link._slots.release()


@pytest.mark.clause("N7", "N12", "N18")
async def test_one_log_that_is_slow_to_read_holds_up_no_other(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        healing = a.backplane.parts.healing
        read, goes_on = healing._catch_up, asyncio.Event()

        async def slow(replica: Any) -> bool:
            if replica.channel == "room:slow":
                await goes_on.wait()
            return await read(replica)

        healing._catch_up = slow  # type: ignore[method-assign]
        held = asyncio.create_task(a.follow("room:slow"))
        for number in range(3):
            assert await asyncio.wait_for(a.follow(f"room:{number}"), 10) is None
        assert await asyncio.wait_for(asyncio.gather(*(a.follow(f"room:{number}") for number in range(3, 100))), 20)
        assert not held.done()
        goes_on.set()
        assert await held is None


@pytest.mark.clause("N15")
async def test_a_store_that_cannot_say_what_became_of_a_message_is_asked_with_pauses(server: RedisServer) -> None:
    pauses: list[float] = []

    def uniform(least: float, most: float) -> float:
        pauses.append(most)
        return 0.0

    async with nodes(server, "a", "b") as (a, b):
        heard: list[object] = []
        b.bus.listen("kick", lambda _, body: heard.append(body["n"]))
        bus: Any = a.bus
        bus._backoff = Backoff(0.1, 5.0, uniform)
        store: Any = a.backplane.parts.store
        run, failures = store.run, iter(range(8))

        async def failing(script: Any, *arguments: Any) -> Any:
            if script is TELL and next(failures, None) is not None:
                raise FailedError("half-way")
            return await run(script, *arguments)

        store.run = failing
        a.bus.tell("kick", {"n": 1}, keep=True)
        await eventually(lambda: heard == [1])
        assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
        assert a.backplane.figures.details["bus/resent"] == 8


# --- subscriptions that are refused -----------------------------------------------------------------------------------


@pytest.mark.clause("N9", "N18")
async def test_a_subscription_that_was_refused_is_asked_for_until_it_is_confirmed() -> None:
    with RedisServer() as server:
        allowed = ["&ng:ctl", *(f"&ng:{{{name}}}:live" for name in ("actions", "logs", "status", "room:1"))]
        server.command("ACL", "SETUSER", "ng", "on", ">s3cret", "~*", "resetchannels", *allowed, "+@all")
        url = f"redis://ng:s3cret@127.0.0.1:{server.port}"
        async with nodes(url, "a", outbox_wait=20.0) as (a,):
            (ear,) = a.backplane.parts.listener._ears.values()
            waiting = [asyncio.create_task(a.follow(f"room:{number}")) for number in (1, 2, 3)]
            await eventually(lambda: a.backplane.figures.details["redis/subscription"] >= 4)
            assert await waiting[0] is None
            assert ear.feed.unconfirmed == 2
            server.command("ACL", "SETUSER", "ng", "&ng:*")
            assert [await one for one in waiting] == [None, None, None]
            assert ear.feed.unconfirmed == 0
            asked = a.backplane.figures.details["redis/subscription"]
            await a.append("one", channel="room:3")
            await a.logs.has("room:3", "one")
            assert a.backplane.figures.details["redis/subscription"] == asked
            await a.ready()
