"""Presence over all nodes: join once, leave once, and no news of who resumes elsewhere (C25)."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from channels.backplane import Result
from channels.backplane.bus import News
from channels.errors import BrokerError, LogUnavailable, OutcomeUnknown, UnknownChannel
from channels.permissions import Role
from channels.presence import Change
from channels.publication import Publication, Stored
from hub.auth import Identity
from hub.cluster import errands, members
from hub.cluster.members import Members
from hub.counters import Counters
from tests.support.bus import Wire, WireBus
from tests.support.node import Node, Peer
from tests.support.town import Joined, Town, until

ANN = Identity("ann", Role.DEVELOPER)
BOB = Identity("bob", Role.DEVELOPER)
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


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (errands, members):
        monkeypatch.setattr(module, "RETRY", 0.001)


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
        await until(lambda: town.wire.here("room:1", "ann") == {"n2"})
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
        await until(lambda: "n2" in town.wire.here("room:1", "ann"))
        sweep(one, 5.0)
        await until(lambda: town.wire.here("room:1", "ann") == {"n2"})
        assert news(town) == [("join", 1)]


@pytest.mark.clause("C25", "N16")
async def test_who_was_on_a_node_that_is_gone_has_left_and_who_is_elsewhere_too_has_not() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, two):
        await enter(one)
        await enter(two)
        await enter(two, BOB)
        await until(lambda: len(news(town)) == 2)
        await town.kill("n2")
        await until(lambda: len(news(town)) == 3)
        assert news(town)[-1] == ("leave", 0)
        assert (town.wire.here("room:1", "bob"), town.wire.here("room:1", "ann")) == (set(), {"n1"})


@pytest.mark.clause("C25", "N16")
async def test_a_node_that_stops_in_order_leaves_it_to_another_to_say_who_did_not_come_back() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, two):
        await enter(two)
        await enter(two, BOB)
        await until(lambda: len(news(town)) == 2)
        await enter(one)
        await until(lambda: town.wire.here("room:1", "ann") == {"n1", "n2"})
        await town.nodes.pop("n2").__aexit__()
        assert [event for event, _ in news(town)] == ["join", "join"]
        town.wire.end("n2")
        await until(lambda: len(news(town)) == 3)
        assert (news(town)[-1], town.wire.here("room:1", "ann")) == (("leave", 0), {"n1"})


@pytest.mark.clause("C25")
async def test_a_node_that_is_killed_and_back_at_once_leaves_nobody_present_for_ever() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, _):
        await enter(one)
        await enter(one, BOB)
        await until(lambda: len(news(town)) == 2)
        again = await town.restart("n1")
        again.cluster.members.stop()
        life = Members(again.bus, again.broker, Counters(), leave_seconds=0.05)
        again.broker.followers.news = life.changed
        life.start()
        await enter(again)
        await until(lambda: len(news(town)) == 3)
        await until(lambda: not town.wire.here("room:1", "bob"))
        assert [event for event, _ in news(town)] == ["join", "join", "leave"]
        assert town.wire.here("room:1", "ann") == {"n1"}
        life.stop()


@pytest.mark.clause("C25", "N16")
async def test_a_node_that_was_taken_for_gone_tells_who_is_there_all_the_same() -> None:
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, two):
        await enter(one)
        await until(lambda: len(news(town)) == 1)
        await two.cluster.members.bury("n1")
        one.bus.returned()
        await until(lambda: len(news(town)) == 3)
        assert [event for event, _ in news(town)] == ["join", "leave", "join"]


@pytest.mark.clause("C25", "N4")
async def test_after_a_loss_of_the_companion_it_holds_who_is_there_again_once() -> None:
    """Nobody reads it, so no node would notice if it did not follow it for the sake of who is present."""
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, two):
        await enter(one)
        await enter(two)
        await enter(two, BOB)
        await until(lambda: len(news(town)) == 2)
        assert COMPANION in one.remote.following & two.remote.following
        town.store.lose(COMPANION)
        for node in (one, two):
            node.remote.fill(COMPANION)
        await until(lambda: len(news(town)) == 2)
        await until(lambda: len(one.cluster.members) == len(two.cluster.members) == 0)
        assert [event for event, _ in news(town)] == ["join", "join"]
        watcher = one.peer(ANN)
        watcher.send({"type": "subscribe", "channel": COMPANION})
        keys = {(await watcher.next("event"))["key"] for _ in range(2)}
        assert keys == {"ann", "bob"}


@pytest.mark.clause("C25")
async def test_a_mistake_over_one_channel_loses_nobody_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "RETRY", 0.001)
    town = Town("n1", "n2", tables=ROOMS)
    async with town as (one, _):
        present, is_first = one.bus.present, True

        async def fail_once(*arguments: Any) -> Sequence[News]:
            nonlocal is_first
            if is_first:
                is_first = False
                raise RuntimeError("a mistake of a test")
            return await present(*arguments)

        monkeypatch.setattr(one.bus, "present", fail_once)
        await enter(one)
        await until(lambda: [event for event, _ in news(town)] == ["join"])
        assert one.errors()["internal", "cluster"] == 1


class Companions:
    """Takes news, and answers by plan: an error for each call, then all is stored; `lost`: stored without an answer."""

    def __init__(self, *errors: BrokerError, lost: bool = False) -> None:
        self.errors = list(errors)
        self.lost = lost
        self.calls = 0
        self.stored: dict[str, str] = {}

    async def tell_all(self, companion: str, news: Sequence[Publication]) -> Sequence[Result]:
        self.calls += 1
        error = self.errors.pop(0) if self.errors else None
        results: list[Result] = []
        for one in news:
            assert one.mid is not None
            is_repeat = one.mid in self.stored
            if error is None or self.lost:
                self.stored.setdefault(one.mid, f"{one.event} {one.key}")
            results.append(error or Stored("e1:1", duplicate=is_repeat))
        await asyncio.sleep(0)
        return results

    def attend(self, channel: str) -> None:
        """The log is here."""

    @property
    def told(self) -> list[str]:
        return list(self.stored.values())


def change(event: str, subject: str = "ann") -> Change:
    return Change("room:1", event, subject, b"{}")


@pytest.mark.clause("C25", "N11")
async def test_while_the_bus_is_away_it_is_tried_again_and_only_how_things_are_is_told() -> None:
    companions, counters, bus = Companions(), Counters(), Wire().bus("n1")
    told = Members(bus, companions, counters)
    bus.is_cut = True
    for event in ("join", "leave", "join"):
        told.changed(change(event))
    await until(lambda: counters.values["errors"]["bus", "presence"] >= 3)
    assert (companions.told, len(told)) == ([], 1)
    bus.is_cut = False
    await until(lambda: companions.told == ["join ann"])
    told.stop()


@pytest.mark.clause("C25", "N11")
@pytest.mark.parametrize("lost", [False, True], ids=["refused", "stored, and the answer lost"])
async def test_news_that_the_broker_refuses_or_does_not_answer_for_are_told_once_in_their_order(lost: bool) -> None:
    errors = [OutcomeUnknown("?") if lost else LogUnavailable("away") for _ in range(2)]
    companions, wire = Companions(*errors, lost=lost), Wire()
    told = Members(wire.bus("n1"), companions, Counters())
    told.changed(change("join"))
    await until(lambda: companions.calls == 1)
    told.changed(change("leave"))
    told.changed(change("join", "bob"))
    await until(lambda: companions.told == ["join ann", "leave ann", "join bob"])
    await until(lambda: len(told) == 0)
    assert companions.calls >= 2
    assert wire.attendance.of("n1") == [("room:1", "bob")]
    told.stop()


@pytest.mark.clause("C25", "N11")
async def test_what_the_bus_did_and_did_not_answer_for_is_news_all_the_same() -> None:
    wire, companions = Wire(), Companions()
    told = Members(Unanswered(wire, "n1"), companions, Counters())
    told.changed(change("join"))
    await until(lambda: companions.told == ["join ann"])
    await until(lambda: len(told) == 0)
    told.changed(change("leave"))
    await until(lambda: companions.told == ["join ann", "leave ann"])
    told.stop()


class Unanswered(WireBus):
    """Does everything that it is asked for the first time, and says that it does not know."""

    is_even = False

    async def present(self, channel: str, subjects: object, epoch: str = "") -> Sequence[News]:
        news = await super().present(channel, subjects, epoch)  # type: ignore[arg-type]
        self.is_even = not self.is_even
        if self.is_even:
            raise OutcomeUnknown("it may have been counted")
        return news


@pytest.mark.clause("C25")
async def test_a_channel_that_does_not_exist_any_more_is_told_nobody() -> None:
    companions, wire = Companions(UnknownChannel("gone")), Wire()
    told = Members(wire.bus("n1"), companions, Counters())
    told.changed(change("join"))
    await until(lambda: companions.calls == 1 and len(told) == 0)
    told.changed(change("leave"))
    await until(lambda: companions.told == ["leave ann"])
    told.stop()


@pytest.mark.clause("C25", "N16")
async def test_what_one_node_struck_and_could_not_tell_another_tells() -> None:
    wire, counters = Wire(), Counters()
    three, (one, two) = wire.bus("n3"), (wire.bus("n1"), wire.bus("n2"))
    await three.present("room:1", {"ann": 1.0})
    away, there = Companions(*[LogUnavailable("away")] * 1_000), Companions()
    first, second = Members(one, away, counters), Members(two, there, Counters())
    burial = asyncio.create_task(first.bury("n3"))
    await until(lambda: counters.values["errors"]["bus", "presence"] >= 2)
    assert wire.attendance.of("n3") == []
    burial.cancel()  # the node that buries dies, too
    await second.bury("n3")
    assert there.told == ["join ann", "leave ann"]


@pytest.mark.clause("C25", "N4")
async def test_a_join_that_was_stored_before_the_companion_lost_it_is_told_once_more() -> None:
    """The fail-over came between the entry and what the bus was told: the entry is known, and gone."""
    wire, companions = Wire(), Companions(OutcomeUnknown("?"), lost=True)
    told = Members(wire.bus("n1"), companions, Counters())
    told.changed(change("join"))
    await until(lambda: companions.calls == 1)
    told.begun("room:1", "e2")
    await until(lambda: companions.told == ["join ann", "join ann"])
    told.stop()


@pytest.mark.clause("C25")
async def test_thousands_are_told_again_in_few_calls() -> None:
    wire, companions = Wire(), Companions()
    bus = Counting(wire, "n1")
    told = Members(bus, companions, Counters())
    for number in range(5_000):
        told.changed(Change(f"room:{number % 10}", "join", f"s{number}", b"{}"))
    await until(lambda: len(companions.told) == 5_000 and len(told) == 0)
    wire.attendance = type(wire.attendance)()
    bus.calls = bus.most = 0
    told.tell_again()
    await until(lambda: len(companions.told) == 10_000 and len(told) == 0)
    assert bus.calls <= 10 * (500 // members.SUBJECTS_AT_ONCE + 1)
    assert bus.most <= members.CHANNELS_AT_ONCE
    told.stop()


class Counting(WireBus):
    calls = now = most = 0

    async def present(self, channel: str, subjects: object, epoch: str = "") -> Sequence[News]:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        news = await super().present(channel, subjects, epoch)  # type: ignore[arg-type]
        self.now -= 1
        return news


@pytest.mark.clause("C25")
async def test_who_goes_while_everybody_is_told_again_has_gone() -> None:
    wire, companions = Wire(), Companions()
    wire.delay = lambda: 0.002
    told = Members(wire.bus("n1"), companions, Counters())
    told.changed(change("join"))
    await until(lambda: companions.told == ["join ann"] and len(told) == 0)
    told.tell_again()
    await asyncio.sleep(0)
    told.changed(change("leave"))
    await until(lambda: companions.told == ["join ann", "leave ann"])
    assert wire.here("room:1", "ann") == set()
    told.stop()


class Shut(WireBus):
    async def former(self) -> Sequence[tuple[str, str]]:
        raise LogUnavailable("away")


@pytest.mark.clause("N16")
async def test_at_the_end_nothing_goes_on() -> None:
    ended = Members(Shut(Wire(), "n1"), Companions(), Counters())
    ended.start()
    ended.changed(change("join"))
    await asyncio.sleep(0)
    ended.stop()
    await until(lambda: len(ended._errands) == 0)
    ended.changed(change("leave"))
    assert len(ended._errands) == 0
