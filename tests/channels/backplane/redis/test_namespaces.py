"""Channels of namespaces: a node follows those that it has subscriptions to, and nothing of the others (N18)."""

import asyncio

import pytest

from channels.errors import LogUnavailable, UnknownChannel
from channels.publication import Position
from tests.support.redis import RedisServer
from tests.support.redis_nodes import eventually, nodes


@pytest.mark.clause("N18")
async def test_a_node_hears_nothing_of_what_it_does_not_follow(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        heard: list[str] = []
        original = b.backplane.parts.following.heard

        def listen(channel: str, payload: bytes) -> None:
            heard.append(channel)
            original(channel, payload)

        b.backplane.parts.following.heard = listen  # type: ignore[method-assign]
        assert await a.follow("room:1") is None
        await a.append("one", channel="room:1")
        await a.append("e")
        await b.logs.has("actions", "e")
        assert heard == ["actions"]
        assert "room:1" not in b.logs.logs
        assert server.command("PUBSUB", "NUMSUB", "ng:{room:1}:live") == [b"ng:{room:1}:live", 1]


@pytest.mark.clause("N18", "N13")
async def test_a_node_that_begins_to_follow_has_the_log_before_the_answer(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        positions = [await a.append(f"e{number}", channel="room:1") for number in range(5)]
        assert await b.follow("room:1") is None
        assert str(b.logs.replica("room:1").position) == positions[-1][0]
        assert b.log("room:1").events == [f"e{number}" for number in range(5)]
        await a.append("live", channel="room:1")
        await b.logs.until(lambda: b.log("room:1").events[-1] == "live")


@pytest.mark.clause("N18")
async def test_a_room_that_is_followed_first_and_used_later_has_no_gap(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        assert await a.follow("room:1") is None
        epoch = a.log("room:1").epoch
        assert await b.append("first", channel="room:1") == [f"{epoch}:1"]
        await a.logs.has("room:1", "first")
        assert len(a.log("room:1").gaps) == 1  # before anybody was subscribed
        assert (a.rotations(), b.rotations()) == ({}, {})


@pytest.mark.clause("N18")
async def test_who_unfollows_hears_no_more_and_may_come_back(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        await a.follow("room:1")
        await b.append("one", channel="room:1")
        await a.logs.has("room:1", "one")
        a.backplane.unfollow("room:1")
        del a.logs.logs["room:1"]
        await b.append("two", channel="room:1")
        await eventually(lambda: server.command("PUBSUB", "NUMSUB", "ng:{room:1}:live")[1] == 0)
        assert await a.follow("room:1") is None
        assert a.log("room:1").events == ["one", "two"]


@pytest.mark.clause("N12")
async def test_a_position_beyond_the_head_lets_the_node_catch_up_first(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        b.never_compare()
        await a.follow("room:1")
        await b.follow("room:1")
        with b.deaf():
            await a.append("one", channel="room:1")
            wanted = Position(a.log("room:1").epoch, 1)
            assert b.log("room:1").events == []
            assert await b.follow("room:1", wanted) is None
        assert b.log("room:1").events == ["one"]


@pytest.mark.clause("N12", "P11")
async def test_a_position_that_the_store_does_not_have_either_is_answered_and_left_to_the_caller(
    server: RedisServer,
) -> None:
    async with nodes(server, "a") as (a,):
        await a.append("one")
        assert await a.follow("actions", Position(a.log().epoch, 7)) is None
        assert await a.follow("actions", Position("nowhere", 7)) is None
        assert (a.log().head, a.rotations()) == (1, {})


@pytest.mark.clause("N12")
async def test_many_who_ask_at_once_cost_a_few_reads(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        before = sum(a.backplane.figures.command_seconds["read"].counts)
        wanted = Position("former-epoch", 3)
        answers = await asyncio.gather(*(a.follow("actions", wanted) for _ in range(1_000)))
        assert set(answers) == {None}
        assert (
            sum(a.backplane.figures.command_seconds["read"].counts) - before <= 8
        )  # the fixed channels may be read as well


async def test_a_channel_that_is_not_configured_is_refused(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        assert isinstance(await a.follow("nowhere"), UnknownChannel)
        assert await a.append("e", channel="nowhere") == ["unknown_channel"]


@pytest.mark.clause("N18")
async def test_who_waits_for_a_channel_that_is_closed_hears_it(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        waiting = asyncio.create_task(a.follow("room:1"))
        await asyncio.sleep(0)
        a.backplane.unfollow("room:1")
        assert isinstance(await waiting, LogUnavailable)


@pytest.mark.clause("N18")
async def test_keys_of_a_room_expire_and_those_who_follow_it_keep_them(server: RedisServer) -> None:
    async with nodes(server, "a", slack=600.0) as (a,):
        await a.append("one", channel="room:1")
        await a.append("one")
        for key in ("meta", "log"):
            assert 890 <= server.command("TTL", f"ng:{{room:1}}:{key}") <= 900
            assert server.command("TTL", f"ng:{{actions}}:{key}") == -1
        server.command("EXPIRE", "ng:{room:1}:meta", "5")
        await a.follow("room:1")
        await eventually(lambda: server.command("TTL", "ng:{room:1}:meta") > 800)
        server.command("EXPIRE", "ng:{room:1}:meta", "5")
        await eventually(lambda: server.command("TTL", "ng:{room:1}:meta") > 800)


@pytest.mark.clause("N9", "N18")
async def test_thousands_of_quiet_rooms_are_compared_in_turn(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        await asyncio.gather(*(a.follow(f"room:{number}") for number in range(600)))
        heads, following = a.backplane.parts.heads, a.backplane.parts.following
        following.round += 10  # what has just begun counts as changed for some seconds
        turns = [{replica.channel for replica in heads._chosen()} for _ in range(13)]
        assert max(map(len, turns)) <= 3 + 100
        assert len(set().union(*turns)) >= 600
