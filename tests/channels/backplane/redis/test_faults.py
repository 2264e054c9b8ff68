"""What breaks between a node and its Redis, and that it is found, told and mended without a restart (rc1-rc3, rc6)."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from channels.backplane.redis.breaker import Breaker
from channels.backplane.redis.control import Control
from channels.backplane.redis.ear import Ear
from channels.errors import LogUnavailable, Overloaded
from channels.publication import Position
from tests.support.redis import RedisServer
from tests.support.redis_nodes import IMPATIENT, Node, eventually, nodes
from tests.support.stalling import Stalling


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A Redis that a test may harm."""
    with RedisServer() as server:
        yield server


# --- the subscription (rc3) -------------------------------------------------------------------------------------------


@pytest.mark.clause("N9", "N10")
async def test_a_subscription_that_is_cut_is_opened_again_and_nothing_is_missed(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        server.command("CLIENT", "KILL", "TYPE", "pubsub")
        for number in range(10):
            await a.append(f"e{number}")
        await b.logs.has("actions", *(f"e{number}" for number in range(10)))
        await b.ready()
        assert b.rotations() == {}


@pytest.mark.clause("N9", "N10")
async def test_a_subscription_that_is_dead_and_open_is_found_within_seconds(server: RedisServer) -> None:
    """With the times of production: a canary each second, 3 s of patience; unready until it is back (pm19)."""
    async with (
        Stalling(server) as line,
        nodes(line.url, "b", tick=1.0, canary_wait=3.0) as (b,),
        nodes(server, "a") as (a,),
    ):
        assert line.stall_listening() == 1
        start = time.monotonic()
        await a.append("unheard")
        await eventually(lambda: b.backplane.failure is not None)
        unready = time.monotonic() - start
        await b.logs.has("actions", "unheard")
        await b.ready()
        assert unready < 5.0
        assert b.backplane.figures.errors["canary"] >= 1


@pytest.mark.clause("N10")
async def test_readiness_comes_back_only_after_a_canary_has_come_back_twice(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        listener, told = a.backplane.parts.listener, []
        take = listener._take

        def watch(ear: Ear, message: Control) -> None:
            told.append(listener.failure)
            take(ear, message)

        listener._take = watch  # type: ignore[method-assign]
        server.command("CLIENT", "KILL", "TYPE", "pubsub")
        await eventually(lambda: "the subscription has not been proven yet" in told)
        await a.ready()
        assert told.count("the subscription has not been proven yet") >= 3  # two of each kind, the last one proves


# --- Redis itself (rc1, rc2) ------------------------------------------------------------------------------------------


@pytest.mark.clause("N10", "N11")
async def test_without_redis_the_node_is_there_unready_and_refuses_after_its_patience(own: RedisServer) -> None:
    own.stop()
    node = Node(own.url, "a", outbox_wait=0.5)
    await node.start()
    assert node.backplane.failure is not None
    start = time.monotonic()
    results = await asyncio.gather(node.append("e"), node.follow("actions"), node.follow("room:1"))
    assert results[0] == ["log_unavailable"]
    assert all(isinstance(error, LogUnavailable) for error in results[1:])
    assert 0.4 < time.monotonic() - start < 2.0
    own.start()
    await node.ready()
    assert len(await node.append("e")) == 1
    await node.stop()


@pytest.mark.clause("N11", "E3")
async def test_a_redis_that_is_stopped_costs_504_for_what_was_sent_and_503_for_what_was_not(own: RedisServer) -> None:
    async with nodes(own, "a", outbox_wait=1.0, **IMPATIENT) as (a,):
        await a.append("before")
        own.pause()
        sent = asyncio.create_task(a.append("sent"))
        await eventually(lambda: a.backplane.figures.errors["redis"] > 0)
        unsent = asyncio.create_task(a.append("unsent", channel="logs"))
        assert (await sent, await unsent) == (["outcome_unknown"], ["log_unavailable"])
        own.resume()
        await a.ready()
        assert await a.append("after") != []
        assert a.log().events[-1] == "after"


@pytest.mark.clause("N11")
async def test_what_waits_is_stored_when_redis_is_back_in_time(own: RedisServer) -> None:
    async with nodes(own, "a", "b", **IMPATIENT) as (a, b):
        own.pause()
        waiting = [asyncio.create_task(a.append(f"e{number}")) for number in range(100)]
        await eventually(lambda: a.backplane.failure is not None)
        own.resume()
        results = await asyncio.gather(*waiting)
        assert len({result[0] for result in results}) == 100
        await b.logs.has("actions", *(f"e{number}" for number in range(100)))


@pytest.mark.clause("N11")
async def test_while_redis_is_away_a_log_that_was_whole_serves_what_it_has(own: RedisServer) -> None:
    async with nodes(own, "a", outbox_wait=0.5, **IMPATIENT) as (a,):
        await a.append("e")
        position = Position(a.log().epoch, 1)
        own.pause()
        await eventually(lambda: not a.backplane.figures.is_up)
        assert await a.follow("actions", position) is None
        assert await a.follow("actions") is None
        assert isinstance(await a.follow("actions", position._replace(offset=2)), LogUnavailable)
        own.resume()


def breaker_of(node: Node) -> Breaker:
    store: Any = node.backplane.parts.store
    breaker: Breaker = store.link.breaker
    return breaker


async def test_the_circuit_opens_after_three_failures_and_closes_after_the_probe(own: RedisServer) -> None:
    async with nodes(own, "a") as (a,):
        breaker = breaker_of(a)
        own.kill()
        await eventually(lambda: breaker.is_open)
        assert a.backplane.figures.report["breaker"] == "open"
        own.start()
        await a.ready()
        assert a.backplane.figures.report["breaker"] == "closed"
        assert a.backplane.figures.report["breaker_opened"] == 1


@pytest.mark.clause("N11")
async def test_a_server_that_refuses_to_write_is_left_alone_and_nothing_is_lost(own: RedisServer) -> None:
    """NOREPLICAS stands for all refusals: nothing was stored, so what waits is sent again and then stored."""
    async with nodes(own, "a") as (a,):
        own.command("CONFIG", "SET", "min-replicas-to-write", "1")
        waiting = asyncio.create_task(a.append("e"))
        await eventually(lambda: breaker_of(a).opened > 0)
        own.command("CONFIG", "SET", "min-replicas-to-write", "0")
        assert (await waiting)[0].endswith(":1")


async def test_scripts_that_redis_has_forgotten_are_loaded_again(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        server.command("SCRIPT", "FLUSH")
        assert len(await a.append("e")) == 1
        await a.logs.has("actions", "e")


# --- what is on the bus (rc6) -----------------------------------------------------------------------------------------


@pytest.mark.clause("N17", "N7")
@pytest.mark.parametrize(
    "payload",
    [b"", b"\x80\x04pickled", b"\x03" + b"x" * 40, b"\x02\x04abcd\x01b\x01n", b"x" * 100_000],
    ids=["nothing", "pickled", "another version", "cut", "long"],
)
async def test_a_message_that_cannot_be_read_is_dropped_counted_and_healed(server: RedisServer, payload: bytes) -> None:
    async with nodes(server, "a", bus_message=65_536) as (a,):
        await a.append("one")
        server.command(b"PUBLISH", b"ng:{actions}:live", payload)
        server.command(b"PUBLISH", b"ng:ctl", payload)
        await a.append("two")
        await a.logs.has("actions", "one", "two")
        errors = a.backplane.figures.errors
        await eventually(lambda: errors["unreadable"] + errors["too_large"] >= 2)
        await a.ready()
        assert a.rotations() == {}


@pytest.mark.clause("N17")
async def test_a_message_beyond_all_measure_costs_the_connection_and_no_memory(server: RedisServer) -> None:
    async with nodes(server, "a", bus_message=65_536) as (a,):
        server.command(b"PUBLISH", b"ng:ctl", b"x" * 4_000_000)
        await eventually(lambda: a.backplane.figures.errors["too_large"] >= 1)
        await a.ready()
        await a.append("e")
        await a.logs.has("actions", "e")


@pytest.mark.clause("N7", "N17")
async def test_entries_that_are_spoilt_on_the_way_are_read_from_the_stream(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        await a.append("one")
        await b.logs.has("actions", "one")
        heard = b.backplane.parts.following.heard

        def spoil(channel: str, payload: bytes) -> None:
            heard(channel, payload[:-2])

        b.backplane.parts.following.heard = spoil  # type: ignore[method-assign]
        await a.append("two")
        await b.logs.has("actions", "one", "two")
        assert b.backplane.figures.errors["unreadable"] == 1
        assert [gap[0] for gap in b.log().gaps] == ["epoch"]


@pytest.mark.clause("N8", "N17")
@pytest.mark.parametrize("spoilt", ["entries", "members"])
async def test_entries_that_nobody_can_read_are_a_gap_of_their_length(server: RedisServer, spoilt: str) -> None:
    async with nodes(server, "a") as (a,):
        await a.append("one")
        epoch = a.log().epoch
        members = ["epoch", epoch, "first", "2", "count", "3", "batch", "x", "node", "z", "at", "9", "total", "9"]
        if spoilt == "members":
            members = ["other", "1"]
        server.command("XADD", "ng:{actions}:log", "4-0", *members, "entries", "rubbish")
        server.command("HSET", "ng:{actions}:meta", "head", "4", "batch", "x")
        await a.append("five")
        await a.logs.has("actions", "one", "five")
        assert a.log().gaps[1:] == [("retention", f"{epoch}:1", f"{epoch}:4")]
        assert a.log().head == 5


@pytest.mark.clause("N7", "N4")
async def test_two_pasts_end_the_epoch(server: RedisServer) -> None:
    """The store has another entry at the place of the one that the node has."""
    async with nodes(server, "a") as (a,):
        a.never_compare()
        await a.append("one")
        epoch = a.log().epoch
        names = ["epoch", epoch, "first", "1", "count", "1", "batch", "other", "node", "z", "at", "9", "total", "9"]
        server.command("DEL", "ng:{actions}:log")
        server.command("XADD", "ng:{actions}:log", "1-0", *names, "entries", "x", "before", "")
        server.command("HSET", "ng:{actions}:meta", "batch", "other")
        texts = b"\x02%c%b\x05other\x00\x01z" % (len(epoch), epoch.encode())
        server.command(b"PUBLISH", b"ng:{actions}:live", texts + (1).to_bytes(8, "little") + b"\x01\0" + b"\x01\0\0\0x")
        await a.logs.until(lambda: a.log().epoch != epoch)
        assert a.rotations() == {"two_pasts": 1}


# --- the log of the node ----------------------------------------------------------------------------------------------


async def test_a_log_that_takes_nothing_is_healed_when_it_does_again(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        b.logs.refusal = Overloaded("full")
        await a.append("one")
        await eventually(lambda: b.backplane.failure is not None)
        await a.append("two")
        b.logs.refusal = None
        await b.logs.has("actions", "one", "two")
        await b.ready()


async def test_a_task_that_dies_makes_the_node_unready_and_is_begun_again(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with nodes(server, "a") as (a,):
        heads = a.backplane.parts.heads
        compare = heads.compare

        async def break_once() -> None:
            heads.compare = compare  # type: ignore[method-assign]
            raise RuntimeError("planted")

        heads.compare = break_once  # type: ignore[method-assign]
        await eventually(lambda: a.backplane.failure is not None)
        assert a.backplane.failure == "heads failed: RuntimeError('planted')"
        await a.ready()
        assert "planted" in caplog.text
