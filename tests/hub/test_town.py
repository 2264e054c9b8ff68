"""Nodes that are joined are one hub to their clients: same places, same order, and a session that moves."""

import asyncio
from typing import Any

import pytest

from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity
from tests.support.node import Peer
from tests.support.town import Joined, Town, until

ADMIN = Identity("root", Role.ADMIN)
BOT = Identity("b7", Role.BOT)


async def following(node: Joined, *channels: str, **members: Any) -> Peer:
    peer = node.peer(ADMIN)
    peer.send({"type": "subscribe", "channels": list(channels), **members})
    await peer.next("subscribed")
    return peer


def publish(ident: int, **members: Any) -> dict[str, Any]:
    return {"type": "publish", "id": ident, "channel": "actions", "event": "e", "data": ident, **members}


async def events(peer: Peer, count: int) -> list[tuple[int, Any]]:
    return [(event["offset"], event["data"]) for event in [await peer.next("event") for _ in range(count)]]


@pytest.mark.clause("N2", "N3", "I1", "P1", "M30")
async def test_what_is_published_anywhere_has_one_place_and_reaches_everybody() -> None:
    async with Town("n1", "n2", "n3") as nodes:
        readers = [await following(node, "actions") for node in nodes]
        writers = [node.peer(ADMIN) for node in nodes]
        for ident in range(1, 11):
            writers[ident % 3].send(publish(ident))
        told = [await events(reader, 10) for reader in readers]
        assert told[0] == told[1] == told[2]
        assert [offset for offset, _ in told[0]] == list(range(1, 11))
        places = {}
        for ident in range(1, 11):
            ack = await writers[ident % 3].next("ack")
            places[ack["id"]] = int(ack["positions"]["actions"].split(":")[1])
        assert {data: offset for offset, data in told[0]} == places


@pytest.mark.clause("M31", "N3")
async def test_ms14_a_mid_counts_on_all_nodes() -> None:
    async with Town("n1", "n2") as nodes:
        first, second = (node.peer(ADMIN) for node in nodes)
        first.send(publish(1, mid="m", data=7))
        ack = await first.next("ack")
        second.send(publish(2, mid="m", data=7), publish(3, mid="m", data=8))
        again, conflict = await second.next("ack"), await second.next("error")
        assert (again["positions"], again["duplicate"]) == (ack["positions"], True)
        assert (conflict["id"], conflict["error"]) == (3, "mid_conflict")


@pytest.mark.clause("M34", "M46")
async def test_signals_of_all_nodes_are_one_channel() -> None:
    async with Town("n1", "n2") as nodes:
        reader = await following(nodes[0], "signals")
        for ident, node in enumerate(nodes, 1):
            bot = node.peer(BOT)
            bot.send({"type": "emit", "id": ident, "mid": "m", "event_type": "a.b", "vector": [0.5] * 8})
            assert (await bot.next("emitted"))["position"].endswith(f":{ident}")
        assert [offset for offset, _ in await events(reader, 2)] == [1, 2]


@pytest.mark.clause("R2", "R8", "N12", "I3", "I5")
async def test_a_session_goes_on_at_its_place_on_another_node_that_was_behind() -> None:
    async with Town("n1", "n2") as (one, two):
        writer, reader = one.peer(ADMIN), await following(one, "actions")
        writer.send(publish(1), publish(2))
        assert await events(reader, 2) == [(1, 1), (2, 2)]
        reader.send({"type": "get_reconnection_token"})
        token = (await reader.next("reconnection_token"))["token"]
        two.remote.is_cut = True
        writer.send(publish(3), publish(4))
        assert await events(reader, 2) == [(3, 3), (4, 4)]
        two.remote.is_cut = False  # and has missed what was published meanwhile
        again = two.peer(ANONYMOUS)
        position = f"{one.remote.store.log('actions').epoch}:3"
        again.send({"type": "connect", "id": 1, "resume": token, "positions": {"actions": position}})
        welcome = [await again.next("welcome") for _ in range(2)][1]
        assert welcome["subscriptions"]["actions"]["position"] == position
        assert await events(again, 1) == [(4, 4)]
        writer.send(publish(5))
        assert await events(again, 1) == [(5, 5)]
        assert not [message for message in again.seen if message["type"] == "gap"]


@pytest.mark.clause("N4", "N8", "P12")
async def test_when_the_store_has_lost_its_past_everybody_is_told() -> None:
    town = Town("n1", "n2")
    async with town as nodes:
        readers = [await following(node, "actions") for node in nodes]
        writer = nodes[0].peer(ADMIN)
        writer.send(publish(1))
        for reader in readers:
            await events(reader, 1)
        town.store.lose("actions")
        writer.send(publish(2))
        for reader in readers:
            gap = await reader.next("gap")
            assert (gap["reason"], gap["to"]) == ("epoch", f"{town.store.log('actions').epoch}:0")
            assert await events(reader, 1) == [(1, 2)]


@pytest.mark.clause("N11", "E4", "N7")
async def test_rc2_a_node_that_was_cut_off_refuses_what_it_is_given_and_catches_up() -> None:
    async with Town("n1", "n2") as (one, two):
        reader, writer, other = await following(two, "actions"), two.peer(ADMIN), one.peer(ADMIN)
        two.cut()
        two.connections.staleness.check()
        assert (await reader.next("error"))["channel"] == "actions"
        writer.send(publish(1))
        assert (await writer.next("error"))["error"] == "log_unavailable"
        other.send(publish(2))
        await other.next("ack")
        two.heal()
        assert await events(reader, 1) == [(1, 2)]
        writer.send(publish(3))
        await writer.next("ack")
        assert await events(reader, 1) == [(2, 3)]


@pytest.mark.clause("C22")
async def test_what_one_node_announces_every_node_tells() -> None:
    async with Town("n1", "n2") as (one, two):
        reader = await following(one, "connections")
        peer = two.peer(BOT)
        await peer.next("welcome")
        async with asyncio.timeout(5):
            while (event := await reader.next("event"))["key"] != peer.connection.session.conn:
                pass
        assert (event["event"], event["data"]["node"]) == ("join", "n2")
        await until(lambda: one.cluster.elsewhere.counts()["n2"] == 1)
