"""A node that goes on alone while its store is away: by choice, in epochs of its own, and it says so (N11, P6)."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from channels.backplane.fallback import LocalWhenAway
from channels.backplane.memory import MemoryBackplane
from channels.errors import LogUnavailable, Overloaded
from channels.publication import Position, Publication, Stored
from tests.channels.test_broker import Running
from tests.support.plane import FakePlane
from tests.support.store import RemoteBackplane, Store


class Node(Running):
    def __init__(self, store: Store | None = None, most: int = 100) -> None:
        self.remote = RemoteBackplane(store or Store(), patience=0.01)
        self.backplane = LocalWhenAway(self.remote, MemoryBackplane(), most=most)
        super().__init__(FakePlane(), backplane=self.backplane)

    async def publish(self, data: bytes) -> str:
        return (await self.broker.publish(Publication("logs", "e", data))).position


def go_alone(*nodes: Node) -> None:
    for node in nodes:
        node.remote.store.is_away = True
        node.sweep(1.0)
        node.sweep(6.0)
        assert node.backplane.is_alone


async def come_back(*nodes: Node) -> None:
    for node in nodes:
        node.remote.store.is_away = False
    for node in nodes:
        node.sweep(1.0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(node.backplane.is_alone or node.backplane.apart for node in nodes)


def position_of(text: str) -> Position:
    epoch, offset = text.split(":")
    return Position(epoch, int(offset))


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
    assert (node.backplane.is_alone, node.backplane.apart) == (False, 0)
    again = await node.publish(b"4")
    assert again.split(":")[0] not in (shared.split(":")[0], own.split(":")[0])
    told = [message async for message in _told(node, conn, 5)]
    assert [(one["type"], one.get("data"), one.get("reason")) for one in told] == [
        ("event", 1, None),
        ("gap", None, "epoch"),
        ("event", 3, None),
        ("gap", None, "epoch"),
        ("event", 4, None),
    ]


async def _told(node: Node, conn: int, count: int) -> AsyncIterator[dict[str, object]]:
    for message in await node.peers.received(conn, count):
        yield message


@pytest.mark.clause("N8")
async def test_while_the_logs_are_the_nodes_own_the_store_may_not_fill_them(node: Node) -> None:
    go_alone(node)
    await node.publish(b"1")
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
    go_alone(node)
    await node.publish(b"2")
    assert node.broker.statistics()["stored"] == 1
    assert (node.backplane.max_signals, node.backplane.figures) == (256, node.remote.figures)


@pytest.mark.clause("P1", "I1")
async def test_a_channel_that_took_nothing_alone_is_what_it_was_and_nobody_hears_of_a_gap(node: Node) -> None:
    conn = node.peers.connect()
    await node.subscribed(conn, "logs")
    before = await node.publish(b"1")
    go_alone(node)
    await come_back(node)
    after = await node.publish(b"2")
    assert after == before.split(":")[0] + ":2"
    told = [message async for message in _told(node, conn, 2)]
    assert [(one["type"], one.get("data")) for one in told] == [("event", 1), ("event", 2)]


@pytest.mark.clause("P1", "P10", "I6")
async def test_the_epoch_that_entries_were_taken_beside_is_over_for_every_node_and_for_whoever_left_before() -> None:
    store = Store()
    nodes = Node(store), Node(store)
    for one in nodes:
        await one.broker.start()
    first, second = nodes
    shared = await first.publish(b"1")
    go_alone(*nodes)
    own = [await first.publish(b"2"), await second.publish(b"3")]
    await come_back(*nodes)
    assert first.remote.figures.rotations["logs", "apart"] + second.remote.figures.rotations["logs", "apart"] == 1
    again = await second.publish(b"4")
    assert len({one.split(":")[0] for one in (shared, *own, again)}) == 4
    for one in nodes:
        assert one.broker.replicas.replica("logs").position == position_of(again)
        await one.broker.stop()
        one.peers.close()


@pytest.mark.clause("I6")
async def test_entries_taken_alone_after_another_node_was_back_end_what_that_node_has_begun() -> None:
    store = Store()
    nodes = Node(store), Node(store)
    for one in nodes:
        await one.broker.start()
    first, second = nodes
    go_alone(*nodes)
    await first.publish(b"1")
    await come_back(first)
    second.remote.is_cut = True
    begun = await first.publish(b"2")
    await second.publish(b"3")
    second.remote.is_cut = False
    await come_back(second)
    assert (await first.publish(b"4")).split(":")[0] != begun.split(":")[0]
    for one in nodes:
        await one.broker.stop()
        one.peers.close()


@pytest.mark.clause("N4", "P11")
async def test_alone_a_place_beyond_what_the_node_holds_is_refused_on_a_bare_word_and_begins_an_epoch_if_it_was_told(
    node: Node,
) -> None:
    shared = position_of(await node.publish(b"1"))
    go_alone(node)
    answers: list[object] = []
    follow = node.backplane.follow
    assert follow("logs", shared, answers.append) is True
    assert follow("logs", None, answers.append) is True
    beyond = Position(shared.epoch, 7)
    assert follow("logs", beyond, answers.append) is False
    assert [type(one) for one in answers] == [LogUnavailable]
    assert node.broker.replicas.replica("logs").position == shared
    assert follow("logs", beyond, answers.append, is_proof=True) is True
    assert node.broker.replicas.replica("logs").position.epoch != shared.epoch
    await come_back(node)
    assert (await node.publish(b"2")).split(":")[0] != shared.epoch


async def test_at_most_so_many_channels_take_entries_while_the_store_is_away() -> None:
    node = Node(most=1)
    await node.broker.start()
    go_alone(node)
    await node.publish(b"1")
    with pytest.raises(Overloaded, match="at most 1 channels"):
        await node.broker.publish(Publication("status", "e", b"2"))
    await node.publish(b"3")
    await come_back(node)
    await node.broker.publish(Publication("status", "e", b"4"))
    await node.broker.stop()
    node.peers.close()
