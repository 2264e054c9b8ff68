"""Kick and change of role reach a connection wherever it is (C17, N15)."""

import asyncio
from typing import Any

import pytest

from channels.permissions import Role
from hub.auth import Identity
from hub.cluster import orders
from tests.support.town import Town, until

ANN = Identity("ann", Role.DEVELOPER)


@pytest.mark.clause("C17", "N15")
async def test_a_kick_reaches_the_node_that_holds_the_connection_and_the_answer_tells() -> None:
    async with Town("n1", "n2") as (one, two):
        here, there = one.peer(ANN), two.peer(ANN)
        assert await one.cluster.orders.kick(there.connection.session.conn) == "n2"
        assert await one.cluster.orders.kick(here.connection.session.conn) == "n1"
        assert [await peer.closed() for peer in (here, there)] == [(4010, "kicked")] * 2


@pytest.mark.clause("C17", "R7")
async def test_a_role_given_on_another_node_takes_effect_and_stays_with_the_session() -> None:
    async with Town("n1", "n2") as (one, two):
        peer = two.peer(ANN)
        peer.send({"type": "subscribe", "channel": "logs"}, {"type": "get_reconnection_token"})
        token = (await peer.next("reconnection_token"))["token"]
        assert await one.cluster.orders.change_role(peer.connection.session.conn, Role.VIEWER) == "n2"
        assert (await peer.next("welcome"))["role"] == "viewer"
        assert (await peer.next("unsubscribed"))["channels"] == ["logs"]
        again = one.peer()
        again.send({"type": "connect", "id": 1, "resume": token})
        await again.next("welcome")
        assert (await again.next("welcome"))["role"] == "viewer"


@pytest.mark.clause("R15", "N15")
async def test_who_was_kicked_does_not_resume_on_any_node() -> None:
    async with Town("n1", "n2") as (one, two):
        peer = one.peer(ANN)
        peer.send({"type": "get_reconnection_token"})
        token = (await peer.next("reconnection_token"))["token"]
        await two.cluster.orders.kick(peer.connection.session.conn)
        again = two.peer()
        again.send({"type": "connect", "id": 1, "resume": token})
        assert (await again.next("error"))["error"] == "resume_revoked"


async def test_what_no_node_answers_for_is_told_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PATIENCE", 0.05)
    async with Town("n1", "n2") as (one, _):
        assert await one.cluster.orders.kick("c-nobody") is None
    async with Town("n1") as (alone,):
        assert await alone.cluster.orders.kick("c-nobody") is None


@pytest.mark.clause("N15")
async def test_a_node_that_was_cut_off_obeys_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "PATIENCE", 0.05)
    async with Town("n1", "n2", "n3") as (one, two, _):
        peer = two.peer(ANN)
        two.bus.is_cut = True
        assert await one.cluster.orders.kick(peer.connection.session.conn) is None
        assert peer.output.close is None
        two.bus.heal()
        assert await peer.closed() == (4010, "kicked")


@pytest.mark.clause("N17")
@pytest.mark.parametrize(
    "body",
    [
        {"order": "o", "do": "explode", "conn": "c"},
        {"order": "o", "do": "role", "conn": "c", "role": "emperor"},
        {"order": "o", "do": "kick", "conn": ["c"]},
    ],
)
async def test_an_order_that_cannot_be_read_is_dropped(body: dict[str, Any]) -> None:
    async with Town("n1", "n2") as (one, two):
        two.bus.tell("order", body)
        await until(lambda: ("bus", "unreadable") in one.errors())


async def test_an_answer_that_comes_too_late_is_nobodys() -> None:
    async with Town("n1", "n2") as (one, two):
        two.bus.tell("done", {"order": "nobody's"})
        await asyncio.sleep(0.01)
        assert one.errors() == {}
