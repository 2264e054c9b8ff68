"""Presence over all nodes: join once, leave once, and no news of who resumes elsewhere (C25)."""

import asyncio
import json

import pytest

from channels.backplane.bus import Departed, Member
from channels.errors import LogUnavailable
from channels.permissions import Role
from channels.presence import Change
from hub.auth import Identity
from hub.cluster import tasks
from hub.cluster.members import Members
from hub.counters import Counters
from tests.support.bus import Wire, WireBus
from tests.support.node import Node, Peer
from tests.support.town import Joined, Town, until

ANN = Identity("ann", Role.DEVELOPER)
ROOMS = {"room:*": {"subscribe": ["developer"], "presence": True}}
COMPANION = "room:1/presence"


async def enter(node: Node, who: Identity = ANN) -> Peer:
    peer = node.peer(who)
    peer.send({"type": "subscribe", "channel": "room:1"})
    await peer.next("subscribed")
    return peer


async def leave(node: Joined, peer: Peer) -> None:
    node.plane.feed_close(peer.number, 1000, "")
    node.plane.flush()
    await peer.gone()


def sweep(node: Joined, seconds: float) -> None:
    node.now += seconds
    node.broker.sweep(node.wall, node.now)


def news(town: Town) -> list[tuple[str, int]]:
    return [(event, json.loads(data)["connections"]) for event, data in town.store.events(COMPANION)]


@pytest.mark.clause("C25")
async def test_the_first_subscription_in_the_cluster_joins_and_the_last_leaves_10_s_later() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, two):
        first = await enter(one)
        await until(lambda: len(news(town)) == 1)
        second = await enter(two)
        await leave(one, first)
        sweep(one, 10.0)
        await until(lambda: town.wire.members["room:1", "ann"]["n1"] == 0)
        assert news(town) == [("join", 1)]
        await leave(two, second)
        sweep(two, 9.9)
        await asyncio.sleep(0.01)
        assert news(town) == [("join", 1)]
        sweep(two, 0.2)
        await until(lambda: len(news(town)) == 2)
        assert news(town) == [("join", 1), ("leave", 0)]


@pytest.mark.clause("C25")
async def test_who_resumes_on_another_node_was_never_away() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, two):
        first = await enter(one)
        first.send({"type": "get_reconnection_token"})
        token = (await first.next("reconnection_token"))["token"]
        await leave(one, first)
        sweep(one, 5.0)
        again = two.peer()
        again.send({"type": "connect", "id": 1, "resume": token})
        await again.next("reconnection_token")
        await until(lambda: town.wire.members["room:1", "ann"]["n2"] == 1)
        sweep(one, 5.0)
        await until(lambda: town.wire.members["room:1", "ann"]["n1"] == 0)
        assert news(town) == [("join", 1)]


@pytest.mark.clause("C25", "N16")
async def test_who_was_on_a_node_that_is_gone_has_left_and_who_is_elsewhere_too_has_not() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, two):
        await enter(one)
        await enter(two)
        await enter(two, Identity("bob", Role.DEVELOPER))
        await until(lambda: len(news(town)) == 2)
        await town.kill("n2")
        await until(lambda: len(news(town)) == 3)
        assert news(town)[-1] == ("leave", 0)
        assert not town.wire.members["room:1", "bob"].total()
        assert town.wire.members["room:1", "ann"] == {"n1": 1}


@pytest.mark.clause("C25")
async def test_a_node_that_is_killed_and_back_at_once_leaves_nobody_present_for_ever() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, _):
        await enter(one)
        await enter(one, Identity("bob", Role.DEVELOPER))
        await until(lambda: len(news(town)) == 2)
        again = await town.restart("n1")
        again.cluster.members.stop()
        again.cluster.members._leave_seconds = 0.05
        again.cluster.members.start()
        await enter(again)
        await until(lambda: len(news(town)) == 3)
        await asyncio.sleep(0.02)
        assert [event for event, _ in news(town)] == ["join", "join", "leave"]
        assert town.wire.members["room:1", "ann"] == {"n1": 1}


@pytest.mark.clause("C25", "N11")
async def test_news_that_cannot_be_told_now_are_told_in_their_order_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RETRY", 0.001)
    told: list[str] = []
    counters, bus = Counters(), Wire().bus("n1")
    members = Members(bus, lambda change: told.append(f"{change.event} {change.subject}"), counters)
    bus.is_cut = True
    for event in ("join", "leave", "join"):
        members.changed(Change("room:1", event, "ann", b"{}"))
    await until(lambda: counters.values["errors"]["bus", "presence"] >= 3)
    assert told == []
    bus.is_cut = False
    await until(lambda: len(told) == 3)
    assert told == ["join ann", "leave ann", "join ann"]
    members.stop()


class Shut(WireBus):
    async def bury(self, node: str) -> tuple[()]:
        raise LogUnavailable("away")


@pytest.mark.clause("N16")
async def test_at_the_end_nothing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    members = Members(Shut(Wire(), "n1"), lambda _: None, Counters())
    members.start()
    await asyncio.sleep(0)
    members.stop()
    await until(lambda: len(members._tasks) == 0)


@pytest.mark.clause("C25", "N16")
async def test_a_node_that_was_taken_for_gone_tells_who_is_there_all_the_same() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, _):
        await enter(one)
        await until(lambda: len(news(town)) == 1)
        members = [Member(is_news=True, since=1.0, connections=1), Member(is_news=False, since=1.0, connections=2)]
        one.bus.returned(
            [Departed("room:1", name, member) for name, member in zip(("ann", "bob"), members, strict=True)]
        )
        await until(lambda: len(news(town)) == 2)
        assert news(town) == [("join", 1), ("join", 1)]
