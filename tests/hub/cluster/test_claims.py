"""A session has one connection, over all nodes (R11)."""

import asyncio
import random
from typing import Any

import pytest

from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity
from hub.cluster import claims
from tests.support.node import Node, Peer
from tests.support.town import Joined, Town, until

ANN = Identity("ann", Role.DEVELOPER)


async def session_of(node: Node) -> tuple[Peer, str]:
    """A connection that follows something, and a token of its session."""
    peer = node.peer(ANN)
    peer.send({"type": "subscribe", "channel": "logs"}, {"type": "get_reconnection_token"})
    return peer, (await peer.next("reconnection_token"))["token"]


def resume(node: Node, token: str) -> Peer:
    peer = node.peer(ANONYMOUS)
    peer.send({"type": "connect", "id": 1, "resume": token})
    return peer


def open_in(node: Node, session: str) -> list[str]:
    """Connections of that session that are open and not asked to close."""
    shown = node.connections.snapshot()
    return [one["id"] for one in shown if one["session"] == session and one["state"] in ("ready", "draining")]


@pytest.mark.clause("R11", "N15", "R2", "R10")
async def test_a_resume_on_another_node_closes_the_former_connection_after_its_welcome() -> None:
    async with Town("n1", "n2") as (one, two):
        former, token = await session_of(one)
        successor = resume(two, token)
        welcome = await successor.next("welcome")
        welcome = await successor.next("welcome")
        assert (welcome["resumed"], welcome["node"], list(welcome["subscriptions"])) == (True, "n2", ["logs"])
        assert await former.closed() == (4009, "taken_over")
        assert one.resumption.generation(welcome["session"]) == 1


@pytest.mark.clause("R11")
async def test_the_newest_wins_wherever_it_is_and_as_often_as_it_moves() -> None:
    async with Town("n1", "n2") as (one, two):
        last, token = await session_of(one)
        for node in (two, one, one, two, one):
            successor = resume(node, token)
            token = (await successor.next("reconnection_token"))["token"]
            assert await last.closed() == (4009, "taken_over")
            last = successor
        session = last.connection.session.session
        assert (len(open_in(one, session)), len(open_in(two, session))) == (1, 0)


@pytest.mark.clause("R11")
@pytest.mark.parametrize("seed", range(5))
async def test_of_200_resumes_at_once_on_two_nodes_exactly_one_remains(seed: int) -> None:
    drawn = random.Random(seed)
    town = Town("n1", "n2")
    town.wire.delay = lambda: drawn.random() * 0.01
    async with town as (one, two):
        _, token = await session_of(one)
        session = one.connections.snapshot()[0]["session"]
        peers = [resume(drawn.choice((one, two)), token) for _ in range(200)]
        await until(lambda: not _unsettled(peers, one, two))
        assert len(open_in(one, session) + open_in(two, session)) == 1
        codes = {peer.output.close for peer in peers if peer.output.close is not None}
        assert codes == {(4009, "taken_over")}


def _unsettled(peers: list[Peer], *nodes: Joined) -> bool:
    """Whether somebody is still to be answered or closed."""
    answered = sum(any(message["type"] == "welcome" and message["resumed"] for message in peer.seen) for peer in peers)
    closed = sum(peer.output.close is not None for peer in peers)
    waits = any(claim.pending for node in nodes for claim in node.cluster._claims._claims.values())
    return waits or closed < len(peers) - 1 or not answered


@pytest.mark.clause("R11", "N11")
async def test_a_claim_that_cannot_be_made_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Town("n1", "n2") as (one, two):
        first, token = await session_of(one)
        two.bus.is_cut = True
        second = resume(two, token)
        await second.next("reconnection_token")
        assert (first.output.close, two.errors()["bus", "claim"]) == (None, 1)
        two.bus.heal()
        third = resume(one, token)
        await third.next("reconnection_token")
        assert await second.closed() == (4009, "taken_over")
        assert await first.closed() == (4009, "taken_over")


@pytest.mark.clause("R11")
async def test_a_claim_that_comes_after_its_connection_has_gone_takes_the_session_from_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Town("n1", "n2") as (one, two):
        first, token = await session_of(one)
        claim, is_let = two.bus.claim, asyncio.Event()

        async def late(session: str) -> int:
            await is_let.wait()
            return await claim(session)

        monkeypatch.setattr(two.bus, "claim", late)
        gone = resume(two, token)
        token = (await gone.next("reconnection_token"))["token"]
        two.plane.feed_close(gone.number, 1006)
        await until(lambda: not two.connections.names())
        last = resume(one, token)
        token = (await last.next("reconnection_token"))["token"]
        assert await first.closed() == (4009, "taken_over")
        is_let.set()
        await until(lambda: len(two.cluster._claims) == 0)
        last.send({"type": "ping"})
        await last.next("pong")
        assert len(open_in(one, last.connection.session.session)) == 1


@pytest.mark.clause("N15", "R11")
async def test_a_node_that_was_cut_off_hears_of_it_when_it_is_back() -> None:
    async with Town("n1", "n2") as (one, two):
        former, token = await session_of(one)
        one.bus.is_cut = True
        successor = resume(two, token)
        await successor.next("reconnection_token")
        assert former.output.close is None
        one.bus.heal()
        assert await former.closed() == (4009, "taken_over")


@pytest.mark.clause("R11")
async def test_a_claim_older_than_claims_are_remembered_counts_nothing() -> None:
    async with Town("n1", "n2") as (one, two):
        _, token = await session_of(one)
        old = resume(one, token)
        token = (await old.next("reconnection_token"))["token"]
        session = old.connection.session.session
        await until(lambda: any(kind == "takeover" for kind, _ in one.bus.messages))
        one.now += 301.0
        two.now += 301.0
        two.cluster._claims._heard("n1", {"session": session, "claim": 0, "generation": 0})
        one.bus._wire.claims.clear()
        successor = resume(two, token)
        await successor.next("reconnection_token")
        assert await old.closed() == (4009, "taken_over")


@pytest.mark.clause("N17")
@pytest.mark.parametrize(
    "body", [{}, {"session": 1, "claim": 1, "generation": 1}, {"session": "s", "claim": -1, "generation": 0}]
)
async def test_what_cannot_be_read_is_dropped_and_counted(body: dict[str, Any]) -> None:
    async with Town("n1", "n2") as (one, two):
        two.bus.tell("takeover", body)
        await until(lambda: ("bus", "unreadable") in one.errors())
        assert one.errors()["bus", "unreadable"] == 1


@pytest.mark.clause("R15", "R11")
async def test_a_close_that_wants_the_session_forgotten_comes_too_late_where_it_is_lost() -> None:
    async with Town("n1", "n2") as (one, two):
        former, token = await session_of(one)
        session = former.connection.session.session
        one.connections.takeovers.lose(session)
        one.plane.feed_close(former.number, 1000, "forget")
        one.plane.flush()
        await former.gone()
        again = resume(two, token)
        assert (await again.next("reconnection_token"))["expires_in"] > 0


@pytest.mark.clause("R11")
async def test_nothing_is_kept_of_sessions_that_have_ended() -> None:
    async with Town("n1", "n2") as (one, two):
        former, token = await session_of(one)
        successor = resume(two, token)
        await former.closed()
        two.plane.feed_close(successor.number, 1000, "")
        two.plane.flush()
        await successor.gone()
        await former.gone()
        await asyncio.sleep(0)
        assert (len(one.cluster._claims), len(two.cluster._claims)) == (0, 0)


@pytest.mark.clause("R11", "N11")
async def test_a_session_that_was_resumed_while_the_store_was_away_has_one_connection_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "RETRY", 0.001)
    async with Town("n1", "n2") as (one, two):
        former, token = await session_of(one)
        two.bus.is_cut = True
        successor = resume(two, token)
        await successor.next("reconnection_token")
        await until(lambda: two.errors().get(("bus", "claim"), 0) >= 3)
        assert former.output.close is None
        two.bus.heal()
        assert await former.closed() == (4009, "taken_over")
        assert open_in(two, successor.connection.session.session) == [successor.connection.session.conn]


@pytest.mark.clause("R11", "N11")
async def test_a_claim_that_is_made_late_takes_the_session_from_no_later_resume() -> None:
    async with Town("n1", "n2", "n3") as (one, two, three):
        _, token = await session_of(one)
        last = resume(two, token)
        token = (await last.next("reconnection_token"))["token"]
        last = resume(three, token)
        await last.next("reconnection_token")
        session = last.connection.session.session
        told = {"session": session, "generation": 2}
        late = await two.bus.claim(session)
        two.bus.tell("takeover", {"session": session, "claim": late, "generation": 1}, keep=True)
        await until(lambda: three.bus.messages[-1] == ("takeover", told | {"claim": late + 1}))
        assert last.output.close is None


@pytest.mark.clause("N11")
async def test_a_claim_of_a_connection_that_has_gone_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RETRY", 0.001)
    async with Town("n1", "n2") as (one, two):
        _, token = await session_of(one)
        two.bus.is_cut = True
        gone = resume(two, token)
        await gone.next("reconnection_token")
        two.plane.feed_close(gone.number, 1006)
        two.plane.flush()
        await until(lambda: not two.connections.names() and not two.cluster._claims._errands)
        assert len(two.cluster._claims) == 0


@pytest.mark.clause("R11")
async def test_a_mistake_over_a_claim_keeps_no_session_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Town("n1", "n2") as (one, two):
        _, token = await session_of(one)

        async def fail(_session: str) -> int:
            raise RuntimeError("a mistake of a test")

        with monkeypatch.context() as patch:
            patch.setattr(two.bus, "claim", fail)
            second = resume(two, token)
            await second.next("reconnection_token")
            await until(lambda: ("internal", "cluster") in two.errors())
        third = resume(one, token)
        await third.next("reconnection_token")
        assert await second.closed() == (4009, "taken_over")
