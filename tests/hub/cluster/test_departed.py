"""What a node that is gone cannot say any more is said by exactly one other (N16)."""

import asyncio
import json
from typing import Any

import pytest

from channels.permissions import Role
from channels.publication import Publication
from hub.auth import Identity
from hub.cluster import departed, errands
from tests.support.town import Joined, Town, until

ANN = Identity("ann", Role.DEVELOPER)


def told(town: Town) -> list[tuple[str, dict[str, Any]]]:
    return [(event, json.loads(data)) for event, data in town.store.events("connections")]


def leaves(town: Town) -> list[tuple[str, int]]:
    return [(data["node"], data["code"]) for event, data in told(town) if event == "leave"]


def names(node: Joined) -> set[str]:
    return {one["id"] for one in node.cluster.elsewhere.snapshot(100)}


async def joined(node: Joined, count: int) -> list[str]:
    peers = [node.peer(ANN) for _ in range(count)]
    for peer in peers:
        await peer.next("welcome")
    return [peer.connection.session.conn for peer in peers]


@pytest.mark.clause("N16", "C22")
async def test_the_connections_of_a_node_that_fell_silent_leave_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departed, "SLICE", 2)
    town = Town("n1", "n2", "n3")
    async with town as (one, two, three):
        conns = await joined(two, 5)
        own = await joined(one, 1)
        await until(lambda: names(three) == {*conns, *own})
        assert names(one) == set(conns)
        await town.kill("n2")
        await until(lambda: len(leaves(town)) == 5)
        await until(lambda: names(three) == set(own))
        assert leaves(town) == [("n2", 1006)] * 5
        assert names(one) == set()


@pytest.mark.clause("N16", "N11")
async def test_while_the_store_is_away_it_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (departed, errands):
        monkeypatch.setattr(module, "RETRY", 0.001)
    town = Town("n1", "n2")
    async with town as (one, two):
        await joined(two, 1)
        await until(lambda: len(names(one)) == 1)
        one.remote.is_cut = True
        one.remote._patience = 0.001
        await town.kill("n2")
        await until(lambda: one.errors().get(("hub", "connections"), 0) >= 2)
        one.remote.heal()
        await until(lambda: leaves(town) == [("n2", 1006)])


@pytest.mark.clause("N16")
async def test_a_node_that_was_only_cut_off_says_that_its_connections_are_there() -> None:
    town = Town("n1", "n2")
    async with town as (one, two):
        (conn,) = await joined(two, 1)
        await until(lambda: names(one) == {conn})
        two.cut()
        one.bus.silent[0]("n2")
        await until(lambda: names(one) == set())
        two.heal()
        two.cluster.sweep()
        await until(lambda: names(one) == {conn})
        assert [event for event, _ in told(town)] == ["join", "leave", "update"]


@pytest.mark.clause("N16")
async def test_a_node_that_is_back_before_all_was_told_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    town = Town("n1", "n2")
    async with town as (one, two):
        await joined(two, 3)
        await until(lambda: len(names(one)) == 3)
        one.bus.silent[0]("n2")
        await asyncio.sleep(0.01)
        assert leaves(town) == []


@pytest.mark.clause("N16", "C22")
async def test_a_node_that_was_killed_and_is_back_says_that_its_former_connections_left() -> None:
    town = Town("n1", "n2")
    async with town as (one, two):
        conns = await joined(two, 2)
        await until(lambda: names(one) == set(conns))
        again = await town.restart("n2")
        again.cluster.sweep()
        await until(lambda: names(one) == set())
        assert leaves(town) == [("n2", 1006)] * 2


@pytest.mark.clause("N4", "C22")
async def test_after_a_loss_of_the_channel_every_node_tells_its_own_connections_again() -> None:
    town = Town("n1", "n2")
    async with town as (one, two):
        (mine,), (other,) = await joined(one, 1), await joined(two, 1)
        await until(lambda: names(one) == {other} and names(two) == {mine})
        town.store.lose("connections")
        for node in (one, two):
            node.remote.fill("connections")
            node.cluster.sweep()
        await until(lambda: names(one) == {other} and names(two) == {mine})
        assert [event for event, _ in told(town)] == ["update", "update"]


@pytest.mark.clause("N16")
async def test_of_a_node_that_no_bus_knows_the_first_by_name_tells_that_it_is_gone() -> None:
    town = Town("n1", "n2")
    async with town as (one, two):
        former = b'{"user":"ann","role":"viewer","node":"n9","since":1.0}'
        await one.broker.publish(Publication("connections", "join", former, key="c-former"))
        await until(lambda: names(one) == names(two) == {"c-former"})
        for seconds in (0.0, 29.0):
            for node in (one, two):
                node.now += seconds
                node.cluster.sweep()
        assert leaves(town) == []
        for node in (two, one):
            node.now += 1.0
            node.cluster.sweep()
        await until(lambda: names(one) == names(two) == set())
        assert leaves(town) == [("n9", 1006)]


@pytest.mark.clause("S6", "N16")
async def test_what_a_gone_node_told_of_itself_leaves_the_snapshots() -> None:
    town = Town("n1", "n2")
    async with town as (one, _):
        one.cluster.departed.series = [("status", "plane"), ("metrics", "hub")]
        await town.kill("n2")
        await until(lambda: len(town.store.log("metrics").entries) == 1)
        assert [town.store.events(name) for name in ("status", "metrics")] == [[("gone", b"null")]] * 2


@pytest.mark.clause("S6", "N16")
async def test_what_a_gone_node_told_of_itself_is_taken_back_when_the_store_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departed, "RETRY", 0.001)
    town = Town("n1", "n2")
    async with town as (one, _):
        one.remote._patience = 0.001
        one.cluster.departed.series = [("status", "plane")]
        one.remote.is_cut = True
        await town.kill("n2")
        await until(lambda: one.errors().get(("hub", "series"), 0) >= 2)
        one.remote.heal()
        await until(lambda: town.store.events("status") == [("gone", b"null")])


@pytest.mark.clause("S6", "N16")
async def test_of_a_node_that_is_back_before_it_could_be_told_nothing_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(departed, "RETRY", 0.001)
    town = Town("n1", "n2")
    async with town as (one, _):
        one.remote._patience = 0.001
        one.cluster.departed.series = [("status", "plane")]
        one.remote.is_cut = True
        await town.kill("n2")
        await until(lambda: ("hub", "series") in one.errors())
        town.wire.bus("n2")
        one.remote.heal()
        await until(lambda: not one.cluster.departed._errands)
        assert town.store.events("status") == []


@pytest.mark.clause("N16", "C22")
async def test_a_name_that_two_processes_bear_makes_neither_tell_the_clients_of_the_other_as_left() -> None:
    town = Town("n1", "n2")
    async with town as (one, two):
        await joined(two, 1)
        await until(lambda: len(names(one)) == 1)
        again = Joined(town, "n2", None)
        again.bus.is_contested = True
        async with again:
            again.cluster.sweep()
            await asyncio.sleep(0.01)
            assert leaves(town) == []
            again.bus.is_contested = False
            again.cluster.sweep()
            await until(lambda: len(leaves(town)) == 1)
