"""The Redis of a run, and what its faults do; on a real redis-server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ng_ws.exits import Failed
from ng_ws.verify.redis_process import redis_server
from ng_ws.verify.resp import RedisError, ask
from ng_ws.verify.schedule import KINDS, LOSSES, Fault
from ng_ws.verify.store import Store

from tests.support.redis_kit import BINARY, needs_redis
from tests.support.redis_kit.servers import until

NODES = 2


def fault(kind: str, length: float = 0.0) -> Fault:
    return Fault(1, kind, 0.0, length, 1.0)


async def get(port: int, name: str) -> object:
    """Through a way; None where it does not answer."""
    try:
        return await ask(port, "GET", name, wait=0.5)
    except (OSError, TimeoutError, RedisError):
        return "no answer"


async def is_there(port: int) -> bool:
    return await get(port, "a") != "no answer"


async def is_cut_off(port: int) -> bool:
    return not await is_there(port)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(BINARY, tmp_path, NODES, 1, has_replica=True)
    try:
        await store.start()
        await store.master.ask("SET", "ng:{a}:meta", "kept")
        await store.master.ask("SET", "ng:{b}:meta", "kept")
        yield store
    finally:
        await store.stop()


def ports(store: Store) -> list[int]:
    return [int(url.rpartition(":")[2].partition("/")[0]) for url in store.urls]


async def happen(store: Store, one: Fault, node: int = 0, channel: str = "a") -> None:
    begun: list[bool] = []
    await store.happens(one, node, channel, lambda: begun.append(True))
    assert begun == [True]


@needs_redis
@pytest.mark.accept("P8")
@pytest.mark.parametrize(
    ("kind", "a", "b"),
    [
        ("redis-kill", b"kept", b"kept"),
        ("redis-pause", b"kept", b"kept"),
        ("deaf", b"kept", b"kept"),
        ("redis-empty", None, None),
        ("flush", None, None),
        ("del", None, b"kept"),
    ],
)
async def test_a_fault_costs_what_it_costs_and_then_redis_answers(
    store: Store, kind: str, a: bytes | None, b: bytes | None
) -> None:
    await happen(store, fault(kind, 0.1))
    for port in ports(store):
        assert [await get(port, f"ng:{{{name}}}:meta") for name in ("a", "b")] == [a, b]


@needs_redis
@pytest.mark.accept("P7")
async def test_a_fail_over_loses_what_was_stored_last_and_lets_the_node_that_lags_come_first(store: Store) -> None:
    lagging, other = ports(store)

    async def stores_meanwhile() -> None:
        # The lagging node is cut off first, the master lives for a while yet.
        await until(lambda: is_cut_off(lagging), "a node cut off")
        await ask(other, "SET", "ng:{a}:meta", "lost")

    async def comes_back() -> tuple[object, object]:
        await until(lambda: is_there(lagging), "a node that is back")
        return await get(lagging, "ng:{a}:meta"), await get(other, "ng:{a}:meta")

    before = store.master
    failing = asyncio.create_task(happen(store, fault("failover", 1.0)))
    await stores_meanwhile()
    seen = await comes_back()
    await failing
    assert seen == (b"kept", "no answer")
    assert store.master is not before
    assert await get(other, "ng:{a}:meta") == b"kept"


@needs_redis
async def test_after_a_fail_over_the_new_master_starts_as_one_and_there_may_be_another(store: Store) -> None:
    await happen(store, fault("failover", 0.05))
    await happen(store, fault("redis-kill", 0.05))
    assert await ask(ports(store)[1], "SET", "a", "1") == b"OK"
    await happen(store, fault("failover", 0.05), node=1)
    assert await get(ports(store)[0], "a") == b"1"


@needs_redis
async def test_a_partition_cuts_one_node_off(store: Store) -> None:
    cut, other = ports(store)
    cutting = asyncio.create_task(happen(store, fault("partition", 1.5)))
    await until(lambda: is_cut_off(cut), "a node cut off")
    assert await get(other, "ng:{a}:meta") == b"kept"
    await cutting
    assert await get(cut, "ng:{a}:meta") == b"kept"


@needs_redis
async def test_what_is_no_fault_of_the_store_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="expected a fault of the store, got cut"):
        await happen(store, fault("cut"))


def test_every_loss_is_a_fault_of_the_store() -> None:
    assert {KINDS[kind].needs for kind in LOSSES} == {"store"}


def test_a_redis_server_that_is_none_or_too_old_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="expected redis-server to join nodes, found none"):
        redis_server(str(tmp_path / "redis-server"))
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.7 sha=0:0'\n")
    old.chmod(0o755)
    with pytest.raises(Failed, match=r"expected redis-server 7\.0 or newer, got 'Redis server v=6\.2\.7"):
        redis_server(str(old))
