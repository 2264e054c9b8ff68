"""Two nodes over one Redis: the same entries at the same places, whatever is lost on the way."""

import asyncio

import pytest

from tests.support.redis import RedisServer
from tests.support.redis_nodes import IMPATIENT, eventually, nodes


@pytest.mark.clause("N1", "N2", "N7", "P1")
async def test_both_nodes_hold_the_same_entries_at_the_same_places(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        await asyncio.gather(*(node.append(f"{node.name}{number}") for number in range(50) for node in (a, b)))
        await a.logs.until(lambda: a.log().head == 100)
        await b.logs.until(lambda: b.log().head == 100)
        assert a.log().told == b.log().told
        assert sorted(a.log().events) == sorted(f"{name}{number}" for name in "ab" for number in range(50))


@pytest.mark.clause("M31", "N3")
async def test_a_mid_that_another_node_has_stored_is_a_duplicate(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        first = await a.append("e", mid="m1")
        again = await b.append("e", mid="m1")
        other = await b.append("f", mid="m1")
        assert (again, other) == ([(first[0], "duplicate")], ["mid_conflict"])


@pytest.mark.clause("N7", "N8")
async def test_a_hole_is_read_once_and_nobody_sees_it(server: RedisServer) -> None:
    async with nodes(server, "a", "b", tick=1.0) as (a, b):
        await a.append("one")
        await b.logs.has("actions", "one")
        with b.deaf():
            await a.append("two")
            await a.append("three")
            await a.logs.has("actions", "one", "two", "three")
        await a.append("four")
        await b.logs.has("actions", "one", "two", "three", "four")
        assert b.log().gaps == [("epoch", "local-0:0", f"{b.log().epoch}:0")]
        assert b.backplane.figures.heals == {"actions": 1}


@pytest.mark.clause("N9")
async def test_a_last_message_that_is_lost_is_found_by_the_heads(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        with b.deaf():
            await a.append("one")
            await a.append("last", channel="logs")
            await b.logs.until(lambda: b.log().events == ["one"] and b.log("logs").events == ["last"])
        assert b.backplane.figures.errors["canary"] > 0  # the subscription was opened anew
        await b.ready()


@pytest.mark.clause("N13", "N10")
async def test_a_new_node_is_filled_before_it_is_ready(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        for number in range(300):
            await a.append(f"e{number}")
        await a.append("on", channel="status", key="k1")
        await a.append("off", channel="status", key="k1")
        async with nodes(server, "b") as (b,):
            assert b.log().told == a.log().told
            assert b.log("status").events == ["on", "off"]


@pytest.mark.clause("N13", "S6")
async def test_a_new_node_has_the_newest_entry_of_each_key_though_the_log_has_left(server: RedisServer) -> None:
    async with nodes(server, "a", limits={"max_entries": 4}) as (a,):
        await a.append("join", channel="status", key="old")
        await a.append("join", channel="status", key="gone")
        await a.append("left", channel="status", key="gone", data=b"null")
        for number in range(20):
            await a.append(f"e{number}", channel="status", key="busy")
        async with nodes(server, "b", limits={"max_entries": 4}) as (b,):
            assert b.log("status").newest == [(1, "join"), (23, "e19")]
            assert b.log("status").events == [f"e{number}" for number in range(16, 20)]


@pytest.mark.clause("N11", "N3")
@pytest.mark.parametrize("harm", ["CLIENT KILL TYPE normal", "CLIENT PAUSE 700 ALL"])
async def test_an_append_whose_answer_is_lost_is_stored_once(server: RedisServer, harm: str) -> None:
    async with nodes(server, "a", "b", **IMPATIENT) as (a, b):
        for number in range(20):
            sending = asyncio.create_task(a.append(f"e{number}"))
            await asyncio.sleep(0)
            if number % 5 == 0:
                server.command(*harm.split())
            await sending
        await b.logs.has("actions", *(f"e{number}" for number in range(20)))
        await eventually(lambda: a.backplane.failure is None and b.backplane.failure is None)
