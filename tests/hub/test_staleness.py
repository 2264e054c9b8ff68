"""While a log cannot be reached, everybody who follows it hears that once, and hears when it is back (E4)."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.permissions import Role
from channels.publication import Publication
from hub.auth import Identity
from hub.session import Session, freshness
from tests.hub.test_durable_node import durable, full_disk, publish
from tests.support.node import Node, Peer
from tests.support.store import RemoteBackplane, Store

ADMIN = Identity("root", Role.ADMIN)


@pytest.fixture
def backplane() -> RemoteBackplane:
    return RemoteBackplane(Store())


@pytest.fixture
async def node(backplane: RemoteBackplane) -> AsyncIterator[Node]:
    async with Node(backplane=backplane) as running:
        yield running


async def following(node: Node, *channels: str, **members: object) -> Peer:
    peer = node.peer(ADMIN)
    peer.send({"type": "subscribe", "channels": list(channels), **members})
    await peer.next("subscribed")
    return peer


async def heard(peer: Peer) -> None:
    peer.send({"type": "ping"})
    await peer.next("pong")


def errors(peer: Peer) -> list[str]:
    return sorted(message["channel"] for message in peer.seen if message["type"] == "error")


@pytest.mark.clause("E4", "N11")
async def test_each_subscriber_gets_one_error_for_each_channel_and_one_ack_when_the_store_is_back(
    node: Node, backplane: RemoteBackplane
) -> None:
    peer, other = await following(node, "logs", "actions"), node.peer(ADMIN)
    await other.next("welcome")
    node.broker.publish_nowait(Publication("logs", "e", b"1"), lambda _: None)
    event = await peer.next("event")
    backplane.store.is_away = True
    for _ in range(3):
        node.connections.staleness.check()
    error = await peer.next("error")
    assert {name: error[name] for name in ("code", "error", "temporary")} == {
        "code": 503,
        "error": "log_unavailable",
        "temporary": True,
    }
    assert "re" not in error
    await heard(peer)
    await heard(other)
    assert (errors(peer), errors(other)) == (["actions", "logs"], [])
    backplane.store.is_away = False
    node.connections.staleness.check()
    ack = await peer.next("ack")
    logs, actions = backplane.store.log("logs"), backplane.store.log("actions")
    assert ack["positions"] == {"logs": f"{logs.epoch}:{event['offset']}", "actions": f"{actions.epoch}:0"}
    await heard(peer)
    assert [message["type"] for message in peer.seen].count("ack") == 1


@pytest.mark.clause("E4")
async def test_a_second_outage_is_told_again(node: Node, backplane: RemoteBackplane) -> None:
    peer = await following(node, "logs")
    for _ in range(2):
        backplane.store.is_away = True
        node.connections.staleness.check()
        assert (await peer.next("error"))["channel"] == "logs"
        backplane.store.is_away = False
        node.connections.staleness.check()
        await peer.next("ack")
    assert len(errors(peer)) == 2


@pytest.mark.clause("E4", "N11", "P3")
async def test_who_subscribes_from_the_nodes_log_meanwhile_is_told_too(node: Node, backplane: RemoteBackplane) -> None:
    backplane.store.is_away = True
    node.connections.staleness.check()
    start = {"positions": {"logs": f"{backplane.store.log('logs').epoch}:0"}}
    peer = await following(node, "logs", **{"from": start})
    assert (await peer.next("error"))["channel"] == "logs"
    peer.send({"type": "unsubscribe", "channel": "logs"})
    await peer.next("unsubscribed")
    peer.send({"type": "subscribe", "channels": ["logs"], "from": start})
    await peer.next("subscribed")
    assert (await peer.next("error"))["channel"] == "logs"


@pytest.mark.clause("E4")
async def test_a_durable_log_that_cannot_be_written_is_stale_and_no_other(tmp_path: Path) -> None:
    async with durable(tmp_path, "actions") as node:
        peer = await following(node, "actions", "logs")
        with full_disk():
            peer.send(publish(1))
            await peer.next("error")
            node.connections.staleness.check()
            assert (await peer.next("error"))["channel"] == "actions"
        peer.send(publish(2))
        while (await peer.next("ack")).get("id") != 2:
            pass
        node.connections.staleness.check()
        while "id" in (ack := await peer.next("ack")):
            pass
        assert list(ack["positions"]) == ["actions"]
        assert errors(peer) == ["actions", "actions"]  # the refusal of the publish is one of them


@pytest.mark.clause("E4")
async def test_a_durable_log_that_can_be_written_again_says_so_though_nobody_publishes(tmp_path: Path) -> None:
    async with durable(tmp_path, "actions") as node:
        peer = await following(node, "actions")
        staleness, lost = node.connections.staleness, node.broker.durable.unwritable
        with full_disk():
            peer.send(publish(1))
            refused = await peer.next("error")
            node.broker.sweep(time.time(), time.monotonic())
            await heard(peer)
            assert lost
            staleness.check()
            stale = await peer.next("error")
            assert (stale["channel"], stale["message"]) == ("actions", refused["message"])
        while lost:
            node.broker.sweep(time.time(), time.monotonic())
            await heard(peer)
        staleness.check()
        assert list((await peer.next("ack"))["positions"]) == ["actions"]


@pytest.mark.clause("E4", "N18")
async def test_a_subscription_that_waits_is_told_when_it_is_done(node: Node, backplane: RemoteBackplane) -> None:
    peer = await following(node, "logs")
    backplane.is_slow = True
    start = {"positions": {"actions": f"{backplane.store.log('actions').epoch}:0"}}
    peer.send({"type": "subscribe", "id": 1, "channels": ["actions"], "from": start})
    await heard(peer)
    backplane.store.is_away = True
    node.connections.staleness.check()
    await heard(peer)
    assert errors(peer) == []
    backplane.store.is_away = False
    backplane.answer()
    await peer.next("subscribed")
    assert errors(peer) == []  # it was over by then
    backplane.store.is_away = True
    node.connections.staleness.check()
    for _ in range(2):
        await peer.next("error")
    assert errors(peer) == ["actions", "logs"]


@pytest.mark.clause("E4", "I1", "I4", "P12")
@pytest.mark.parametrize("window", [{"ack": 8}, {}, {"delivery": "latest"}], ids=["window", "all", "latest"])
async def test_after_a_gap_into_another_epoch_the_ack_names_that_one(
    node: Node, backplane: RemoteBackplane, window: dict[str, object]
) -> None:
    peer = await following(node, "logs", **window)
    for _ in range(2):
        node.broker.publish_nowait(Publication("logs", "e", b"1"), lambda _: None)
        former = await peer.next("event")
        peer.send({"type": "ack", "positions": {"logs": f"{backplane.store.log('logs').epoch}:{former['offset']}"}})
        await heard(peer)
    backplane.store.is_away = True
    node.connections.staleness.check()
    await peer.next("error")
    backplane.store.is_away = False
    backplane.store.lose("logs")
    backplane.heal()
    node.broker.publish_nowait(Publication("logs", "e", b"2"), lambda _: None)
    gap = await peer.next("gap")
    event = await peer.next("event")
    node.connections.staleness.check()
    epoch = backplane.store.log("logs").epoch
    assert (gap["to"], event["offset"]) == (f"{epoch}:0", 1)
    assert (await peer.next("ack"))["positions"] == {"logs": f"{epoch}:1"}


@pytest.mark.clause("E4", "I1", "I4", "P12")
async def test_an_epoch_that_ends_while_the_ack_is_on_its_way_is_named_by_nothing_behind_the_gap(
    node: Node, backplane: RemoteBackplane
) -> None:
    peer = await following(node, "logs")
    node.broker.publish_nowait(Publication("logs", "e", b"1"), lambda _: None)
    await peer.next("event")
    backplane.store.is_away = True
    node.connections.staleness.check()
    await peer.next("error")
    backplane.store.is_away = False
    node.connections.staleness.check()
    await asyncio.sleep(0)  # the connections are told now; what the plane is asked, it answers at once
    await asyncio.sleep(0)
    node.plane.flush()
    time.sleep(0.05)  # noqa: ASYNC251 - the plane goes on, and the loop does not hear of it
    backplane.store.lose("logs")
    backplane.heal()
    node.plane.flush()
    time.sleep(0.05)  # noqa: ASYNC251 - the same
    await peer.next("gap")
    await heard(peer)
    kinds = [message["type"] for message in peer.seen]
    former = [place for place, kind in enumerate(kinds) if kind == "ack"]
    assert all(place < kinds.index("gap") for place in former), peer.seen


@pytest.mark.clause("E4", "N18")
async def test_who_waits_for_a_subscription_when_the_store_is_back_is_told_behind_it(
    node: Node, backplane: RemoteBackplane
) -> None:
    peer = await following(node, "logs")
    backplane.store.is_away = True
    node.connections.staleness.check()
    await peer.next("error")
    backplane.is_slow = True
    start = {"positions": {"actions": f"{backplane.store.log('actions').epoch}:0"}}
    peer.send({"type": "subscribe", "channels": ["actions"], "from": start})
    await heard(peer)
    backplane.store.is_away = False
    node.connections.staleness.check()
    await heard(peer)
    assert "ack" not in [message["type"] for message in peer.seen]
    backplane.answer()
    await peer.next("subscribed")
    assert list((await peer.next("ack"))["positions"]) == ["logs"]


@pytest.mark.clause("E4")
async def test_a_mistake_over_one_connection_keeps_nobody_else_from_hearing_it(
    node: Node, backplane: RemoteBackplane, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await following(node, "logs"), await following(node, "logs")
    update = freshness.update

    def fail_once(session: Session, outage: freshness.Outage) -> None:
        if session is first.connection.session:
            raise RuntimeError("a mistake of a test")
        update(session, outage)

    monkeypatch.setattr("hub.session.session.freshness.update", fail_once)
    backplane.store.is_away = True
    node.connections.staleness.check()
    assert (await second.next("error"))["channel"] == "logs"
    assert await first.closed() == (4250, "internal")
