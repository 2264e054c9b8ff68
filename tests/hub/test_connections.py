"""The connections of a node: who is there, what the plane brings them, and when time is up for them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels._native import EVENT_FATAL, EVENT_POSITIONS, EVENT_TEXT
from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity, Revocation
from hub.connection import Connection
from hub.session import Moment, Session, State
from tests.support.node import WALL, Node

ADMIN = Identity("root", Role.ADMIN)
VIEWER = Identity("ann", Role.VIEWER, token_id="t-1")
PING = {"type": "ping"}


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with Node() as running:
        yield running


@pytest.mark.clause("C13", "M40")
async def test_an_opened_connection_is_welcomed_and_counted(node: Node) -> None:
    peer = node.peer(VIEWER)
    welcome = await peer.next("welcome")
    assert (welcome["role"], welcome["conn"]) == ("viewer", peer.connection.session.conn)
    assert (len(node.connections), node.connections.opened, node.admission.open) == (1, 1, 1)
    assert dict(node.connections.roles()) == {Role.VIEWER: 1}


async def test_names_of_connections_are_unique_across_hubs() -> None:
    names = set()
    for _ in range(2):
        async with Node() as running:
            names |= {running.peer().connection.session.conn for _ in range(3)}
    assert len(names) == 6


@pytest.mark.clause("C11", "L2")
async def test_who_is_refused_after_the_upgrade_hears_why_and_counts_for_no_address(node: Node) -> None:
    peer = node.peer(None, refusal=("too_many_connections", ""))
    assert await peer.closed() == (4229, "too_many_connections")
    assert (node.admission.open, node.admission.waiting, peer.output.received) == (1, 0, [])
    node.plane.feed_close(peer.number, 4229, "")
    node.plane.flush()
    await peer.gone()
    assert node.admission.open == 0


@pytest.mark.clause("C22")
async def test_a_connection_that_ends_leaves_nothing_behind(node: Node) -> None:
    watcher, peer = node.peer(ADMIN), node.peer(VIEWER)
    watcher.send({"type": "subscribe", "channel": "connections", "from": "new"})
    await watcher.next("subscribed")
    peer.send({"type": "subscribe", "channel": "metrics"})
    await peer.next("subscribed")
    node.plane.feed_close(peer.number, 1001, "away")
    node.plane.flush()
    event = await watcher.next("event")
    assert (event["event"], event["key"], event["data"]["code"]) == ("leave", peer.connection.session.conn, 1001)
    assert (len(node.connections), node.connections.closed, node.admission.open) == (1, {1001: 1}, 1)
    assert node.broker.statistics()["followers"] == 1


@pytest.mark.clause("C13", "L6")
async def test_who_does_not_log_in_is_closed_when_the_time_is_up(node: Node) -> None:
    peer = node.peer(None)
    assert node.admission.waiting == 1
    node.now += 10.0
    node.wall += 10.0
    assert await peer.closed() == (4101, "login_required")
    assert node.errors() == {("auth", "timeout"): 1}


@pytest.mark.clause("C13")
async def test_who_logs_in_does_not_count_as_waiting_any_more(node: Node) -> None:
    node.identities["good"] = VIEWER
    peer = node.peer(None)
    peer.send({"type": "connect", "token": "good"})
    await peer.next("welcome")
    assert (node.admission.waiting, node.admission.open) == (0, 1)


@pytest.mark.clause("C15", "H6")
async def test_a_credential_expires_by_the_wall_clock_even_if_that_jumps(node: Node) -> None:
    late = node.peer(Identity("ann", Role.VIEWER, WALL + 3_600))
    later = node.peer(Identity("bob", Role.VIEWER, WALL + 7_200))
    node.wall += 3_600
    assert await late.closed() == (4101, "token_expired")
    assert later.output.close is None


@pytest.mark.clause("C17")
async def test_operators_can_kick_and_change_roles(node: Node) -> None:
    peer = node.peer(ADMIN)
    name = peer.connection.session.conn
    await peer.next("welcome")
    assert node.connections.change_role(name, Role.VIEWER) is True
    assert (await peer.next("welcome"))["role"] == "viewer"
    assert node.connections.kick(name, "be nice") is True
    assert await peer.closed() == (4010, "kicked; be nice")
    assert (node.connections.kick(name), node.connections.change_role("c-none", Role.BOT)) == (False, False)


@pytest.mark.clause("C17")
async def test_a_revocation_closes_whom_it_concerns(node: Node) -> None:
    peer, other = node.peer(VIEWER), node.peer(ANONYMOUS)
    node.connections.revoke(Revocation("token", "t-1", WALL, WALL + 60))
    assert await peer.closed() == (4103, "token_revoked")
    assert other.output.close is None


async def test_operators_see_who_is_there(node: Node) -> None:
    node.peer(VIEWER, address="192.0.2.7")
    (shown,) = node.connections.snapshot()
    assert {**shown, "id": "", "session": ""} == {
        "id": "",
        "session": "",
        "user": "ann",
        "role": "viewer",
        "node": "n1",
        "address": "192.0.2.7",
        "client": None,
        "since": WALL,
        "state": "ready",
        "encoding": "json",
        "relayed": True,
        "subscriptions": [],
    }


async def test_no_more_connections_are_described_than_are_wanted(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [node.peer(who).connection.session.conn for who in (VIEWER, ADMIN, VIEWER, VIEWER, ADMIN)]
    described: list[str] = []
    describe = Connection.describe

    def counted(one: Connection) -> dict[str, Any]:
        described.append(one.session.conn)
        return describe(one)

    monkeypatch.setattr(Connection, "describe", counted)
    shown = node.connections.snapshot(2, "viewer")
    assert [one["id"] for one in shown] == described == [names[3], names[2]]


@pytest.mark.clause("R11")
async def test_who_lost_the_session_goes_when_what_was_asked_after_the_welcome_is_answered(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the answer to an earlier question, of which the `welcome` may not be written yet."""
    former, peer = node.peer(VIEWER), node.peer(VIEWER)
    former.send({"type": "get_reconnection_token"})
    token = (await former.next("reconnection_token"))["token"]
    monkeypatch.setattr(node.broker, "locate", lambda _conn: None)
    await peer.next("welcome")
    peer.send({"type": "get_reconnection_token"}, {"type": "connect", "resume": token})
    await peer.next("welcome")
    states = []
    for _ in range(2):
        node.connections._handle((peer.number, EVENT_POSITIONS, (), None), node.connections.moment())
        states.append(former.connection.session.state)
    assert states == [State.READY, State.CLOSING]


async def test_a_mistake_over_one_event_ends_that_connection_only(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    peer, other = node.peer(), node.peer()

    def broken(session: Session, *_arguments: Any) -> list[Any]:
        if session is peer.connection.session:
            raise RuntimeError("a mistake")
        return []

    monkeypatch.setattr(Session, "received", broken)
    peer.send(PING)
    other.send(PING)
    assert await peer.closed() == (4250, "internal")
    assert (other.output.close, node.errors()) == (None, {("internal", "session"): 1})


async def test_the_loss_of_an_io_thread_is_told(node: Node) -> None:
    node.connections._handle((0, EVENT_FATAL, "thread 0 is lost", None), node.connections.moment())
    assert (node.connections.failure, node.errors()) == ("thread 0 is lost", {("internal", "panic"): 1})


async def test_events_of_connections_that_have_gone_are_nobodys(node: Node) -> None:
    node.connections._handle((999, EVENT_TEXT, b"{}", None), node.connections.moment())
    assert node.errors() == {}


@pytest.mark.clause("C13", "L6")
async def test_an_alarm_that_fails_ends_its_connection_and_no_other_is_missed(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, other = node.peer(None), node.peer(None)
    alarm = Session.alarm

    def fail(session: Session, moment: Moment) -> Any:
        return _fail() if session is broken.connection.session else alarm(session, moment)

    monkeypatch.setattr(Session, "alarm", fail)
    node.now += 10.0
    node.wall += 10.0
    assert await other.closed() == (4101, "login_required")
    assert await broken.closed() == (4250, "internal")


def _fail(*_arguments: Any) -> Any:
    raise RuntimeError("a mistake")
