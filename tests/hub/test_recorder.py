"""The flight recorder: what happened to a connection is known while it is open, and for some time after (G13)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels._native import Plane
from channels.permissions import Role
from hub.auth import Identity
from hub.recorder import Recorder, Story
from tests.support.node import Node

ANN = Identity("ann", Role.VIEWER)


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


def told(story: Story) -> list[tuple[str, str]]:
    return [(record["kind"], record["text"]) for record in story["records"]]


@pytest.mark.accept("G13")
async def test_a_story_tells_who_came_what_was_refused_and_why_it_ended(node: Node) -> None:
    peer = node.peer(ANN)
    conn, session = peer.connection.session.conn, peer.connection.session.session
    peer.send(
        {"type": "connect", "client": {"name": "dash", "version": "2"}},
        {"type": "subscribe", "channels": ["status", "logs"]},
    )
    await peer.next("subscribed")
    peer.send(
        {"type": "publish", "channel": "status", "event": "x"},
        {"type": "unsubscribe", "channel": "status"},
    )
    await peer.next("unsubscribed")
    (open_story,) = node.connections.recorder.stories(conn)
    assert (open_story["state"], open_story["client"], "ended" in open_story) == (
        "ready",
        {"name": "dash", "version": "2"},
        False,
    )
    node.connections.kick(conn, "maintenance")
    await peer.closed()
    node.plane.feed_close(peer.number, 4010, "")
    node.plane.flush()
    await peer.gone()
    (story,) = node.connections.recorder.stories("ann")
    epoch = node.broker.status("status").position.partition(":")[0]  # type: ignore[union-attr]
    assert told(story) == [
        ("attached", "relayed"),
        ("opened", f"{conn}, session {session}, from 192.0.2.1, json"),
        ("identity", "ann as viewer"),
        ("identity", "ann as viewer, client dash 2"),
        ("refused", "subscribe logs: 403 forbidden: role viewer may not subscribe to logs"),
        ("subscribed", f"status from {epoch}:0, 0 behind, latest, on_slow gap"),
        ("refused", "publish status: 403 forbidden: role viewer may not broadcast on status"),
        ("unsubscribed", "status"),
        ("closing", "4010 kicked; maintenance (by local)"),
        ("ended", story["records"][-1]["text"]),
    ]
    assert (story["state"], story["code"], story["cause"], story["forgotten"]) == ("closed", 4010, "local", 0)
    assert [known["conn"] for known in node.connections.recorder.stories(session)] == [conn]


@pytest.mark.clause("R11")
async def test_a_resume_is_in_the_story_of_both_connections(node: Node) -> None:
    former = node.peer(ANN)
    former.send({"type": "get_reconnection_token"})
    token = (await former.next("reconnection_token"))["token"]
    peer = node.peer(ANN)
    peer.send({"type": "connect", "id": 1, "resume": token})
    assert await former.closed() == (4009, "taken_over")
    stories = node.connections.recorder.stories(former.connection.session.session)
    assert {story["conn"] for story in stories} == {one.connection.session.conn for one in (former, peer)}
    resumed = [text for story in stories for kind, text in told(story) if kind == "resumed"]
    assert resumed == [f"{former.connection.session.session}, from {former.connection.session.conn}"]


async def test_who_asks_to_leave_is_told(node: Node) -> None:
    peer = node.peer(ANN)
    leaving = node.connections.leave("rebalance", (0.0, 0.0), 0.0)
    await leaving
    assert ("goaway", "rebalance") in told(node.connections.recorder.stories("ann")[0])
    assert (await peer.gone())[0] == 4302


class Silent:
    """A plane that remembers nothing."""

    def story(self, _number: int) -> None:
        return None

    def remembers(self) -> tuple[int, int]:
        return (0, 0)

    def note(self, *_: Any) -> None: ...


async def test_ended_connections_are_forgotten_by_number_and_by_age(node: Node) -> None:
    now = 0.0
    recorder = Recorder(Silent(), most=2, seconds=60.0, wall=lambda: now)  # type: ignore[arg-type]
    for number in range(3):
        now = float(number)
        recorder.ended(node.peer(Identity(f"u{number}", Role.BOT)).connection, 1000, "", "peer")
    known = [story["user"] for story in recorder.stories()]
    assert known == ["u2", "u1"]
    assert (recorder.stories("u2")[0]["records"], recorder.stories("u0")) == ([], [])
    now = 61.5
    assert [story["user"] for story in recorder.stories()] == ["u2"]
    assert recorder.size() == {"ended": 1, "bytes": 0}


def test_an_unknown_kind_of_note_is_refused_and_a_late_one_is_not() -> None:
    plane = Plane(recorder_ended=0)
    with pytest.raises(ValueError, match=r"kind: expected one of attached, .* came \"sneeze\""):
        plane.note(1, "sneeze", "")
    plane.note(1, "note", "nobody is there")
    assert (plane.story(1), plane.remembers()) == (None, (0, 0))
