"""What was decided while a node was not there is in force before it is ready (N15, id5)."""

import pytest

from channels.permissions import Role
from hub.auth import Identity, Revocation
from hub.auth.revocation import NEVER
from hub.cluster import asking, decisions
from tests.support.town import Joined, Town, until

ANN = Identity("ann", Role.DEVELOPER, token_id="t-ann")
ANNS = Revocation("token", "t-ann", 0.0, NEVER)


def is_settled(node: Joined) -> bool:
    return node.cluster.failure is None


def questions(node: Joined) -> int:
    return [kind for kind, _ in node.bus.messages].count(asking.ASKED)


async def asked(town: Town, name: str) -> Joined:
    """Another life of a node, which has asked for the first time."""
    again = await town.restart(name)
    await until(lambda: questions(again) == 1)
    return again


@pytest.mark.clause("N15")
async def test_a_node_that_begins_later_hears_of_everything_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "PAGE", 2)
    town = Town("n1", "n2")
    async with town as (one, two):
        for number in range(5):
            one.revocations.revoke(Revocation("token", f"t-{number}", 0.0, NEVER))
        one.revocations.revoke(Revocation("token", "t-over", 0.0, one.wall - 1.0))
        await until(lambda: len(two.revocations) == 5)
        again = await town.restart("n2")
        assert again.cluster.failure is not None
        await until(lambda: again.cluster.failure is None)
        assert len(again.revocations) == 5


@pytest.mark.clause("N15")
async def test_sessions_that_are_forgotten_and_roles_that_were_given_are_in_force_for_it_too() -> None:
    town = Town("n1", "n2")
    async with town as (one, _):
        given = Identity("ann", Role.VIEWER, decided_at=one.wall)
        one.resumption.forget("s-gone", one.wall, one.wall + 7.0)
        one.resumption.role_changed("s-changed", given, one.wall)
        again = await town.restart("n2")
        await until(lambda: again.cluster.failure is None)
        assert list(again.resumption.forgotten(again.wall)) == [("s-gone", one.wall + 7.0)]
        assert [(session, who.role) for session, who in again.resumption.decided(again.wall)] == [
            ("s-changed", Role.VIEWER)
        ]


@pytest.mark.clause("N15")
async def test_a_node_that_was_cut_off_for_longer_than_anything_is_kept_asks_before_it_is_ready() -> None:
    async with Town("n1", "n2") as (one, two):
        await until(lambda: one.cluster.failure is two.cluster.failure is None)
        peer = two.peer(ANN)
        two.bus.is_cut = True
        one.revocations.revoke(ANNS)
        two.bus._kept.clear()  # stands for 300 s
        two.bus.heal()
        two.bus.missed()
        assert two.cluster.failure is not None
        assert await peer.closed() == (4103, "token_revoked")
        await until(lambda: two.cluster.failure is None)


@pytest.mark.clause("N15")
async def test_nodes_that_begin_together_wait_for_nobody() -> None:
    async with Town("n1", "n2", "n3") as nodes:
        nodes[2].revocations.revoke(ANNS)
        await until(lambda: all(node.cluster.failure is None for node in nodes))
        assert all(len(node.revocations) == 1 for node in nodes)


@pytest.mark.clause("N15")
async def test_a_node_that_is_alone_waits_for_nobody() -> None:
    async with Town("n1") as (one,):
        await until(lambda: one.cluster.failure is None)
        assert one.errors() == {}


@pytest.mark.clause("N15")
async def test_if_the_first_by_name_does_not_answer_the_next_is_asked() -> None:
    town = Town("n1", "n2", "n3")
    async with town as (one, two, three):
        await until(lambda: one.cluster.failure is two.cluster.failure is three.cluster.failure is None)
        two.revocations.revoke(ANNS)
        one.bus.is_deaf = True
        again = await asked(town, "n3")
        again.cluster.sweep()
        assert (again.cluster.failure is None, len(again.revocations)) == (False, 0)
        again.cluster.sweep()
        await until(lambda: again.cluster.failure is None)
        assert (len(again.revocations), questions(again)) == (1, 2)


@pytest.mark.clause("N15")
async def test_who_is_never_answered_goes_on_without_after_a_time_and_it_is_counted() -> None:
    town = Town("n1", "n2")
    async with town as (one, _):
        one.bus.is_deaf = True
        again = await asked(town, "n2")
        for _ in range(asking.ASKING[-1] - 1):
            again.cluster.sweep()
        assert not is_settled(again)
        again.cluster.sweep()
        assert (is_settled(again), again.errors()["bus", "unanswered"]) == (True, 1)
        assert questions(again) == len(asking.ASKING)


@pytest.mark.clause("N15")
async def test_who_was_there_a_moment_ago_and_is_not_heard_of_is_not_waited_for() -> None:
    town = Town("n1", "n2")
    async with town as (one, _):
        one.bus.is_deaf = True
        again = await asked(town, "n2")
        one.cut()
        again.remote.is_cut = True
        for _ in range(10):
            again.cluster.sweep()
        assert again.cluster.failure is not None  # nothing is heard without the store
        again.remote.is_cut = False
        for _ in range(asking.ALONE):
            again.cluster.sweep()
        assert again.cluster.failure is None


@pytest.mark.clause("N15")
async def test_an_answer_of_which_a_part_is_lost_is_none() -> None:
    town = Town("n1", "n2")
    async with town as (one, _):
        one.revocations.revoke(ANNS)
        one.bus.is_deaf = True
        again = await asked(town, "n2")
        one.bus.tell(asking.ANSWERED, {"to": "n2", "pages": 1, "sure": 1})
        one.bus.tell(asking.ANSWERED, {"to": "n3", "pages": 0, "sure": 1})
        one.bus.tell("session_role", {})
        await until(lambda: ("bus", "unreadable") in again.errors())
        assert again.cluster.failure is not None
