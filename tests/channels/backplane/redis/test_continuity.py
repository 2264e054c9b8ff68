"""The epoch is bound to the history of the master: what was lost is told, and no place is given twice (N4-N6, pm5)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from channels.publication import Position
from tests.support.redis import RedisServer
from tests.support.redis_nodes import Node, eventually, nodes
from tests.support.sentinel import Pointer

EVENTS = ("one", "two", "three")


@pytest.fixture
def master() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def replica(master: RedisServer) -> Iterator[RedisServer]:
    with RedisServer() as server:
        server.replica_of(master)
        yield server


@pytest.fixture
async def pointer(master: RedisServer) -> AsyncIterator[Pointer]:
    async with Pointer(master) as pointer:
        yield pointer


async def publish_first(*all_nodes: Node) -> str:
    """Three entries, known to every node. -> their epoch"""
    for event in EVENTS:
        await all_nodes[0].append(event)
    for node in all_nodes:
        await node.logs.has("actions", *EVENTS)
    return all_nodes[0].log().epoch


def in_step(master: RedisServer, replica: RedisServer) -> None:
    """Wait until the replica has everything."""
    master.wait_for(lambda: replica.command("HGET", "ng:{actions}:meta", "head") == b"3")
    master.wait_for(
        lambda: (
            master.command("HGETALL", "ng:ctl:nodes") is not None
            and replica.command("XLEN", "ng:{actions}:log") == master.command("XLEN", "ng:{actions}:log")
        )
    )


def cut(master: RedisServer, replica: RedisServer) -> None:
    """From now on the replica gets nothing: it stands, and its link is closed, or the kernel would deliver the rest."""
    replica.pause()
    master.command("CLIENT", "KILL", "TYPE", "replica")


def fail_over(master: RedisServer, replica: RedisServer, pointer: Pointer) -> None:
    pointer.master = None
    master.kill()
    replica.resume()
    replica.wait_for(lambda: replica.command("PING") == b"PONG")
    replica.promote()
    pointer.master = replica


def places(*all_nodes: Node) -> dict[str, set[str]]:
    """What each position was told to be, by whichever node."""
    found: dict[str, set[str]] = {}
    for node in all_nodes:
        for position, event in node.log().told:
            found.setdefault(position, set()).add(event)
    return found


def assert_one_meaning(*all_nodes: Node) -> None:
    assert {place: events for place, events in places(*all_nodes).items() if len(events) > 1} == {}


@pytest.mark.clause("N4", "P1")
@pytest.mark.parametrize("is_naive", [True, False], ids=["without the rule", "with the rule"])
async def test_a_promoted_replica_that_lacks_the_tail_gives_no_place_twice(
    master: RedisServer, replica: RedisServer, pointer: Pointer, is_naive: bool
) -> None:
    """The publisher's node was behind as well, so the caller's head shows nothing: only the replication id does."""
    async with nodes(pointer.url, "a", "b") as (a, b):
        epoch = await publish_first(a, b)
        in_step(master, replica)
        cut(master, replica)
        b.never_compare()
        with b.deaf():
            lost = await a.append("lost")
            await a.logs.has("actions", *EVENTS, "lost")
        assert lost == [f"{epoch}:4"]
        if is_naive:
            await a.stop()  # its subscribers have seen the entry; nobody is left who knows
            former = master.command("HGET", "ng:{actions}:meta", "replid").decode()
            store: Any = b.backplane.parts.store
            store.replid = lambda _: former
        fail_over(master, replica, pointer)
        await eventually(lambda: b.backplane.figures.is_up)
        given = await b.append("new")
        if is_naive:
            assert given == lost  # this is what the rule is for
            return
        assert Position(*given[0].split(":")).epoch != epoch
        await a.logs.until(lambda: a.log().events[-1] == "new")
        assert_one_meaning(a, b)
        assert a.log().gaps[-1] == ("epoch", f"{epoch}:4", f"{a.log().epoch}:0")


@pytest.mark.clause("N5")
async def test_the_first_replica_changes_the_id_and_the_epoch_is_kept(master: RedisServer) -> None:
    async with nodes(master, "a", "b", "c") as all_nodes:
        epoch = await publish_first(*all_nodes)
        before = master.command("HGET", "ng:{actions}:meta", "replid")
        with RedisServer() as replica:
            replica.replica_of(master)
            assert await all_nodes[1].append("four") == [f"{epoch}:4"]
        assert master.command("HGET", "ng:{actions}:meta", "replid") != before
        for node in all_nodes:
            await node.logs.has("actions", *EVENTS, "four")
            assert node.rotations() == {}


@pytest.mark.clause("N5")
async def test_a_replica_that_lacks_nothing_is_promoted_and_the_epoch_is_kept(
    master: RedisServer, replica: RedisServer, pointer: Pointer
) -> None:
    async with nodes(pointer.url, "a", "b") as (a, b):
        epoch = await publish_first(a, b)
        in_step(master, replica)
        fail_over(master, replica, pointer)
        await a.ready()
        await b.ready()
        assert await b.append("four") == [f"{epoch}:4"]
        await a.logs.has("actions", *EVENTS, "four")
        assert (a.rotations(), b.rotations()) == ({}, {})


@pytest.mark.clause("N5")
async def test_without_the_word_of_a_node_that_was_there_the_epoch_is_rotated(
    master: RedisServer, replica: RedisServer, pointer: Pointer
) -> None:
    async with nodes(pointer.url, "a", "b", proof_wait=1.0) as (a, b):
        epoch = await publish_first(a, b)
        await a.stop()
        fail_over(master, replica, pointer)
        given = await b.append("four")
        assert not given[0].startswith(epoch)
        assert b.rotations() == {"replication": 1}


@pytest.mark.clause("N4")
@pytest.mark.parametrize("harm", ["FLUSHALL", "DEL ng:{actions}:meta"])
async def test_what_is_wiped_ends_the_epoch_on_every_node_though_nobody_publishes(
    master: RedisServer, harm: str
) -> None:
    async with nodes(master, "a", "b") as (a, b):
        epoch = await publish_first(a, b)
        master.command(*harm.split())
        await a.logs.until(lambda: a.log().epoch != epoch)
        await b.logs.until(lambda: b.log().epoch != epoch)
        for node in (a, b):
            assert node.log().gaps[-1] == ("epoch", f"{epoch}:3", f"{node.log().epoch}:0")
        assert a.log().epoch == b.log().epoch
        await b.append("new")
        await a.logs.has("actions", *EVENTS, "new")
        assert_one_meaning(a, b)
        counts = [node.rotations().get("missing", 0) for node in (a, b)]
        assert sum(counts) == (1 if "DEL" in harm else 3)


@pytest.mark.clause("N4", "N18")
async def test_quiet_rooms_are_told_of_a_wiped_store_at_once(
    master: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.backplane.redis.heads.LEAST_AT_ONCE", 0)  # as if there were thousands
    rooms = [f"room:{number}" for number in range(50)]
    async with nodes(master, "a") as (a,):
        await asyncio.gather(*map(a.follow, rooms))
        epochs = {room: a.log(room).epoch for room in rooms}
        master.command("FLUSHALL")
        await a.logs.until(lambda: all(a.log(room).epoch != epochs[room] for room in rooms))


@pytest.mark.clause("N4")
async def test_a_redis_that_comes_back_empty_begins_another_epoch(master: RedisServer) -> None:
    async with nodes(master, "a", "b") as (a, b):
        epoch = await publish_first(a, b)
        master.kill()
        master.start()
        await asyncio.gather(a.ready(), b.ready())
        assert not (await a.append("new"))[0].startswith(epoch)
        await b.logs.has("actions", *EVENTS, "new")
        assert_one_meaning(a, b)


@pytest.mark.clause("N5", "N14")
async def test_a_redis_that_comes_back_with_everything_goes_on_in_its_epoch() -> None:
    with RedisServer(appendonly="yes", appendfsync="always") as master:
        async with nodes(master, "a", "b") as (a, b):
            epoch = await publish_first(a, b)
            master.kill()
            master.start()
            await asyncio.gather(a.ready(), b.ready())
            assert await a.append("four") == [f"{epoch}:4"]
            await b.logs.has("actions", *EVENTS, "four")
            assert (a.rotations(), b.rotations()) == ({}, {})


@pytest.mark.clause("N4", "N5")
async def test_an_old_backup_ends_the_epoch() -> None:
    with RedisServer(appendonly="no") as master:
        async with nodes(master, "a", "b") as (a, b):
            epoch = await publish_first(a, b)
            master.command("SAVE")
            await a.append("later")
            await b.logs.has("actions", *EVENTS, "later")
            master.kill()
            master.start()
            await asyncio.gather(a.ready(), b.ready())
            assert not (await b.append("new"))[0].startswith(epoch)
            await a.logs.has("actions", *EVENTS, "later", "new")
            assert_one_meaning(a, b)


@pytest.mark.clause("N4")
async def test_a_sealed_position_beyond_the_head_ends_the_epoch(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        epoch = await publish_first(a, b)
        assert await b.follow("actions", Position(epoch, 9)) is None
        assert (b.log().epoch, b.rotations()) == (epoch, {})  # a client's bare word changes nothing (P11)
        assert await b.follow("actions", Position(epoch, 9), is_proof=True) is None
        assert b.log().epoch != epoch
        await a.logs.until(lambda: a.log().epoch == b.log().epoch)
        assert b.rotations() == {"token": 1}


@pytest.mark.clause("N6")
async def test_where_scripts_may_not_ask_the_callers_id_is_believed_and_nobody_rotates_in_turns(
    master: RedisServer,
) -> None:
    async with nodes(master, "a", "b", info_in_scripts=False) as (a, b):
        epoch = await publish_first(a, b)
        with RedisServer() as replica:
            replica.replica_of(master)
            places = [(await node.append("e"))[0] for node in (a, b, a, b)]
        assert places == [f"{epoch}:{offset}" for offset in (4, 5, 6, 7)]
        assert (a.rotations(), b.rotations()) == ({}, {})
