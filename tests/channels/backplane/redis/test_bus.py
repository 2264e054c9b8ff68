"""What nodes tell each other over a real Redis (N9, N15, N16, N17), and what they count together (C25, R8)."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from channels.backplane.bus import News, Told
from channels.errors import LogUnavailable
from tests.support.redis import RedisServer
from tests.support.redis_nodes import IMPATIENT, Node, eventually, nodes

Messages = list[tuple[str, object]]


@pytest.fixture
def own() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def listen(node: Node, kind: str = "kick") -> Messages:
    told: Messages = []
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


@pytest.mark.clause("N15")
async def test_a_node_that_was_cut_off_for_longer_than_anything_is_kept_hears_that_it_has_missed_something(
    server: RedisServer,
) -> None:
    async with nodes(server, "a", "b") as (a, b):
        missed: list[str] = []
        b.bus.on_missed(lambda: missed.append("b"))
        heard, bus = listen(b), _any(b.bus)
        bus.opened()
        a.bus.tell("kick", {"n": 1}, keep=True)
        await eventually(lambda: len(heard) == 1 and bus._peers.is_caught_up)
        assert missed == []
        bus._whole_at -= 291.0  # stands for as many seconds without a connection that listens
        bus.opened()
        await eventually(lambda: missed == ["b"])


@pytest.mark.clause("N15")
async def test_a_store_that_has_lost_everything_may_have_lost_what_was_kept(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        missed: list[str] = []
        a.bus.on_missed(lambda: missed.append("a"))
        server.command("FLUSHALL")
        await eventually(lambda: missed == ["a"])


def _any(thing: Any) -> Any:
    return thing


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
        silent: list[tuple[str, str]] = []
        a.bus.on_silent(lambda name: silent.append(("a", name)))
        b.bus.on_silent(lambda name: silent.append(("b", name)))
        await told(c, await c.bus.present("actions", {"ann": 5.0}))
        await kill(c)
        server.command("HSET", "ng:ctl:nodes", "node:c", "1")  # stands for ten seconds of silence
        await eventually(lambda: silent != [])
        assert [name for _, name in silent] == ["c"]
        teller = a if silent[0][0] == "a" else b
        assert await bury(teller, "c") == [("leave", "ann")]
        assert await bury(teller, "c") == []
        assert server.command("HEXISTS", "ng:ctl:nodes", "node:c") == 0
        assert server.command("EXISTS", "ng:{actions}:here", "ng:ctl:here:c") == 0


async def told(node: Node, news: Sequence[News], channel: str = "actions") -> list[tuple[str, str]]:
    await node.bus.told(channel, [Told(one.subject, one.mark, "e1") for one in news])
    return [(one.event, one.subject) for one in news]


async def bury(node: Node, name: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    async def tell(channel: str, news: Sequence[News]) -> None:
        found.extend(await told(node, news, channel))

    await node.bus.bury(name, tell)
    return found


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


@pytest.mark.clause("N16", "C25")
async def test_a_node_that_stops_in_order_is_buried_by_another_ten_seconds_later(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        ended: list[str] = []
        a.bus.on_ended(ended.append)
        a.bus.on_silent(lambda name: ended.append(f"{name} fell silent"))
        await told(b, await b.bus.present("actions", {"ann": 5.0}))
        await b.stop()
        assert server.command("HEXISTS", "ng:ctl:nodes", "node:b") == 0
        beats = a.backplane.figures.command_seconds["beat"]
        before = sum(beats.counts)
        await eventually(lambda: sum(beats.counts) >= before + 3)
        assert ended == []
        server.command("HSET", "ng:ctl:nodes", "bye:b", "1")  # stands for ten seconds
        await eventually(lambda: ended != [])
        assert await bury(a, "b") == [("leave", "ann")]
        assert (ended, server.command("HEXISTS", "ng:ctl:nodes", "bye:b")) == (["b"], 0)


@pytest.mark.clause("N16")
async def test_a_node_that_is_back_soon_is_buried_by_nobody(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (_, b):
        await told(b, await b.bus.present("actions", {"ann": 5.0}))
        await b.stop()
        again = Node(server.url, "b")
        await again.start()
        await again.ready()
        assert server.command("HEXISTS", "ng:ctl:nodes", "bye:b") == 0
        assert await again.bus.former() == [("actions", "ann")]
        await again.stop()


@pytest.mark.clause("C25", "N16")
async def test_a_node_that_was_buried_and_lives_hears_that_it_is_to_say_everything_again(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        returned: list[str] = []
        a.bus.on_returned(lambda: returned.append("a"))
        await told(a, await a.bus.present("actions", {"ann": 5.0}))
        assert await bury(b, "a") == [("leave", "ann")]
        await eventually(lambda: returned == ["a"])
        assert await told(a, await a.bus.present("actions", {"ann": 5.0})) == [("join", "ann")]
        assert await bury(b, "a") == [("leave", "ann")]  # so it is in the index again


@pytest.mark.clause("C25")
async def test_another_master_may_have_lost_what_was_said(own: RedisServer) -> None:
    with RedisServer(appendonly="yes", appendfsync="always") as persistent:
        async with nodes(persistent, "a") as (a,):
            returned: list[str] = []
            a.bus.on_returned(lambda: returned.append("a"))
            persistent.kill()
            persistent.start()
            await a.ready()
            assert server_knows(persistent, "a")
            await eventually(lambda: returned != [])


def server_knows(server: RedisServer, node: str) -> bool:
    return bool(server.command("HEXISTS", "ng:ctl:nodes", f"node:{node}"))


@pytest.mark.clause("C25")
async def test_a_channel_that_nobody_is_on_any_more_leaves_the_index(server: RedisServer) -> None:
    async with nodes(server, "a") as (a,):
        await told(a, await a.bus.present("actions", {"ann": 5.0}))
        await told(a, await a.bus.present("actions", {"ann": None}))
        await a.bus.vacate("actions")
        assert server.command("EXISTS", "ng:{actions}:here", "ng:ctl:here:a") == 0
        await a.bus.present("actions", {"ann": 5.0})
        assert server.command("HKEYS", "ng:ctl:here:a") == [b"actions"]


@pytest.mark.clause("C25")
async def test_many_joins_at_once_are_news_once(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        news = await asyncio.gather(*(node.bus.present("actions", {"ann": 1.0}) for _ in range(50) for node in (a, b)))
        assert len({one for some in news for one in some}) == 1


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
            await a.bus.present("actions", {"ann": 1.0})
        own.resume()
        await a.ready()
        assert len(await a.bus.present("actions", {"ann": 1.0})) == 1


async def test_of_two_processes_of_one_name_the_second_is_not_ready_and_counts_nothing(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with nodes(server, "a") as (first,):
        await told(first, await first.bus.present("actions", {"ann": 1.0}))
        second = Node(server.url, "a")
        await second.start()
        await eventually(lambda: "another process is named a too" in (second.backplane.failure or ""))
        with pytest.raises(LogUnavailable, match="another process is named a too"):
            await second.bus.present("actions", {"ann": None})
        await eventually(lambda: first.bus.is_contested and second.bus.is_contested)
        assert "another process is named a too" in caplog.text
        assert first.backplane.failure is None
        await second.stop()
        assert server.command("HEXISTS", "ng:ctl:nodes", "node:a") == 1
        assert await first.bus.present("actions", {"ann": 1.0}) == []
        await eventually(lambda: not first.bus.is_contested)


async def test_a_name_is_free_when_its_bearer_has_stopped_or_was_killed(server: RedisServer) -> None:
    async with nodes(server, "a") as (first,):
        second = Node(server.url, "a")
        await second.start()
        await eventually(lambda: second.bus.is_contested)
        await first.stop()
        await second.ready()
        await kill(second)
        third = Node(server.url, "a")
        await third.start()
        await third.ready()
        await third.stop()


async def test_the_store_knows_who_is_there_before_the_node_has_heard_of_anybody(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        assert (await a.bus.others(), await b.bus.others()) == (["b"], ["a"])
        await kill(b)
        server.command("HSET", "ng:ctl:nodes", "node:b", "1")
        assert await a.bus.others() == []
