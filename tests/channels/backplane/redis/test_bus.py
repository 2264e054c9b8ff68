"""What nodes tell each other over a real Redis (N9, N15, N16, N17), and what they count together (C25, R8)."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from channels.backplane.bus import Departed, Member
from channels.errors import LogUnavailable
from tests.support.redis import RedisServer
from tests.support.redis_nodes import IMPATIENT, Node, eventually, nodes

Told = list[tuple[str, object]]


@pytest.fixture
def own() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def listen(node: Node, kind: str = "kick") -> Told:
    told: Told = []
    node.bus.listen(kind, lambda who, body: told.append((who, body["n"])))
    return told


@pytest.mark.clause("N15")
async def test_every_other_node_hears_what_is_told_in_its_order(server: RedisServer) -> None:
    async with nodes(server, "a", "b", "c") as (a, b, c):
        own, heard = listen(a), [listen(b), listen(c)]
        for number in range(200):
            a.bus.tell("kick", {"n": number}, keep=number % 3 == 0)
        await eventually(lambda: all(len(one) == 200 for one in heard))
        assert heard == [[("a", number) for number in range(200)]] * 2
        assert own == []


@pytest.mark.clause("N15")
async def test_a_node_that_was_cut_off_hears_what_was_kept_when_it_is_back(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        heard = listen(b)
        a.bus.tell("kick", {"n": 0}, keep=True)
        await eventually(lambda: len(heard) == 1)
        bus: Any = b.bus
        receive, bus.receive = bus.receive, lambda _: None
        for number in range(1, 5):
            a.bus.tell("kick", {"n": number}, keep=number != 3)
        await eventually(lambda: a.backplane.figures.details["bus/told"] >= 5)
        bus.receive = receive
        await eventually(lambda: len(heard) == 4)
        assert heard == [("a", number) for number in (0, 1, 2, 4)]
        a.bus.tell("kick", {"n": 5})
        await eventually(lambda: len(heard) == 5)


@pytest.mark.clause("N15")
async def test_what_is_kept_waits_for_a_redis_that_is_away_and_the_rest_is_lost(own: RedisServer) -> None:
    async with nodes(own, "a", "b", **IMPATIENT) as (a, b):
        heard = listen(b)
        own.pause()
        await eventually(lambda: not a.backplane.figures.is_up)
        for number in range(4):
            a.bus.tell("kick", {"n": number}, keep=number % 2 == 0)
        own.resume()
        await eventually(lambda: len(heard) == 2)
        assert heard == [("a", 0), ("a", 2)]
        assert a.backplane.figures.details["bus/lost"] >= 2


@pytest.mark.clause("N15")
async def test_a_node_that_starts_hears_what_was_kept_before_it_is_asked_anything(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        a.bus.tell("kick", {"n": 1}, keep=True)
        a.bus.tell("kick", {"n": 2})
        await eventually(lambda: a.backplane.figures.details["bus/told"] >= 2)
        b = Node(server.url, "b")
        heard = listen(b)
        await b.start()
        await b.ready()
        assert heard == [("a", 1)]
        await b.stop()


@pytest.mark.clause("N17")
async def test_a_listener_that_cannot_take_a_body_harms_nothing(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with nodes(server, "a", "b") as (a, b):
        heard = listen(b)
        a.bus.tell("kick", {"other": 1})
        a.bus.tell("unheard of", {"n": 1})
        a.bus.tell("kick", {"n": 2})
        await eventually(lambda: heard == [("a", 2)])
        assert "could not be taken" in caplog.text
        assert b.backplane.figures.details["bus/unheard"] == 1


async def test_one_kind_has_one_listener(server: RedisServer) -> None:
    node = Node(server.url, "a")
    listen(node)
    with pytest.raises(ValueError, match="one listener for each kind"):
        listen(node)


@pytest.mark.clause("N9")
async def test_nodes_know_who_is_there_and_who_has_left(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        await eventually(lambda: set(a.bus.nodes()) == {"b"} and set(b.bus.nodes()) == {"a"})
        assert 0 <= a.bus.nodes()["b"] < 5
        await b.stop()
        await eventually(lambda: not a.bus.nodes())


@pytest.mark.clause("N16", "C25")
async def test_a_node_that_falls_silent_is_told_to_one_other_which_buries_it(server: RedisServer) -> None:
    async with nodes(server, "a", "b", "c") as (a, b, c):
        told: list[tuple[str, str]] = []
        a.bus.on_silent(lambda name: told.append(("a", name)))
        b.bus.on_silent(lambda name: told.append(("b", name)))
        await c.bus.joined("actions", "ann", 5.0)
        await c.bus.joined("actions", "bob", 6.0)
        await a.bus.joined("actions", "bob", 7.0)
        await kill(c)
        server.command("HSET", "ng:ctl:nodes", "node:c", "1")  # stands for ten seconds of silence
        await eventually(lambda: told != [])
        assert [name for _, name in told] == ["c"]
        teller = a if told[0][0] == "a" else b
        departed = await teller.bus.bury("c")
        assert sorted(departed) == [
            Departed("actions", "ann", Member(True, 5.0, 0)),
            Departed("actions", "bob", Member(False, 6.0, 1)),
        ]
        assert await teller.bus.bury("c") == []
        assert server.command("HEXISTS", "ng:ctl:nodes", "node:c") == 0


async def kill(node: Node) -> None:
    """As kill -9 does: nothing is said."""
    bus: Any = node.bus
    bus.say_bye = _say_nothing
    await node.stop()


async def _say_nothing() -> None:
    pass


@pytest.mark.clause("N16")
async def test_a_redis_that_was_away_makes_nobody_gone(own: RedisServer) -> None:
    async with nodes(own, "a", "b") as (a, b):
        told: list[str] = []
        a.bus.on_silent(told.append)
        await eventually(lambda: own.command("HLEN", "ng:ctl:nodes") == 5)
        await kill(b)
        # All times are long ago: nobody could say anything, and nothing is known of b yet.
        for field in ("node:a", "node:b", "last"):
            own.command("HSET", "ng:ctl:nodes", field, "1")
        await eventually(lambda: int(own.command("HGET", "ng:ctl:nodes", "node:b")) > 1)
        assert told == []


@pytest.mark.clause("C25")
async def test_presence_is_counted_over_all_nodes(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        members = [
            await a.bus.joined("actions", "ann", 5.0),
            await a.bus.joined("actions", "ann", 6.0),
            await b.bus.joined("actions", "ann", 7.0),
            await a.bus.left("actions", "ann"),
            await a.bus.left("actions", "ann"),
            await b.bus.left("actions", "ann"),
        ]
        assert members == [
            Member(True, 5.0, 1),
            Member(False, 5.0, 2),
            Member(False, 5.0, 3),
            Member(False, 5.0, 2),
            Member(False, 5.0, 1),
            Member(True, 5.0, 0),
        ]
        assert server.command("EXISTS", "ng:{actions}:here") == 0
        assert await b.bus.left("actions", "ann") == Member(False, 0.0, 0)


@pytest.mark.clause("C25")
async def test_many_joins_at_once_are_news_once(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        members = await asyncio.gather(*(node.bus.joined("actions", "ann", 1.0) for _ in range(50) for node in (a, b)))
        assert sum(member.is_news for member in members) == 1
        assert max(member.connections for member in members) == 100


@pytest.mark.clause("C25", "N16")
async def test_a_node_that_was_taken_for_gone_says_again_who_is_there(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        await a.bus.joined("actions", "ann", 5.0)
        again: list[Departed] = []
        a.bus.on_returned(again.extend)
        await b.bus.bury("a")
        await eventually(lambda: again != [])
        assert again == [Departed("actions", "ann", Member(True, 0.0, 1))] or again == [
            Departed("actions", "ann", Member(True, 5.0, 1))
        ]
        assert await b.bus.joined("actions", "ann", 9.0) == Member(False, 5.0, 2)


@pytest.mark.clause("R8")
async def test_claims_rise_over_all_nodes_and_over_a_loss(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        claims = [await node.bus.claim("session") for node in (a, b, a)]
        server.command("FLUSHALL")
        claims += [await b.bus.claim("session"), await a.bus.claim("session")]
        assert claims == sorted(set(claims))
        assert server.command("PTTL", *(key for key in server.command("KEYS", "ng:ctl:claim:*"))) >= 300_000


async def test_without_redis_nothing_can_be_counted(own: RedisServer) -> None:
    async with nodes(own, "a", **IMPATIENT) as (a,):
        own.pause()
        await eventually(lambda: not a.backplane.figures.is_up)
        with pytest.raises(LogUnavailable):
            await a.bus.claim("session")
        with pytest.raises(LogUnavailable):
            await a.bus.joined("actions", "ann", 1.0)
        own.resume()
        await a.ready()
        assert await a.bus.joined("actions", "ann", 1.0) == Member(True, 1.0, 1)


async def test_two_processes_of_one_name_are_told(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with nodes(server, "a", "a"):
        await eventually(lambda: "another process is named a too" in caplog.text)
