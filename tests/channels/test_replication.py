"""The broker over a store that is elsewhere: its logs hold what the store holds, place by place."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels import _native
from channels.backplane import Followed
from channels.errors import LogUnavailable, UnknownChannel
from channels.publication import Position, Publication, Stored
from channels.subscription import SubscribeSpec
from tests.channels.test_broker import PLANES, Running
from tests.support.peers import PeerPlane
from tests.support.store import RemoteBackplane, Store

WALL = 1_767_225_600.0


@pytest.fixture(params=list(PLANES))
def plane(request: pytest.FixtureRequest) -> PeerPlane:
    return PLANES[request.param]()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def backplane(store: Store) -> RemoteBackplane:
    return RemoteBackplane(store)


@pytest.fixture
async def running(plane: PeerPlane, backplane: RemoteBackplane) -> AsyncIterator[Running]:
    plane.start()
    running = Running(plane, backplane=backplane)
    await running.broker.start()
    yield running
    await running.broker.stop()
    running.peers.close()


def entries(*data: int, key: str | None = None) -> bytes:
    given = [("e", b"%d" % number, key, None, None, None) for number in data]
    return b"".join(_native.encode_entries(given, WALL))


class Reader:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def applied(self, first: int, entries: bytes) -> None:
        self.heard += [(offset, entry[1]) for offset, entry in enumerate(_native.decode_entries(entries), first)]

    def begun(self) -> None:
        self.heard.append("begun")


@pytest.mark.clause("N2", "N3", "M30")
async def test_a_publish_gets_its_place_from_the_store_and_comes_back_as_everybodys(
    running: Running, store: Store
) -> None:
    conn = running.peers.connect()
    await running.subscribed(conn, "actions")
    store.append("actions", [entries(1)])
    stored = await running.broker.publish(Publication("actions", "deploy", b"2", subject="ann", mid="m"))
    again = await running.broker.publish(Publication("actions", "deploy", b"2", subject="ann", mid="m"))
    epoch = store.log("actions").epoch
    assert (stored, again) == (Stored(f"{epoch}:2"), Stored(f"{epoch}:2", duplicate=True))
    told = await running.peers.received(conn, 2)
    assert [(event["offset"], event["event"], event["data"]) for event in told] == [(1, "e", 1), (2, "deploy", 2)]


@pytest.mark.clause("N7")
async def test_entries_that_have_their_places_are_taken_in_order_only(running: Running, store: Store) -> None:
    replicas = running.broker.replicas
    replicas.begin("logs", Position("k3Fq", 0))
    assert replicas.apply("logs", "k3Fq", 1, entries(1, 2)) == Position("k3Fq", 2)
    for epoch, first in (("k3Fq", 2), ("k3Fq", 4), ("other", 3)):
        with pytest.raises(ValueError, match=r"."):
            replicas.apply("logs", epoch, first, entries(9))
    assert replicas.replica("logs").position == Position("k3Fq", 2)


@pytest.mark.clause("N8", "P12")
@pytest.mark.parametrize(("epoch", "reason"), [("k3Fq", "retention"), ("t0aZ", "epoch")])
async def test_a_log_that_begins_elsewhere_tells_its_subscribers_by_a_gap(
    running: Running, epoch: str, reason: str
) -> None:
    replicas = running.broker.replicas
    replicas.begin("logs", Position("k3Fq", 0))
    conn = running.peers.connect()
    await running.subscribed(conn, "logs")
    replicas.apply("logs", "k3Fq", 1, entries(1))
    await running.peers.received(conn, 1)
    replicas.begin("logs", Position(epoch, 7))
    (gap,) = await running.peers.received(conn, 1)
    assert (gap["from"], gap["to"], gap["reason"]) == ("k3Fq:1", f"{epoch}:7", reason)
    with pytest.raises(ValueError, match=r"."):
        replicas.begin("logs", Position(epoch, 3))


@pytest.mark.clause("N13", "S5")
async def test_the_newest_entry_of_each_key_is_restored(running: Running) -> None:
    replicas = running.broker.replicas
    replicas.begin("status", Position("k3Fq", 9))
    replicas.restore("status", [(4, entries(1, key="a")), (7, entries(2, key="b"))])
    conn = running.peers.connect()
    spec = SubscribeSpec("status", "latest", "gap", start="snapshot")
    running.broker.subscribe(conn, "ann", [spec], [b'{"type":"subscribed","channels":{"status":{', b"}}}"])
    await running.peers.received(conn, 1)
    snapshot = await running.peers.received(conn, 2)
    assert [(event["offset"], event["key"], event["data"]) for event in snapshot] == [(4, "a", 1), (7, "b", 2)]


async def test_a_log_tells_where_it_stands_and_what_its_channel_keeps(running: Running) -> None:
    replicas = running.broker.replicas
    room, fixed = replicas.replica("room:1"), replicas.replica("metrics")
    assert isinstance(room, Followed)
    assert (room.seconds, room.last_per_key, room.is_fixed, room.position.offset) == (10.0, False, False, 0)
    assert (fixed.seconds, fixed.last_per_key, fixed.is_fixed) == (60.0, True, True)
    assert {"room:1", "metrics"} <= {one.channel for one in replicas.replicas()}
    with pytest.raises(UnknownChannel):
        replicas.replica("nowhere")


async def test_an_observer_reads_one_channel_beside_its_subscribers(running: Running) -> None:
    reader, replicas = Reader(), running.broker.replicas
    replicas.observe("status", reader)
    replicas.begin("status", Position("k3Fq", 4))
    replicas.restore("status", [(1, entries(1, key="a")), (4, entries(4, key="b"))])
    replicas.apply("status", "k3Fq", 5, entries(2, 3))
    replicas.apply("logs", replicas.replica("logs").position.epoch, 1, entries(4))
    assert reader.heard == ["begun", (1, b"1"), (4, b"4"), (5, b"2"), (6, b"3")]


async def test_after_the_stop_nothing_is_taken(running: Running) -> None:
    await running.broker.stop()
    for call in (
        lambda: running.broker.replicas.replica("logs"),
        lambda: running.broker.replicas.apply("logs", "k3Fq", 1, entries(1)),
        lambda: running.broker.replicas.begin("logs", Position("k3Fq", 1)),
    ):
        with pytest.raises(LogUnavailable, match="the node is not running"):
            call()


@pytest.mark.clause("C25", "N2")
async def test_news_of_presence_get_their_places_from_the_store_too(running: Running, store: Store) -> None:
    conn = running.peers.connect()
    await follow(running, "room:1")
    running.subscribe(conn, "room:1")
    await turn()
    assert store.events("room:1/presence")[0][0] == "join"


# --- following --------------------------------------------------------------------------------------------------------


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def follow(running: Running, *channels: str, **options: Any) -> dict[str | None, str]:
    """What stands against following `channels`, by channel, once it is known."""
    specs = [SubscribeSpec(channel, "all", "gap", **options) for channel in channels]
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    now = running.broker.follow("ann", specs, answer.set_result)
    errors = await answer if now is None else now
    return {channel: error.error for channel, error in errors.items()}


@pytest.mark.clause("N18")
async def test_a_room_is_filled_before_it_is_followed(running: Running, store: Store) -> None:
    store.append("room:1", [entries(1), entries(2)])
    assert await follow(running, "room:1") == {}
    assert running.broker.replicas.replica("room:1").position == store.log("room:1").head


@pytest.mark.clause("N12", "P11")
async def test_a_position_beyond_the_head_lets_the_node_ask_the_store(
    running: Running, store: Store, backplane: RemoteBackplane
) -> None:
    backplane.is_cut = True
    store.append("logs", [entries(1), entries(2)])
    backplane.is_cut = False
    epoch = store.log("logs").epoch
    assert await follow(running, "logs", start=("at", epoch, 2)) == {}
    assert running.broker.replicas.replica("logs").position == Position(epoch, 2)
    assert await follow(running, "logs", start=("at", epoch, 5)) == {}
    assert running.broker.replicas.replica("logs").position == Position(epoch, 2)


@pytest.mark.clause("N4")
async def test_a_proof_is_asked_for_apart_from_a_clients_word(running: Running, backplane: RemoteBackplane) -> None:
    epoch = backplane.store.log("logs").epoch
    await follow(running, "logs", start=("at", epoch, 3), proof=Position(epoch, 2))
    assert backplane.asked[-2:] == [("logs", Position(epoch, 2), True), ("logs", Position(epoch, 3), False)]
    await follow(running, "logs", start=("at", epoch, 3), proof=Position(epoch, 3))
    assert backplane.asked[-1] == ("logs", Position(epoch, 3), True)


@pytest.mark.clause("N11")
async def test_while_the_store_is_away_every_channel_that_needs_it_is_named(running: Running, store: Store) -> None:
    store.is_away = True
    assert await follow(running, "room:1", "logs") == {"room:1": "log_unavailable", "logs": "log_unavailable"}


@pytest.mark.clause("N11", "P3")
async def test_while_the_store_is_away_a_replay_goes_on_from_the_nodes_log(running: Running, store: Store) -> None:
    store.append("logs", [entries(1)])
    store.is_away = True
    assert await follow(running, "logs", start=("at", store.log("logs").epoch, 0)) == {}


@pytest.mark.clause("N18", "C23")
async def test_a_room_is_followed_for_its_retention_after_the_last_subscription(
    running: Running, store: Store, backplane: RemoteBackplane
) -> None:
    conn = running.peers.connect()
    await follow(running, "room:1")
    running.subscribe(conn, "room:1", subject=None)
    running.sweep(100.0)
    running.broker.connection_closed(conn)
    for seconds, gone in ((9.0, False), (1.0, True)):
        running.sweep(seconds)
        store.append("room:1", [entries(1)])
        assert ("room:1" in backplane.unfollowed) is gone


@pytest.mark.clause("N18")
async def test_a_room_that_somebody_waits_for_is_not_closed(running: Running, backplane: RemoteBackplane) -> None:
    backplane.is_slow = True
    waiting = asyncio.ensure_future(follow(running, "room:1"))
    await turn()
    running.sweep(1_000.0)
    assert "room:1" not in backplane.unfollowed
    backplane.answer()
    assert await waiting == {}
    running.sweep(1_000.0)
    assert "room:1" in backplane.unfollowed
