"""A node that goes on alone while its store is away: by choice, in epochs of its own, and it says so (N11, P6)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from channels.backplane.fallback import LocalWhenAway
from channels.backplane.memory import MemoryBackplane
from channels.errors import LogUnavailable
from channels.publication import Position, Publication, Stored
from tests.channels.test_broker import Running
from tests.support.plane import FakePlane
from tests.support.store import RemoteBackplane, Store


class Node(Running):
    def __init__(self) -> None:
        self.remote = RemoteBackplane(Store(), patience=0.01)
        self.backplane = LocalWhenAway(self.remote, MemoryBackplane())
        super().__init__(FakePlane(), backplane=self.backplane)

    async def publish(self, data: bytes) -> str:
        return (await self.broker.publish(Publication("logs", "e", data))).position


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = Node()
    await node.broker.start()
    yield node
    await node.broker.stop()
    node.peers.close()


@pytest.mark.clause("N11")
@pytest.mark.accept("P6")
async def test_alone_the_node_takes_what_comes_in_an_epoch_of_its_own_and_gives_way_to_the_store(node: Node) -> None:
    conn = node.peers.connect()
    await node.subscribed(conn, "logs")
    shared = await node.publish(b"1")
    node.remote.store.is_away = True
    for _ in range(5):
        node.sweep(1.0)
        assert (node.backplane.is_alone, node.backplane.failure) == (False, "the store is away")
    with pytest.raises(LogUnavailable):
        await node.publish(b"2")
    node.sweep(1.0)
    assert (node.backplane.is_alone, node.backplane.failure) == (True, None)
    own = await node.publish(b"3")
    assert (own.split(":")[0] != shared.split(":")[0], own.split(":")[1]) == (True, "1")
    node.remote.store.is_away = False
    node.remote.store.append("logs", node.remote.store.log("logs").entries[:1])
    node.sweep(1.0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert node.backplane.is_alone is False
    again = await node.publish(b"4")
    assert again == shared.split(":")[0] + ":3"
    told = [message async for message in _told(node, conn, 7)]
    assert [(one["type"], one.get("data"), one.get("reason")) for one in told] == [
        ("event", 1, None),
        ("gap", None, "epoch"),
        ("event", 3, None),
        ("gap", None, "epoch"),
        ("event", 1, None),
        ("event", 1, None),
        ("event", 4, None),
    ]


async def _told(node: Node, conn: int, count: int) -> AsyncIterator[dict[str, object]]:
    for message in await node.peers.received(conn, count):
        yield message


@pytest.mark.clause("N8")
async def test_while_the_logs_are_the_nodes_own_the_store_may_not_fill_them(node: Node) -> None:
    node.remote.store.is_away = True
    node.sweep(1.0)
    node.sweep(5.0)
    gate = node.remote.replicas
    for call in (
        lambda: gate.apply("logs", "k3Fq", 1, b""),
        lambda: gate.begin("logs", Position("k3Fq", 1)),
        lambda: gate.restore("logs", []),
        lambda: gate.rotate("logs"),
    ):
        with pytest.raises(LogUnavailable, match="has a history of this node"):
            call()
    assert [one.channel for one in gate.replicas()] == [one.channel for one in node.broker.replicas.replicas()]


@pytest.mark.clause("N11")
async def test_a_short_failure_changes_nothing(node: Node) -> None:
    before = await node.publish(b"1")
    for is_away in (True, False, True):
        node.remote.store.is_away = is_away
        node.sweep(4.0)
    assert node.backplane.is_alone is False
    node.remote.store.is_away = False
    assert await node.publish(b"2") == before.split(":")[0] + ":2"


async def test_what_both_have_counted_is_told_together(node: Node) -> None:
    assert isinstance(await node.broker.publish(Publication("logs", "e", b"1")), Stored)
    node.remote.store.is_away = True
    node.sweep(1.0)
    node.sweep(5.0)
    await node.publish(b"2")
    assert node.broker.statistics()["stored"] == 1
    assert (node.backplane.max_signals, node.backplane.figures) == (256, node.remote.figures)
