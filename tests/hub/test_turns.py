"""Turns: how long they last, and what becomes of events when one fails."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels._native import EVENT_TEXT
from hub.turns import STRETCH
from tests.support.node import Node


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


async def test_a_turn_gives_way_to_the_loop_when_its_time_is_up(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events that a turn does not reach are handled by the next, in order."""
    peer = node.peer()
    await peer.next("welcome")
    events: list[Any] = [(peer.number, EVENT_TEXT, b'{"type":"ping","id":%d}' % number, None) for number in range(40)]
    turns: list[int] = []
    handle = node.connections._handle

    def slow(event: Any, moment: Any) -> None:
        handle(event, moment)
        turns[-1] += event[1] == EVENT_TEXT
        node.now += 0.001

    finish = node.connections._performer.finish

    def next_turn() -> None:
        finish()
        turns.append(0)

    monkeypatch.setattr(node.connections._turns, "_handle", slow)
    monkeypatch.setattr(node.connections._performer, "finish", next_turn)
    turns.append(0)
    node.connections._turns.backlog.extend(events)
    node.connections._turns.take()
    ids = [(await peer.next("pong"))["id"] for _ in range(40)]
    assert ids == list(range(40))
    assert (sum(turns), max(turns)) == (40, STRETCH)


async def test_a_turn_that_fails_loses_nothing_of_its_backlog(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = node.peer()
    await peer.next("welcome")
    events: list[Any] = [(peer.number, EVENT_TEXT, b'{"type":"ping","id":%d}' % number, None) for number in (1, 2)]
    node.connections._turns.backlog.extend(events)
    with monkeypatch.context() as patch:
        patch.setattr(node.connections._turns, "_handle", _fail)
        with pytest.raises(RuntimeError):
            node.connections._turns.take()
    assert (await peer.next("pong"))["id"] == 2
    node.connections.kick(peer.connection.session.conn)
    assert await peer.closed() == (4010, "kicked")


async def test_the_end_of_a_turn_that_fails_is_made_up_by_the_next(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fits into one turn waits, and what waits is handled all the same."""
    peer = node.peer()
    await peer.next("welcome")
    pings: list[Any] = [(peer.number, EVENT_TEXT, b'{"type":"ping","id":%d}' % number, None) for number in range(20)]
    node.connections._turns.backlog.extend(pings)
    with monkeypatch.context() as patch:
        times = iter((100.0, 100.0))
        patch.setattr(node.connections._turns, "_monotonic", lambda: next(times, 200.0))
        patch.setattr(node.connections._performer, "finish", _fail)
        with pytest.raises(RuntimeError):
            node.connections._turns.take()
    assert node.connections._turns.is_due is True
    assert [(await peer.next("pong"))["id"] for _ in range(20)] == list(range(20))


def _fail(*_arguments: Any) -> Any:
    raise RuntimeError("a mistake")
