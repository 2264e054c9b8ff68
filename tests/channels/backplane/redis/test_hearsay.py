"""What is heard proves nothing: it follows what this node has, or the store is asked (N5, N7, N17)."""

from typing import Any

import pytest

from channels._native import encode_entries
from channels.backplane.redis.control import Control, write_control
from channels.backplane.redis.segment import Segment
from tests.support.redis import RedisServer
from tests.support.redis_nodes import Node, eventually, nodes

LIVE = "ng:{actions}:live"
FAR = 2**52


def written(segment: Segment, node: str = "z") -> bytes:
    """As the script tells it."""
    names = (segment.epoch, segment.batch, segment.before, node)
    texts = b"".join(len(text).to_bytes(1, "little") + text.encode() for text in names)
    place = segment.first.to_bytes(8, "little") + segment.length.to_bytes(2, "little")
    return b"\x02" + texts + place + len(segment.entries).to_bytes(4, "little") + segment.entries


def entries(*events: str) -> bytes:
    return b"".join(encode_entries([(event, b"{}", None, None, None, None) for event in events], 1.0))


async def three(*all_nodes: Node) -> str:
    """Three entries that every node has. -> their epoch"""
    for event in ("one", "two", "three"):
        await all_nodes[0].append(event)
    for node in all_nodes:
        await node.logs.has("actions", "one", "two", "three")
    return all_nodes[0].log().epoch


def unproven(node: Node) -> int:
    return node.backplane.figures.errors["unproven"]


# --- two pasts (N7) ---------------------------------------------------------------------------------------------------


@pytest.mark.clause("N4", "N7", "P1")
async def test_an_entry_of_a_former_master_is_found_when_the_next_segment_names_another_one_before_it(
    server: RedisServer,
) -> None:
    """Node b has an entry at 4 that the store never had, and misses the one that the store has there."""
    async with nodes(server, "a", "b") as (a, b):
        b.never_compare()
        epoch = await three(a, b)
        before = server.command("HGET", "ng:{actions}:meta", "batch").decode()
        lost = Segment(epoch, 4, 1, "x-1.0ldmast", entries("lost"), before)
        b.backplane.parts.following.heard("actions", written(lost))
        await b.logs.has("actions", "one", "two", "three", "lost")
        with b.deaf():
            await a.append("four")
            await a.logs.has("actions", "one", "two", "three", "four")
        await a.append("five")
        await b.logs.until(lambda: b.log().epoch != epoch)
        assert b.log().gaps[-1] == ("epoch", f"{epoch}:4", f"{b.log().epoch}:0")
        assert "five" not in b.log().events
        await a.logs.until(lambda: a.log().epoch == b.log().epoch)
        assert b.rotations() == {"two_pasts": 1}


@pytest.mark.clause("N4", "N7")
async def test_an_own_append_behind_another_past_is_not_taken(server: RedisServer) -> None:
    """The entry of a former master is heard while the answer is on its way, so the script could not see it."""
    async with nodes(server, "a", "b") as (a, b):
        b.never_compare()
        epoch = await three(a, b)
        parts = b.backplane.parts
        before = server.command("HGET", "ng:{actions}:meta", "batch").decode()
        lost = Segment(epoch, 4, 1, "x-1.0ldmast", entries("lost"), before)
        append = parts.appending.append

        async def late(*arguments: Any, **rest: Any) -> Any:
            answer = await append(*arguments, **rest)
            parts.following.heard("actions", written(lost))
            return answer

        with b.deaf():
            await a.append("four")
        parts.appending.append = late  # type: ignore[method-assign]
        heard, parts.following.heard = parts.following.heard, lambda *_: None  # type: ignore[method-assign]

        def hear(channel: str, payload: bytes) -> None:
            if payload == written(lost):
                heard(channel, payload)

        parts.following.heard = hear  # type: ignore[method-assign]
        assert await b.append("five") == [f"{epoch}:5"]
        await b.logs.until(lambda: b.log().epoch != epoch)
        assert b.log().events[:4] == ["one", "two", "three", "lost"]
        assert b.rotations() == {"two_pasts": 1}


# --- what is made up (N17) --------------------------------------------------------------------------------------------


def forged_heads(epoch: str, head: int) -> bytes:
    body = {"canary": 1, "ear": "listening", "heads": {"actions": [epoch, head]}}
    return write_control(Control("z", "zzz", 0, 0, "canary", body, False))


FORGED = {
    "beyond the head": Segment("", FAR, 1, "z-1", entries("forged"), "z-0"),
    "a little beyond the head": Segment("", 6, 1, "z-1", entries("forged"), "z-0"),
    "at a known place": Segment("", 2, 1, "z-1", entries("forged"), "z-0"),
    "over the head": Segment("", 3, 4, "z-1", entries("forged", "forged", "forged", "forged"), "z-0"),
    "behind others": Segment("", 4, 1, "z-1", entries("forged"), "z-0"),
    "of another epoch": Segment("elsewhere", 4, 1, "z-1", entries("forged"), "z-0"),
}


@pytest.mark.clause("N4", "N7", "N17")
@pytest.mark.parametrize("kind", FORGED)
async def test_a_segment_that_the_store_does_not_have_ends_nothing(server: RedisServer, kind: str) -> None:
    async with nodes(server, "a", "b") as (a, b):
        epoch = await three(a, b)
        forged = FORGED[kind]
        reads = [sum(node.backplane.figures.command_seconds["read"].counts) for node in (a, b)]
        server.command("PUBLISH", LIVE, written(forged._replace(epoch=forged.epoch or epoch)))
        for node, before in zip((a, b), reads, strict=True):
            seen = node.backplane.figures.command_seconds["read"].counts
            await eventually(lambda before=before, seen=seen: sum(seen) > before)  # type: ignore[misc]
            await node.ready()
        await a.append("four")
        for node in (a, b):
            await node.logs.has("actions", "one", "two", "three", "four")
            await node.ready()
            assert (node.rotations(), node.log().epoch, dict(node.backplane.figures.lag)) == ({}, epoch, {})
            assert unproven(node) == (0 if kind == "of another epoch" else 1)


@pytest.mark.clause("N4", "N9", "N17")
async def test_heads_that_the_store_does_not_have_end_nothing_and_open_no_subscription(server: RedisServer) -> None:
    async with nodes(server, "a", "b") as (a, b):
        epoch = await three(a, b)
        for _ in range(3):
            server.command("PUBLISH", "ng:ctl", forged_heads(epoch, 2**60))
            rounds = [node.backplane.parts.following.round for node in (a, b)]
            for node, before in zip((a, b), rounds, strict=True):
                following = node.backplane.parts.following
                await eventually(lambda before=before, following=following: following.round > before + 3)  # type: ignore[misc]
        await a.append("four")
        for node in (a, b):
            await node.logs.has("actions", "one", "two", "three", "four")
            await node.ready()
            assert (node.rotations(), node.log().epoch) == ({}, epoch)
            assert node.backplane.figures.errors["canary"] == 0


@pytest.mark.clause("N9")
async def test_a_head_that_another_node_tells_makes_this_one_look(server: RedisServer) -> None:
    """Among thousands of rooms its own turn would come within a minute."""
    async with nodes(server, "a", "b") as (a, b):
        await b.follow("room:7")
        heads: Any = b.backplane.parts.heads
        heads._chosen = list  # its turn never comes
        await b.ready()
        await eventually(lambda: not heads._anew)
        with b.deaf():
            (place,) = await a.append("unheard", channel="room:7")
            heads.heard({"room:7": [place.partition(":")[0], 1]})
            await b.logs.until(lambda: b.log("room:7").events == ["unheard"])
        assert b.backplane.figures.errors["canary"] == 1


# --- former masters (N5) ----------------------------------------------------------------------------------------------


def ask(server: RedisServer, old: str, *channels: str) -> None:
    """As a node does that knows no better."""
    body = {"ask": "a1", "old": old, "channels": list(channels)}
    server.command("PUBLISH", "ng:ctl", write_control(Control("z", "zzz", 1, 0, "standing?", body, False)))


@pytest.mark.clause("N5")
async def test_after_the_answer_nothing_is_taken_of_what_the_former_master_says(server: RedisServer) -> None:
    former = "f0" * 20
    async with nodes(server, "a") as (a,):
        epoch = await three(a)
        ask(server, former, "actions")
        await eventually(lambda: a.backplane.parts.continuity.is_retired("actions", former))
        before = server.command("HGET", "ng:{actions}:meta", "batch").decode()
        lost = Segment(epoch, 4, 1, f"x-1.{former[:8]}", entries("lost"), before)
        server.command("PUBLISH", LIVE, written(lost))
        await eventually(lambda: a.backplane.figures.details["bus/former"] == 1)
        await eventually(lambda: a.backplane.figures.details["canary/former master"] == 1)
        await a.ready()
        assert await a.append("four") == [f"{epoch}:4"]
        await a.logs.has("actions", "one", "two", "three", "four")
        assert a.rotations() == {}


@pytest.mark.clause("N5")
async def test_what_was_heard_of_the_former_master_before_the_answer_is_not_taken_after_it(server: RedisServer) -> None:
    """It waited for what is missing before it, which the new master has."""
    former = "f0" * 20
    async with nodes(server, "a", "b") as (a, b):
        epoch = await three(a, b)
        following = b.backplane.parts.following
        replica = following.get("actions")
        assert replica is not None
        with b.deaf():
            await a.append("four")
            fourth = server.command("HGET", "ng:{actions}:meta", "batch").decode()
            replica.park(Segment(epoch, 5, 1, f"x-1.{former[:8]}", entries("lost"), fourth))
            b.backplane.parts.continuity._hear_question("z", {"ask": "a1", "old": former, "channels": ["actions"]})
            following.suspect(replica)
            await b.logs.has("actions", "one", "two", "three", "four")
        await b.ready()
        await a.append("five")
        await b.logs.has("actions", "one", "two", "three", "four", "five")
        assert (a.rotations(), b.rotations()) == ({}, {})


@pytest.mark.clause("N5", "N11")
async def test_a_master_that_is_called_a_former_one_and_found_again_is_believed(server: RedisServer) -> None:
    """A node that asks with the id of the master that all have stops nobody for longer than a new connection takes."""
    async with nodes(server, "a", "b", outbox_wait=10.0) as (a, b):
        epoch = await three(a, b)
        current = server.command("HGET", "ng:{actions}:meta", "replid").decode()
        ask(server, current, "actions", "logs")
        for node in (a, b):
            await eventually(lambda node=node: node.backplane.figures.details["redis/former master"] == 1)  # type: ignore[misc]
        assert [await node.append("e") for node in (a, b)] == [[f"{epoch}:4"], [f"{epoch}:5"]]
        for node in (a, b):
            await node.ready()
            await node.logs.has("actions", "one", "two", "three", "e", "e")
            assert not node.backplane.parts.continuity.is_retired("actions", current)
            assert node.rotations() == {}
