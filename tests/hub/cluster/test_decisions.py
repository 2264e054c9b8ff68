"""Revocations, forgotten sessions and roles hold on every node (N15, id5)."""

from typing import Any

import pytest

from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity, Revocation
from hub.auth.revocation import NEVER
from tests.support.town import Town, until

ANN = Identity("ann", Role.DEVELOPER, token_id="t-ann")
BOB = Identity("bob", Role.DEVELOPER, token_id="t-bob")
ANNS = Revocation("token", "t-ann", 0.0, NEVER)


@pytest.mark.clause("C17", "N15")
async def test_id5_a_revocation_closes_connections_on_every_node() -> None:
    async with Town("n1", "n2", "n3") as nodes:
        peers = [node.peer(who) for node in nodes for who in (ANN, BOB)]
        nodes[1].revocations.revoke(ANNS)
        assert [await peer.closed() for peer in peers[::2]] == [(4103, "token_revoked")] * 3
        assert [peer.output.close for peer in peers[1::2]] == [None] * 3
        assert all(node.revocations.is_revoked(ANN) for node in nodes)
        assert not any(kind == "revoked" for node in (nodes[0], nodes[2]) for kind, _ in node.bus.messages)


@pytest.mark.clause("N15")
async def test_id5_a_node_that_was_cut_off_applies_it_on_return() -> None:
    async with Town("n1", "n2") as (one, two):
        peer = two.peer(ANN)
        two.bus.is_cut = True
        one.revocations.revoke(ANNS)
        assert peer.output.close is None
        two.bus.heal()
        assert await peer.closed() == (4103, "token_revoked")


@pytest.mark.clause("R15", "N15")
async def test_a_session_that_its_client_wants_forgotten_is_forgotten_everywhere() -> None:
    async with Town("n1", "n2") as (one, two):
        peer = one.peer(ANN)
        peer.send({"type": "get_reconnection_token"})
        token = (await peer.next("reconnection_token"))["token"]
        one.plane.feed_close(peer.number, 1000, "forget")
        one.plane.flush()
        await peer.gone()
        await until(lambda: any(kind == "forgotten" for kind, _ in one.bus.messages))
        again = two.peer(ANONYMOUS)
        again.send({"type": "connect", "id": 1, "resume": token})
        assert (await again.next("error"))["error"] == "resume_revoked"
        assert not any(kind == "forgotten" for kind, _ in two.bus.messages)


@pytest.mark.clause("N17")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("revoked", {"revocations": "all"}),
        ("revoked", {"revocations": [["token", "t"]]}),
        ("revoked", {"revocations": [["planet", "t", 0, None]]}),
        ("revoked", {"revocations": [["token", "t", "soon", None]]}),
        ("revoked", {"revocations": [["token", "", 0, None]]}),
        ("forgotten", {}),
        ("session_role", {"session": "s", "role": "emperor"}),
        ("in_force", {"revocations": [], "forgotten": ["s"], "roles": []}),
        ("in_force", {"revocations": [], "forgotten": [], "roles": [{"session": "s"}]}),
    ],
)
async def test_what_cannot_be_read_changes_nothing(kind: str, body: dict[str, Any]) -> None:
    async with Town("n1", "n2") as (one, two):
        two.bus.tell(kind, body)
        await until(lambda: ("bus", "unreadable") in one.errors())
        assert len(one.revocations) == 0
