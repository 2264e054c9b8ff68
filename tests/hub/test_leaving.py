"""Connections that are asked to go elsewhere, and those that stay (M50)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.permissions import Role
from hub import leaving as module
from hub.auth import Identity, Revocation
from hub.session import Session
from tests.support.node import WALL, Node, Peer

VIEWER = Identity("ann", Role.VIEWER, token_id="t-1")


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


def break_for(peer: Peer, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session of `peer` cannot do `method`."""
    whole = getattr(Session, method)

    def broken(session: Session, *arguments: Any) -> Any:
        if session is peer.connection.session:
            raise RuntimeError("a mistake")
        return whole(session, *arguments)

    monkeypatch.setattr(Session, method, broken)


@pytest.mark.clause("M50")
@pytest.mark.parametrize("method", ["leave", "deadline_passed"])
async def test_a_mistake_over_one_that_is_asked_to_go_keeps_no_other_from_being_asked_and_closed(
    node: Node, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(module, "CLOSE_PATIENCE", 0.01)
    peers = [node.peer(VIEWER) for _ in range(3)]
    break_for(peers[1], method, monkeypatch)
    await node.connections.leave("rebalance", (0.0, 0.0), 0.01)
    closes = [await peer.closed() for peer in peers]
    assert closes == [(4302, "rebalance"), (4250, "internal"), (4302, "rebalance")]
    told = [[message["type"] for message in peer.seen].count("goaway") for peer in peers]
    assert told == [1, method != "leave", 1]
    assert node.errors() == {("internal", "session"): 1}


@pytest.mark.clause("X1")
async def test_a_session_that_cannot_even_be_closed_keeps_no_other_from_its_close(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSE_PATIENCE", 0.01)
    peers = [node.peer(VIEWER) for _ in range(3)]
    with monkeypatch.context() as patch:
        break_for(peers[1], "faulted", patch)
        await node.connections.close_all()
    closes = [await peer.closed() for peer in peers]
    assert closes == [(4301, "draining"), (4250, "internal"), (4301, "draining")]


@pytest.mark.clause("C17")
async def test_a_mistake_over_one_keeps_no_other_from_being_revoked(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    peers = [node.peer(VIEWER) for _ in range(2)]
    break_for(peers[0], "revoked", monkeypatch)
    node.connections.revoke(Revocation("token", "t-1", WALL, WALL + 60))
    assert [await peer.closed() for peer in peers] == [(4250, "internal"), (4103, "token_revoked")]


@pytest.mark.clause("X1", "C11")
async def test_when_all_are_closed_nobody_comes_in_any_more(node: Node) -> None:
    peers = [node.peer() for _ in range(5)]
    closing = asyncio.create_task(node.connections.close_all())
    assert {await peer.closed() for peer in peers} == {(4301, "draining")}
    for peer in peers:
        node.plane.feed_close(peer.number, 4301, "draining")
    node.plane.flush()
    await closing
    assert (len(node.connections), node.admission.is_draining) == (0, True)


async def test_who_does_not_leave_is_not_waited_for_for_ever(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CLOSE_PATIENCE", 0.01)
    node.peer()
    await node.connections.close_all()
    assert len(node.connections) == 1
