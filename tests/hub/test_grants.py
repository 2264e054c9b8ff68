"""Publishes that I/O threads take by themselves: whose, from when on, and until when."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from websockets.frames import Frame, Opcode

from channels.buckets import DEFAULT_RATES, Rate, SubjectBuckets
from channels.permissions import Role
from hub.auth import Identity
from hub.connection import NOTHING
from tests.support.burst import Burst, documents
from tests.support.node import MAX_GRANTS, PATIENCE, Node

VIEWER = Identity("vic", Role.VIEWER)
TABLES: dict[str, Any] = {
    "room:*": {"subscribe": ["viewer"], "broadcast": ["admin", "viewer"]},
    "signals": {"broadcast": ["viewer"]},
    "paced": {"broadcast": ["viewer"], "publish_rate": "3/0.01"},
}
PLENTY = {name: Rate(10_000, 10_000) for name in DEFAULT_RATES}


def publish(number: int, channel: str = "room:1", **members: Any) -> dict[str, Any]:
    return {"type": "publish", "channel": channel, "event": "e", "data": number, "id": number, **members}


def taken(node: Node) -> int:
    """Publishes that Python has not heard of."""
    return node.plane.direct_counts()[0]


def answered(answers: list[bytes]) -> list[tuple[str, Any]]:
    return [(one["type"], one.get("id")) for one in documents(answers)]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node(TABLES, direct=True, rates=PLENTY) as running:
        yield running


@pytest.mark.clause("M30", "C14", "P1")
async def test_who_has_published_to_a_channel_once_is_not_asked_about_again(node: Node) -> None:
    async with Burst(node, VIEWER) as peer:
        first = await peer.ask(publish(1), publish(2))
        assert taken(node) == 0
        second = await peer.ask(publish(3), publish(4), {"type": "ping", "id": 5}, publish(6))
        assert taken(node) == 2, "what comes after the ping waits for Python, as the ping does"
        third = await peer.ask(*map(publish, range(7, 20)))
    assert taken(node) == 15
    expected = [("ack", 3), ("ack", 4), ("pong", 5), ("ack", 6)]
    assert (answered(first), answered(second)) == ([("ack", 1), ("ack", 2)], expected)
    assert answered(third) == [("ack", number) for number in range(7, 20)]
    entries = [one["data"] for one in documents(node.broker.history("room:1"))]
    assert entries == [1, 2, 3, 4, *range(6, 20)]
    node.connections.grants.count()
    received, sent = (node.counters.values[name] for name in ("messages_received", "messages_sent"))
    assert (received["publish",], sent["ack",]) == (18, 18)


@pytest.mark.clause("C17", "E5")
async def test_a_right_that_is_taken_away_is_gone_at_once(node: Node) -> None:
    async with Burst(node, VIEWER) as peer:
        await peer.ask(publish(1))
        await peer.ask(publish(2))
        assert taken(node) == 1
        node.connections.change_role(peer.connection.session.conn, Role.ANONYMOUS)
        assert peer.connection.granted is NOTHING
        refused = documents(await peer.ask(publish(3)))
        assert [one["error"] for one in refused if one["type"] == "error"] == ["forbidden"]
        node.connections.change_role(peer.connection.session.conn, Role.VIEWER)
        await peer.ask(publish(4))
        await peer.ask(publish(5))
    assert taken(node) == 2
    assert [one["data"] for one in documents(node.broker.history("room:1"))] == [1, 2, 4, 5]


async def test_who_is_thrown_out_publishes_nothing_more(node: Node) -> None:
    async with Burst(node, VIEWER) as peer:
        await peer.ask(publish(1))
        node.connections.kick(peer.connection.session.conn)
        await peer.ask(publish(2))
        assert peer.closed == 4010
    assert [one["data"] for one in documents(node.broker.history("room:1"))] == [1]


@pytest.mark.clause("C21", "C14")
async def test_what_somebody_has_to_hear_of_is_never_granted(tmp_path: Any) -> None:
    """Of administrators `actions` tells; signals on their way come first; a durable log answers later."""
    tables = TABLES | {"kept": {"broadcast": ["viewer"], "retention": {"durable": True}}}
    async with Node(tables, direct=True, rates=PLENTY, plane={"data_dir": str(tmp_path)}) as node:
        async with Burst(node, Identity("root", Role.ADMIN)) as peer:
            for number in range(3):
                await peer.ask(publish(number))
        async with Burst(node, VIEWER) as peer:
            for channel in ("signals", "kept"):
                for number in range(3):
                    answers = await peer.ask(publish(number, channel)) or await peer.answers(1)
                    assert answered(answers) == [("ack", number)]
        assert taken(node) == 0


@pytest.mark.clause("M15")
async def test_messages_that_can_be_read_come_between_those_that_cannot(node: Node) -> None:
    async with Burst(node, VIEWER) as peer:
        await peer.ask(publish(0))
        for number in range(1, 12):
            for said in (b"{", publish(number)):
                await peer.say(said)
                await peer.answers(1)
        assert peer.closed is None
        await peer.say(publish(12))
        await peer.answers(1)
    assert taken(node) > 0


@pytest.mark.clause("L22", "L24")
async def test_a_subject_pays_for_all_its_connections_whoever_takes_the_publish() -> None:
    rates = {**DEFAULT_RATES, "publish": Rate(10, 0.05)}
    subjects = SubjectBuckets({"publish": Rate(12, 0.05)})
    async with Node(TABLES, direct=True, rates=rates, subjects=subjects) as node:
        async with Burst(node, VIEWER) as one, Burst(node, VIEWER) as other:
            answers = [answered(await peer.ask(publish(n))) for n in range(8) for peer in (one, other)]
        assert taken(node) > 6
    kinds = [kind for ((kind, _),) in answers]
    assert kinds == ["ack"] * 12 + ["error"] * 4


@pytest.mark.clause("L22")
async def test_a_channel_with_a_bucket_of_its_own_is_paid_from_that(node: Node) -> None:
    async with Burst(node, VIEWER) as peer:
        answers = [answered(await peer.ask(publish(number, "paced")))[0][0] for number in range(5)]
    assert (answers, taken(node)) == (["ack", "ack", "ack", "error", "error"], 2)


@pytest.mark.clause("L24")
async def test_a_bucket_that_is_lent_is_not_forgotten(node: Node) -> None:
    subjects = node.connections.surroundings.subjects
    async with Burst(node, VIEWER) as peer:
        await peer.ask(publish(1))
        lent = subjects.find("vic", "publish")
        assert lent is not None
        assert lent.shared.is_lent
        subjects.sweep(time.monotonic() + 1_000)
        assert subjects.find("vic", "publish") is lent


@pytest.mark.clause("L24")
async def test_a_bucket_that_is_lent_makes_no_room_for_others() -> None:
    subjects = SubjectBuckets({"publish": Rate(10, 0.05)}, most=3)
    async with Node(TABLES, direct=True, rates=PLENTY, subjects=subjects) as node, Burst(node, VIEWER) as peer:
        await peer.ask(publish(1))
        lent, now = subjects.find("vic", "publish"), time.monotonic()
        for number in range(10):
            other = subjects.bucket(f"other{number}", "publish", now)
            assert other is not None
            other.take(1, now)
        assert (subjects.find("vic", "publish"), len(subjects)) == (lent, 3)


@pytest.mark.clause("C23")
async def test_a_room_that_was_closed_is_granted_anew(node: Node) -> None:
    async with Burst(node, VIEWER) as peer:
        for _ in range(2):
            await peer.ask(publish(1))
            before = taken(node)
            await peer.ask(publish(2))
            assert taken(node) == before + 1
            assert node.broker.status("room:1") is not None
            node.broker.sweep(time.time() + 1e6, time.monotonic())
            assert node.broker.status("room:1") is None


async def test_grants_of_a_connection_are_bounded(node: Node) -> None:
    async with Burst(node, VIEWER) as peer:
        for number in range(MAX_GRANTS + 10):
            await peer.ask(publish(number, f"room:{number}"))
        assert len(peer.connection.granted) == MAX_GRANTS
        await peer.ask(*(publish(number, f"room:{number}") for number in range(MAX_GRANTS)))
        assert taken(node) == MAX_GRANTS
        last = await peer.ask(publish(1, f"room:{MAX_GRANTS + 9}"))
        assert (answered(last), taken(node)) == ([("ack", 1)], MAX_GRANTS)
        node.broker.sweep(time.time() + 1e6, time.monotonic())
        for _ in range(2):
            await peer.ask(publish(1, "room:new"))
        assert taken(node) == MAX_GRANTS + 1, "rooms that are gone make room"
    assert node.connections.grants.refused == 11


@pytest.mark.clause("M50")
async def test_who_is_asked_to_go_publishes_until_it_goes(node: Node) -> None:
    async with Burst(node, VIEWER) as peer:
        await peer.ask(publish(1))
        await peer.ask(publish(2))
        leaving = asyncio.ensure_future(node.connections.leave("draining", (5.0, 9.0), 0.5))
        assert [one["type"] for one in documents(await peer.answers(1))] == ["goaway"]
        assert peer.connection.granted is NOTHING
        assert [kind for kind, _ in answered(await peer.ask(publish(3)))] == ["ack"]
        await leaving
        assert await peer.answers(1) == []
        assert peer.closed == 4301


async def test_nothing_is_granted_where_that_is_switched_off() -> None:
    async with Node(TABLES, rates=PLENTY) as node, Burst(node, VIEWER) as peer:
        for number in range(3):
            await peer.ask(publish(number))
        assert taken(node) == 0


@pytest.mark.clause("C14")
async def test_who_follows_on_another_thread_has_it_while_python_sleeps() -> None:
    """Two I/O threads, whose connections take turns; the loop is blocked, so that only they can wake each other."""
    async with (
        Node(TABLES, direct=True, rates=PLENTY, plane={"io_threads": 2}) as node,
        Burst(node, VIEWER) as publisher,
        Burst(node, VIEWER) as reader,
        Burst(node, VIEWER) as same,
    ):
        for follower in (reader, same):
            await follower.ask({"type": "subscribe", "channels": ["room:1"], "id": 1})
        await publisher.ask(publish(0))
        for follower in (reader, same):
            await follower.answers(1)
            follower.sock.settimeout(PATIENCE)
        publisher.sock.settimeout(PATIENCE)
        for number in range(1, 5):
            publisher.sock.sendall(Frame(Opcode.TEXT, orjson.dumps(publish(number))).serialize(mask=True))
            for follower in (reader, same):
                assert b'"data":%d' % number in follower.sock.recv(1 << 16)
        assert taken(node) == 4
        for one in (publisher, reader, same):
            one.sock.setblocking(False)
