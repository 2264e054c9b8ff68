"""Signals whose places come from elsewhere: what is answered when, and in which order they are stored (M34, M35)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.permissions import Role
from hub.auth import Identity
from tests.support.node import Node, Peer
from tests.support.store import RemoteBackplane, Store
from tests.support.town import until

BOT = Identity("b7", Role.BOT)
ADMIN = Identity("root", Role.ADMIN)
VECTOR = [0.12, 0.5, 0.33, 0.08, 0.91, 0.4, 0.27, 0.66]


@pytest.fixture
def remote() -> RemoteBackplane:
    return RemoteBackplane(Store(), max_signals=3, patience=0.01)


@pytest.fixture
async def node(remote: RemoteBackplane) -> AsyncIterator[Node]:
    async with Node(backplane=remote) as running:
        yield running


def emit(ident: int, count: int = 1, **members: Any) -> dict[str, Any]:
    vectors = {"vector": VECTOR} if count == 1 else {"vectors": [VECTOR] * count}
    return {"type": "emit", "id": ident, "event_type": "a.b", **vectors, **members}


async def ready(node: Node, who: Identity = BOT) -> Peer:
    peer = node.peer(who)
    await peer.next("welcome")
    return peer


@pytest.mark.clause("M35", "N2")
async def test_an_emit_with_a_mid_is_answered_when_the_store_has_said_where(
    node: Node, remote: RemoteBackplane
) -> None:
    peer = await ready(node)
    remote.is_slow = True
    peer.send(emit(1, mid="m"), emit(2), emit(3, mid="m"), {"type": "ping"})
    await peer.next("pong")
    assert [message["id"] for message in peer.seen if message["type"] == "emitted"] == [2]
    remote.is_slow = False
    while remote.waiting:
        remote.answer()
    told = {answer["id"]: answer for answer in [await peer.next("emitted") for _ in range(3)] if answer["id"] != 2}
    epoch = remote.store.log("signals").epoch
    assert [(told[ident]["position"], told[ident].get("duplicate", False)) for ident in (1, 3)] == [
        (f"{epoch}:1", False),
        (f"{epoch}:1", True),
    ]
    assert node.signals.count_tokens() == 2


@pytest.mark.clause("M34", "N2")
async def test_a_batch_is_cut_as_the_store_takes_it_and_stored_whole_and_in_order(
    node: Node, remote: RemoteBackplane
) -> None:
    peer = await ready(node)
    peer.send(emit(1, count=8, mid="m"))
    answer = await peer.next("emitted")
    assert answer["position"].endswith(":8")
    assert [count for channel, count in remote.store.calls if channel == "signals"] == [3, 3, 2]


@pytest.mark.clause("C14", "N2")
async def test_a_publish_is_stored_behind_the_signals_emitted_before_it(node: Node, remote: RemoteBackplane) -> None:
    peer = await ready(node, ADMIN)
    publish = {"type": "publish", "id": 2, "channel": "signals", "event": "x"}
    peer.send(emit(1, count=4), publish, emit(3))
    await peer.next("ack")
    await until(lambda: len(remote.store.log("signals").entries) == 6)
    assert [event for event, _ in remote.store.events("signals")] == ["a.b"] * 4 + ["x", "a.b"]


@pytest.mark.clause("M34", "M35", "N11", "E3")
async def test_what_the_store_does_not_take_is_kept_and_stored_later_and_a_repeat_is_told_where(
    node: Node, remote: RemoteBackplane
) -> None:
    peer = await ready(node)
    remote.store.is_away = True
    peer.send(emit(1, mid="m"))
    assert (await peer.next("error"))["error"] == "outcome_unknown"
    remote.store.is_away = False
    await until(lambda: len(remote.store.log("signals").entries) == 1)
    await until(lambda: node.emissions.statistics()["owed"] == 0)
    peer.send(emit(2, mid="m"))
    again = await peer.next("emitted")
    assert (again["duplicate"], again["position"].split(":")[1], again["token_id"]) == (True, "1", 1)
    assert node.signals.count_tokens() == 1
