"""A node whose channels are durable: what is answered when, and what the next run finds."""

import asyncio
import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from channels import directory
from channels.errors import LogUnavailable
from channels.permissions import Role
from channels.publication import Publication
from hub.auth import Identity
from tests.support.node import PATIENCE, Node

ANN = Identity("ann", Role.ADMIN)
KEPT = {"retention": {"durable": True}}
VECTOR = [0.12, 0.5, 0.33, 0.08, 0.91, 0.4, 0.27, 0.66]


def durable(data_dir: Path, *channels: str, **plane: Any) -> Node:
    return Node(dict.fromkeys(channels, KEPT), plane={"data_dir": data_dir, **plane})


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process grows any more."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def publish(ident: int, data: Any = 1, **members: Any) -> dict[str, Any]:
    return {"type": "publish", "id": ident, "channel": "actions", "event": "e", "data": data, **members}


def emit(ident: int, **members: Any) -> dict[str, Any]:
    return {"type": "emit", "id": ident, "event_type": "a.b", "vector": VECTOR, **members}


@pytest.mark.clause("M30", "M31", "C14")
async def test_acks_come_when_stored_and_mids_and_positions_hold_in_the_next_run(tmp_path: Path) -> None:
    async with durable(tmp_path, "actions") as node:
        peer = node.peer(ANN)
        peer.send(publish(1, mid="m1"), publish(2, mid="m1"), publish(3, 2))
        acks = [await peer.next("ack") for _ in range(3)]
        places = {ack["id"]: (ack["positions"]["actions"], ack.get("duplicate", False)) for ack in acks}
        epoch = places[1][0].split(":")[0]
        assert places == {1: (f"{epoch}:1", False), 2: (f"{epoch}:1", True), 3: (f"{epoch}:2", False)}
    async with durable(tmp_path, "actions") as node:
        peer = node.peer(ANN)
        start = {"last": 1}
        peer.send({"type": "subscribe", "id": 1, "channels": ["actions"], "from": start})
        assert (await peer.next("event"))["data"] == 2
        peer.send(publish(2, mid="m1"), publish(3, 3, mid="m1"), publish(4, 4))
        again, conflict, fresh = await peer.next("ack"), await peer.next("error"), await peer.next("ack")
        assert (again["positions"], again["duplicate"]) == ({"actions": f"{epoch}:1"}, True)
        assert (conflict["error"], fresh["positions"]) == ("mid_conflict", {"actions": f"{epoch}:3"})


@pytest.mark.clause("E3", "M31")
async def test_a_full_disk_is_503_and_the_next_publish_tries_again(tmp_path: Path) -> None:
    async with durable(tmp_path, "actions") as node:
        peer = node.peer(ANN)
        with full_disk():
            peer.send(publish(1, mid="m1"), publish(2, mid="m1"))
            errors = [await peer.next("error") for _ in range(2)]
            peer.send({"type": "ping", "id": 3})
            await peer.next("pong")
        assert [(error["code"], error["error"]) for error in errors] == [(503, "log_unavailable")] * 2
        peer.send(publish(4, mid="m1"))
        ack = await peer.next("ack")
        assert (ack["positions"]["actions"].split(":")[1], "duplicate" in ack) == ("1", False)
        assert node.errors()["hub", "log"] in (1, 2)  # by whether both were written together


@pytest.mark.clause("M35")
async def test_an_emit_with_mid_is_answered_when_its_entry_is_stored(tmp_path: Path) -> None:
    async with durable(tmp_path, "signals") as node:
        peer = node.peer(Identity("b7", Role.BOT))
        peer.send(emit(1, mid="m"), emit(2, mid="m"), emit(3))
        answered = {}
        for _ in range(3):
            message = await peer.next("emitted")
            answered[message["id"]] = message
        first, again = answered[1], answered[2]
        assert (first["position"].split(":")[1], "duplicate" in first) == ("1", False)
        assert (again["position"], again["duplicate"]) == (first["position"], True)
        assert "position" not in answered[3]
        assert node.signals.count_tokens() == 2


@pytest.mark.clause("M34", "M35", "E3")
async def test_signals_that_find_no_room_are_kept_and_stored_later(tmp_path: Path) -> None:
    """Until then nobody is told that they are; then a repeat is told where."""
    async with durable(tmp_path, "signals") as node:
        peer = node.peer(Identity("b7", Role.BOT))
        with full_disk():
            for ident in (1, 2, 3):
                peer.send(emit(ident, mid="m"))
                refused = await peer.next("error")
                assert (refused["id"], refused["error"]) == (ident, "outcome_unknown")
        reader = node.peer(ANN)
        reader.send({"type": "subscribe", "id": 1, "channels": ["signals"], "from": {"last": 10}})
        told = (await reader.next("subscribed"))["channels"]["signals"]["position"].split(":")[0]
        assert (await reader.next("event"))["offset"] == 1
        peer.send(emit(4, mid="m"), emit(5, mid="m"))
        for _ in range(2):
            again = await peer.next("emitted")
            assert (again["duplicate"], again["position"], again["token_id"]) == (True, f"{told}:1", 1)
        assert [message["type"] for message in peer.seen].count("emitted") == 2
        assert node.signals.count_tokens() == 1


@pytest.mark.clause("C23")
async def test_a_room_that_could_not_be_written_and_is_forgotten_makes_no_node_unhealthy(tmp_path: Path) -> None:
    tables = {"room:*": {"retention": {"durable": True, "seconds": 10}}}
    async with Node(tables, plane={"data_dir": tmp_path, "fsync": "never"}) as node:
        await node.broker.publish(Publication("room:A", "e", b"1"))
        with full_disk(), pytest.raises(LogUnavailable):
            await node.broker.publish(Publication("room:A", "e", b"1"))
        assert [text.partition(":")[2][:2] for text in node.broker.durable.unwritable.values()] == ["A:"]
        node.broker.sweep(node.wall + 11, node.now)
        assert node.broker.status("room:A") is None
        assert node.broker.durable.unwritable == {}


@pytest.mark.clause("C23", "L25")
async def test_rooms_are_there_from_the_start_and_forgotten_with_their_files(tmp_path: Path) -> None:
    def node() -> Node:
        return Node(
            {"room:*": {"retention": {"durable": True, "seconds": 10}}}, plane={"data_dir": tmp_path, "fsync": "never"}
        )

    async with node() as first:
        stored = await first.broker.publish(Publication("room:A", "e", b"1"))
    async with node() as second:
        status = second.broker.status("room:A")
        assert status is not None
        assert (status.position, status.entries) == (stored.position, 1)
        second.broker.sweep(second.wall + 11, second.now)
        assert second.broker.status("room:A") is None
        assert not list((tmp_path / "logs").iterdir())


@pytest.mark.clause("C23")
async def test_many_rooms_are_forgotten_in_parts_between_which_the_loop_has_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "SWEEP_SECONDS", 0.0)
    tables = {"room:*": {"subscribe": ["admin"], "retention": {"durable": True, "seconds": 10}}}
    async with Node(tables, plane={"data_dir": tmp_path, "fsync": "never"}) as node:
        for room in range(5):
            await node.broker.publish(Publication(f"room:{room}", "e", b"1"))
        node.broker.sweep(node.wall + 11, node.now)
        left = [node.broker.statistics()["idle_channels"]]
        async with asyncio.timeout(PATIENCE):
            while left[-1]:
                await asyncio.sleep(0)
                left.append(node.broker.statistics()["idle_channels"])
        assert list(dict.fromkeys(left)) == [4, 3, 2, 1, 0]
        assert not list((tmp_path / "logs").iterdir())


@pytest.mark.clause("M35")
async def test_many_emitters_are_answered_once_each(tmp_path: Path) -> None:
    async with durable(tmp_path, "signals", fsync="always") as node:
        peers = [node.peer(Identity(f"b{number}", Role.BOT)) for number in range(5)]
        for peer in peers:
            peer.send(*(emit(ident, mid=f"m{ident}") for ident in range(1, 11)))
        offsets = set()
        for peer in peers:
            for _ in range(10):
                offsets.add(int((await peer.next("emitted"))["position"].split(":")[1]))
        assert offsets == set(range(1, 51))


@pytest.mark.clause("C22", "S5")
async def test_connections_of_a_former_life_that_was_killed_have_left(tmp_path: Path) -> None:
    kept = {"connections": {"retention": {"durable": True, "last_per_key": True}}}
    data, copy = tmp_path / "data", tmp_path / "copy"
    async with Node(kept, plane={"data_dir": data}) as node:
        watcher = node.peer(ANN)
        watcher.send({"type": "subscribe", "channel": "connections"})
        former = (await watcher.next("event"))["key"]
        shutil.copytree(data, copy)  # what a kill leaves
    async with Node(kept, plane={"data_dir": copy}) as node:
        watcher = node.peer(ANN)
        watcher.send({"type": "subscribe", "channel": "connections", "from": {"last": 100}, "delivery": "all"})
        events = [await watcher.next("event") for _ in range(3)]
        told = [(event["event"], event["key"], event["data"].get("code")) for event in events]
        own = watcher.connection.session.conn
        assert set(told) == {("join", former, None), ("leave", former, 1006), ("join", own, None)}


@pytest.mark.clause("P1", "P10", "I1")
@pytest.mark.parametrize("fsync", ["interval", "always", "never"])
async def test_after_an_older_copy_was_put_back_no_place_is_given_twice(tmp_path: Path, fsync: str) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    for life in range(2):
        async with durable(data, "actions", fsync=fsync) as node:
            peer = node.peer(ANN)
            peer.send(publish(1, f"{life} a"), publish(2, f"{life} b"))
            positions = [(await peer.next("ack"))["positions"]["actions"] for _ in range(2)]
        if life == 0:
            shutil.copytree(data, copy)
    assert [position.partition(":")[2] for position in positions] == ["3", "4"]
    shutil.rmtree(data)
    shutil.copytree(copy, data)
    async with durable(data, "actions", fsync=fsync) as node:
        peer = node.peer(ANN)
        start = {"positions": {"actions": positions[-1]}}
        peer.send(publish(1, "later"), {"type": "subscribe", "channels": ["actions"], "from": start})
        gap = await peer.next("gap")
        assert (gap["reason"], gap["from"]) == ("epoch", positions[-1])
        assert [(await peer.next("event"))["data"] for _ in range(3)] == ["0 a", "0 b", "later"]
