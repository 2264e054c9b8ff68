"""Of requests that wait for the log of one channel some fail: what the others have put is known, kept and ended."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.permissions import Role
from channels.publication import Publication
from hub.auth import Identity
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


async def ready(node: Node) -> Peer:
    peer = node.peer(ADMIN)
    await peer.next("welcome")
    return peer


async def heard(peer: Peer) -> None:
    """What was sent so far has been applied."""
    peer.send({"type": "ping"})
    await peer.next("pong")


def kinds(peer: Peer) -> list[tuple[str, Any]]:
    return [(message["type"], message.get("id")) for message in peer.seen]


async def answered(peer: Peer, backplane: RemoteBackplane, *, well: bool) -> None:
    """The next that waits is answered, `well` or because the store is away, and what follows from it is done."""
    backplane.store.is_away = not well
    backplane.answer()
    backplane.store.is_away = False
    await heard(peer)


def beginning(backplane: RemoteBackplane, *channels: str) -> dict[str, Any]:
    """`from`: the first entries."""
    return {"positions": {channel: f"{backplane.store.log(channel).epoch}:0" for channel in channels}}


async def repeated(node: Node, backplane: RemoteBackplane, **options: Any) -> Peer:
    """Somebody who asked twice for one channel: the first request has failed, the second has put the cursor."""
    peer = await ready(node)
    backplane.is_slow = True
    asked = {"type": "subscribe", "channel": "actions", "from": beginning(backplane, "actions"), **options}
    peer.send({**asked, "id": 1}, {**asked, "id": 2})
    await heard(peer)
    await answered(peer, backplane, well=False)
    await answered(peer, backplane, well=True)
    backplane.is_slow = False
    assert kinds(peer)[-4:] == [("error", 1), ("pong", None), ("subscribed", 2), ("pong", None)]
    return peer


def store_events(node: Node, *numbers: int) -> None:
    for number in numbers:
        node.broker.publish_nowait(Publication("actions", "e", str(number).encode()), lambda _: None)


@pytest.mark.clause("R1", "R7")
async def test_a_token_holds_what_a_repeated_request_has_put(node: Node, backplane: RemoteBackplane) -> None:
    peer = await repeated(node, backplane)
    peer.send({"type": "get_reconnection_token"})
    successor = await ready(node)
    successor.send({"type": "connect", "resume": (await peer.next("reconnection_token"))["token"]})
    assert list((await successor.next("welcome"))["subscriptions"]) == ["actions"]


@pytest.mark.clause("C17")
async def test_a_lost_right_ends_what_a_repeated_request_has_put(node: Node, backplane: RemoteBackplane) -> None:
    peer = await repeated(node, backplane)
    assert node.connections.change_role(peer.connection.session.conn, Role.BOT)
    assert (await peer.next("unsubscribed"))["channels"] == ["actions"]
    assert node.broker.statistics()["followers"] == 0


@pytest.mark.clause("S10", "M36")
async def test_acknowledgements_open_the_window_of_a_repeated_request(node: Node, backplane: RemoteBackplane) -> None:
    peer = await repeated(node, backplane, ack=1)
    store_events(node, 1, 2)
    for number in (1, 2):
        event = await peer.next("event")
        assert event["data"] == number
        position = f"{backplane.store.log('actions').epoch}:{event['offset']}"
        peer.send({"type": "ack", "positions": {"actions": position}})


@pytest.mark.clause("M9", "M28")
async def test_what_a_repeated_request_has_put_can_be_unsubscribed(node: Node, backplane: RemoteBackplane) -> None:
    peer = await repeated(node, backplane)
    peer.send({"type": "unsubscribe", "channel": "actions"})
    await peer.next("unsubscribed")
    assert node.broker.statistics()["followers"] == 0


@pytest.mark.clause("M23", "M28")
async def test_what_was_unsubscribed_behind_a_request_that_fails_in_part_stays_so(
    node: Node, backplane: RemoteBackplane
) -> None:
    peer = await ready(node)
    backplane.is_slow = True
    start = beginning(backplane, "actions", "logs")
    peer.send(
        {"type": "subscribe", "id": 1, "channels": ["actions", "logs"], "from": start},
        {"type": "unsubscribe", "id": 2, "channel": "actions"},
    )
    await heard(peer)
    backplane.answer()
    await answered(peer, backplane, well=False)
    backplane.is_slow = False
    while backplane.waiting:
        backplane.answer()
    await peer.next("unsubscribed")
    assert [kind for kind in kinds(peer) if kind[1]] == [("subscribed", 1), ("unsubscribed", 2)]
    assert peer.connection.session.subscriptions == {}
    assert node.broker.statistics()["followers"] == 0


@pytest.mark.clause("M23", "M26")
@pytest.mark.parametrize("outcome", [(False, False), (False, True), (True, False), (True, True)])
async def test_of_two_requests_that_wait_the_last_that_was_done_holds(
    node: Node, backplane: RemoteBackplane, outcome: tuple[bool, bool]
) -> None:
    peer = await ready(node)
    backplane.is_slow = True
    asked = {"type": "subscribe", "channel": "actions", "from": beginning(backplane, "actions")}
    peer.send({**asked, "id": 1, "ack": 1}, {**asked, "id": 2, "ack": 2})
    await heard(peer)
    for well in outcome:
        await answered(peer, backplane, well=well)
    held = {name: options["ack"] for name, options in peer.connection.session.subscriptions.items()}
    done = [number for number, well in enumerate(outcome, 1) if well]
    assert held == ({"actions": done[-1]} if done else {})
    assert node.broker.statistics()["followers"] == len(held)
