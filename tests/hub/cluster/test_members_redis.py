"""Presence over a real Redis (C25, N16): each of the news is in the companion once, whatever fails on the way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from channels.backplane import Result
from channels.presence import Change
from channels.publication import Publication
from hub.cluster import errands, members
from hub.cluster.members import Members
from hub.counters import Counters
from tests.support.redis import RedisServer, needs_redis
from tests.support.redis_nodes import IMPATIENT, Node, eventually

pytestmark = needs_redis

ROOM = "room:1"
COMPANION = "room:1/presence"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (errands, members):
        monkeypatch.setattr(module, "RETRY", 0.05)


class Hub:
    """Of a hub what presence needs: backplane, bus, members."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.counters = Counters()
        self.is_mute = False
        self.told = 0
        """News that were stored."""
        self.members = Members(node.bus, self, self.counters, leave_seconds=0.2)
        begin = node.logs.begin

        def begun(channel: str, position: Any) -> None:
            before = node.logs.replica(channel).position.epoch
            begin(channel, position)
            if before != position.epoch and channel == COMPANION:
                self.members.begun(ROOM, position.epoch)

        node.logs.begin = begun  # type: ignore[method-assign]

    async def tell_all(self, companion: str, news: Sequence[Publication]) -> Sequence[Result]:
        if self.is_mute:
            await asyncio.Event().wait()
        results = await self.node.publish(news)
        self.told += len(news)
        return results

    def attend(self, channel: str) -> None:
        self.node.backplane.follow(f"{channel}/presence", None, lambda _: None)

    def say(self, event: str, *subjects: str) -> None:
        for subject in subjects:
            self.members.changed(Change(ROOM, event, subject, b"{}"))

    async def settled(self) -> None:
        await eventually(lambda: len(self.members) == 0)


@asynccontextmanager
async def hubs(server: RedisServer, *names: str, **options: Any) -> AsyncIterator[list[Hub]]:
    started = [Hub(Node(server.url, name, **options)) for name in names]
    for hub in started:
        await hub.node.start()
    for hub in started:
        await hub.node.ready()
        hub.members.start()
    yield started
    for hub in started:
        hub.members.stop()
        await hub.node.stop()


async def companion(server: RedisServer) -> list[tuple[str, str | None]]:
    """(event, subject) of everything that the companion holds, as a node that has just come reads it."""
    node = Node(server.url, "reader")
    await node.start()
    await node.ready()
    assert await node.follow(COMPANION) is None
    held = node.log(COMPANION).keyed
    await node.stop()
    return held


def subjects(count: int) -> list[str]:
    return [f"s{number}" for number in range(count)]


@pytest.mark.clause("C25", "N16")
async def test_of_a_node_that_was_half_buried_by_one_that_died_another_says_the_rest_once(server: RedisServer) -> None:
    everybody = subjects(1_200)
    async with hubs(server, "a", "b", "c") as (a, b, c):
        c.say("join", *everybody)
        b.say("join", *everybody[:50])
        for hub in (b, c):
            await hub.settled()
        c.members.stop()
        burial = asyncio.create_task(a.members.bury("c"))
        await eventually(lambda: a.told >= 300)
        a.is_mute = True
        burial.cancel()  # as if it were killed
        b.say("join", *everybody[600:650])  # they come back meanwhile
        await b.members.bury("c")
        await b.settled()
        held = Counter(await companion(server))
        there = set(everybody[:50]) | set(everybody[600:650])
        for subject in everybody:
            assert held["join", subject] - held["leave", subject] == (subject in there)
            assert held["leave", subject] <= 1


@pytest.mark.clause("C25", "N11", "N16")
async def test_while_redis_is_away_nothing_of_what_happens_is_lost_or_said_twice(server: RedisServer) -> None:
    async with hubs(server, "a", "b", **IMPATIENT) as (a, b):
        a.say("join", *subjects(200))
        b.say("join", *subjects(100))
        for hub in (a, b):
            await hub.settled()
        b.members.stop()
        a.say("leave", *subjects(200))
        burial = asyncio.create_task(a.members.bury("b"))
        server.pause()
        await eventually(lambda: a.counters.values["errors"]["bus", "presence"] >= 3)
        server.resume()
        await burial
        await a.settled()
        assert Counter(await companion(server)) == Counter(
            (event, subject) for event in ("join", "leave") for subject in subjects(200)
        )


@pytest.mark.clause("C25", "N4")
@pytest.mark.parametrize("loss", ["the companion's log", "everything", "the whole server"])
async def test_whatever_redis_loses_the_companion_holds_everybody_again_once(server: RedisServer, loss: str) -> None:
    async with hubs(server, "a", "b") as (a, b):
        a.say("join", "ann", "bob")
        b.say("join", "bob", "cy")
        for hub in (a, b):
            await hub.settled()
        before = a.node.logs.replica(COMPANION).position.epoch
        if loss == "everything":
            server.command("FLUSHALL")
        elif loss == "the whole server":
            server.kill()
            server.start()
        else:
            server.command("DEL", *(f"ng:{{{COMPANION}}}:{part}" for part in ("meta", "log", "last")))
        await eventually(lambda: a.node.logs.replica(COMPANION).position.epoch != before)
        await eventually(lambda: a.node.logs.replica(COMPANION).position.offset >= 3)
        for hub in (a, b):
            await hub.node.ready()
            await hub.settled()
        assert Counter(await companion(server)) == Counter(("join", who) for who in ("ann", "bob", "cy"))


@pytest.mark.clause("C25", "N16")
async def test_thousands_are_said_again_in_a_moment_and_who_went_meanwhile_has_gone(server: RedisServer) -> None:
    everybody = subjects(10_000)
    async with hubs(server, "a") as (a,):
        a.say("join", *everybody)
        await a.settled()
        commands = a.node.backplane.figures.command_seconds["member"]
        before = sum(commands.counts)
        server.command("DEL", f"ng:{{{ROOM}}}:here")
        a.members.tell_again()
        a.say("leave", *everybody[::100])
        await a.settled()
        assert sum(commands.counts) - before <= 10_000 // members.SUBJECTS_AT_ONCE + 5
        here = {subject for _, subject in await a.node.bus.former()}
        assert here == set(everybody) - set(everybody[::100])
