"""A subscription whose logs are not ready waits, and what its connection sends behind it keeps its place."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.permissions import Role
from channels.publication import Publication
from hub.auth import ANONYMOUS, Identity, Revocation
from tests.support.node import Node, Peer
from tests.support.store import RemoteBackplane, Store

ADMIN = Identity("root", Role.ADMIN)
ANN = Identity("ann", Role.DEVELOPER, token_id="t-ann")
ROOMS = {"room:*": {"subscribe": ["admin", "developer"], "broadcast": ["admin", "developer"]}}


@pytest.fixture
def backplane() -> RemoteBackplane:
    return RemoteBackplane(Store())


@pytest.fixture
async def node(backplane: RemoteBackplane) -> AsyncIterator[Node]:
    async with Node(ROOMS, backplane=backplane) as running:
        yield running


async def ready(node: Node, who: Identity | None = ANN) -> Peer:
    peer = node.peer(who)
    await peer.next("welcome")
    return peer


async def heard(peer: Peer) -> None:
    """What was sent so far has been applied."""
    peer.send({"type": "ping"})
    await peer.next("pong")


def kinds(peer: Peer) -> list[tuple[str, Any]]:
    return [(message["type"], message.get("id")) for message in peer.seen]


@pytest.mark.clause("N18", "C14", "M7", "M9")
async def test_what_comes_behind_a_subscription_that_waits_is_done_and_answered_behind_it(
    node: Node, backplane: RemoteBackplane
) -> None:
    peer = await ready(node)
    backplane.is_slow = True
    peer.send(
        {"type": "subscribe", "id": 1, "channel": "room:1"},
        {"type": "publish", "id": 2, "channel": "room:1", "event": "e"},
        {"type": "subscribe", "id": 3, "channel": "nowhere"},
        {"type": "unsubscribe", "id": 4, "channel": "room:1"},
        {"type": "connect", "id": 5},
    )
    await heard(peer)
    assert kinds(peer) == [("welcome", None), ("pong", None)]
    backplane.is_slow = False
    backplane.answer()
    await peer.next("welcome")
    await peer.next("ack")
    told = [ident for kind, ident in kinds(peer) if kind not in ("ack", "event", "pong")]
    assert told == [None, 1, 3, 4, 5]
    assert backplane.store.events("room:1") == [("e", b"null")]


@pytest.mark.clause("H4", "M7")
async def test_a_ping_and_answers_to_what_was_sent_before_overtake(node: Node, backplane: RemoteBackplane) -> None:
    peer = await ready(node, ADMIN)
    backplane.is_slow = True
    peer.send(
        {"type": "publish", "id": 1, "channel": "actions", "event": "e"},
        {"type": "subscribe", "id": 2, "channel": "room:1"},
        {"type": "ping", "id": 3},
    )
    await peer.next("pong")
    while not await _is_acked(peer, backplane):
        pass
    assert (2 in [ident for _, ident in kinds(peer)]) is False


async def _is_acked(peer: Peer, backplane: RemoteBackplane) -> bool:
    """Let what waits in front of the subscription go on."""
    if len(backplane.waiting) > 1:
        backplane.answer()
    await heard(peer)
    return ("ack", 1) in kinds(peer)


@pytest.mark.clause("M6", "M4")
async def test_an_id_that_waits_is_open(node: Node, backplane: RemoteBackplane) -> None:
    peer = await ready(node)
    backplane.is_slow = True
    peer.send(
        {"type": "subscribe", "id": 1, "channel": "room:1"},
        {"type": "unsubscribe", "id": 2, "channel": "logs"},
        {"type": "ping", "id": 1},
        {"type": "ping", "id": 2},
    )
    errors = [await peer.next("error") for _ in range(2)]
    assert [(error["error"], error["duplicate_of"]) for error in errors] == [("duplicate_id", 1), ("duplicate_id", 2)]
    backplane.is_slow = False
    backplane.answer()
    assert (await peer.next("unsubscribed"))["id"] == 2
    peer.send({"type": "ping", "id": 1})
    assert (await peer.next("pong"))["id"] == 1


@pytest.mark.clause("M6", "L14")
async def test_no_more_waits_than_ids_may_be_open(backplane: RemoteBackplane) -> None:
    async with Node(ROOMS, backplane=backplane, max_in_flight=3) as node:
        peer = await ready(node)
        backplane.is_slow = True
        peer.send(
            {"type": "subscribe", "channel": "room:1"},
            *({"type": "publish", "channel": "room:1", "event": f"e{number}"} for number in range(4)),
        )
        error = await peer.next("error")
        assert (error["code"], error["error"], error["re"]) == (429, "too_many_in_flight", "publish")
        backplane.is_slow = False
        backplane.answer()
        events = [(await peer.next("event"))["event"] for _ in range(3)]
        assert events == ["e0", "e1", "e2"]


@pytest.mark.clause("N18", "C14")
async def test_one_subscription_may_wait_behind_another(node: Node, backplane: RemoteBackplane) -> None:
    peer = await ready(node)
    backplane.is_slow = True
    peer.send(
        {"type": "subscribe", "id": 1, "channel": "room:1"},
        {"type": "subscribe", "id": 2, "channel": "room:2"},
        {"type": "unsubscribe", "id": 3, "channel": "room:1"},
    )
    await heard(peer)
    backplane.answer()
    assert (await peer.next("subscribed"))["id"] == 1
    await heard(peer)
    assert ("subscribed", 2) not in kinds(peer)
    backplane.answer()
    assert (await peer.next("subscribed"))["id"] == 2
    assert (await peer.next("unsubscribed"))["id"] == 3


@pytest.mark.clause("N11", "M23")
async def test_what_cannot_be_followed_is_refused_and_the_rest_is_followed(
    node: Node, backplane: RemoteBackplane
) -> None:
    node.broker.publish_nowait(Publication("logs", "e", b"1"), lambda _: None)
    await asyncio.sleep(0)
    epoch = backplane.store.log("logs").epoch
    peer = await ready(node)
    backplane.is_cut = True
    start = {"positions": {"logs": f"{epoch}:0"}}
    peer.send({"type": "subscribe", "id": 1, "channels": ["room:1", "logs", "room:2"], "from": start})
    answer = await peer.next("subscribed")
    assert (list(answer["channels"]), sorted(answer["errors"])) == (["logs"], ["room:1", "room:2"])
    assert answer["errors"]["room:1"]["error"] == "log_unavailable"
    assert list(peer.connection.session.subscriptions) == ["logs"]
    peer.send({"type": "subscribe", "id": 2, "channel": "room:3"}, {"type": "subscribe", "id": 3, "channel": "nowhere"})
    errors = [await peer.next("error") for _ in range(2)]
    assert [(error["id"], error["code"], error["channel"]) for error in errors] == [
        (2, 503, "room:3"),
        (3, 404, "nowhere"),
    ]


@pytest.mark.clause("C15", "X6")
async def test_an_end_waits_for_nothing_and_what_waited_is_not_done(node: Node, backplane: RemoteBackplane) -> None:
    peer = await ready(node)
    backplane.is_slow = True
    peer.send(
        {"type": "subscribe", "channel": "room:1"},
        {"type": "publish", "channel": "room:1", "event": "e"},
        {"type": "ping"},
    )
    await peer.next("pong")
    node.connections.revoke(Revocation("token", "t-ann", 0.0, float("inf")))
    assert await peer.closed() == (4103, "token_revoked")
    backplane.is_slow = False
    while backplane.waiting:
        backplane.answer()
    await peer.gone()
    assert backplane.store.events("room:1") == []
    assert node.broker.statistics()["followers"] == 0


@pytest.mark.clause("M4", "N18")
async def test_a_connection_that_has_gone_while_it_waited_follows_nothing(
    node: Node, backplane: RemoteBackplane
) -> None:
    peer = await ready(node)
    backplane.is_slow = True
    peer.send({"type": "subscribe", "channel": "room:1"}, {"type": "ping"})
    await peer.next("pong")
    node.plane.feed_close(peer.number, 1000, "")
    node.plane.flush()
    await peer.gone()
    backplane.answer()
    assert node.broker.statistics()["followers"] == 0


@pytest.mark.clause("C17")
async def test_a_change_of_role_does_not_wait(node: Node, backplane: RemoteBackplane) -> None:
    peer = await ready(node)
    peer.send({"type": "subscribe", "channel": "logs"})
    await peer.next("subscribed")
    backplane.is_slow = True
    peer.send({"type": "subscribe", "id": 1, "channel": "room:1"}, {"type": "ping"})
    await peer.next("pong")
    assert node.connections.change_role(peer.connection.session.conn, Role.VIEWER)
    refused, welcome, stopped = [await peer.next(kind) for kind in ("error", "welcome", "unsubscribed")]
    assert (refused["id"], refused["error"]) == (1, "log_unavailable")
    assert (welcome["role"], stopped["channels"]) == ("viewer", ["logs"])
    backplane.answer()
    await heard(peer)
    assert list(peer.connection.session.subscriptions) == []


@pytest.mark.clause("R11", "N12", "R7")
async def test_a_resume_waits_for_its_logs_and_the_former_connection_for_the_welcome(
    node: Node, backplane: RemoteBackplane
) -> None:
    former = await ready(node)
    former.send({"type": "subscribe", "channels": ["logs", "room:1"]})
    await former.next("subscribed")
    former.send({"type": "get_reconnection_token"})
    token = (await former.next("reconnection_token"))["token"]
    successor = await ready(node, ANONYMOUS)
    backplane.is_slow = True
    asked = len(backplane.asked)
    successor.send({"type": "connect", "id": 1, "resume": token}, {"type": "ping"})
    await successor.next("pong")
    assert {(channel, is_proof) for channel, _, is_proof in backplane.asked[asked:]} == {
        ("logs", True),
        ("room:1", True),
    }
    assert former.output.close is None
    backplane.answer(2)
    welcome = await successor.next("welcome")
    assert (welcome["id"], sorted(welcome["subscriptions"])) == (1, ["logs", "room:1"])
    assert await former.closed() == (4009, "taken_over")


@pytest.mark.clause("N4", "R8")
async def test_a_sealed_position_beyond_the_store_begins_an_epoch_for_everybody(
    node: Node, backplane: RemoteBackplane
) -> None:
    former = await ready(node)
    former.send({"type": "subscribe", "channel": "logs"})
    await former.next("subscribed")
    node.broker.publish_nowait(Publication("logs", "e", b"1"), lambda _: None)
    await former.next("event")
    former.send({"type": "get_reconnection_token"})
    token = (await former.next("reconnection_token"))["token"]
    log = backplane.store.log("logs")
    lost = log.entries.pop()
    backplane.following.discard("logs")  # the node is as behind as the store
    assert lost
    successor = await ready(node, ANONYMOUS)
    successor.send({"type": "connect", "id": 1, "resume": token})
    await successor.next("welcome")
    gap = await successor.next("gap")
    assert (gap["reason"], gap["to"]) == ("epoch", f"{backplane.store.log('logs').epoch}:0")
    assert backplane.figures.rotations == {("logs", "token"): 1}
