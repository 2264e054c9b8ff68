"""Resumes that are refused change nothing (R5, M20)."""

from typing import Any

import pytest

from channels.errors import LogUnavailable
from channels.permissions import Role
from hub.auth import ANONYMOUS
from hub.resumption import Resumption
from hub.session.effects import TakeOver
from tests.hub.session.household import (
    Household,
    following,
    refusal,
    resumed,
)
from tests.hub.session.support import bench, developer, identity


@pytest.mark.clause("R5", "C9")
@pytest.mark.parametrize("token", ["", "Zq3v0lT9c1", "a" * 16_385, "\N{SNOWMAN}", "developer", "=" * 40])
def test_what_is_no_token_of_this_hub_is_410(token: str) -> None:
    assert refusal(bench(ANONYMOUS), token) == (410, "resume_expired")


@pytest.mark.clause("R5")
def test_every_changed_character_breaks_the_seal() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer(opened=True)
    for at in range(0, len(token) - 1, 7):  # the last one may hold bits that count for nothing
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert refusal(peer, changed) == (410, "resume_expired")
        peer.now += 1.0


@pytest.mark.clause("R1", "R5")
def test_a_token_is_no_longer_good_than_it_said() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer()
    peer.now = 300.0
    assert refusal(peer, token) == (410, "resume_expired")


@pytest.mark.clause("R14")
def test_a_token_that_is_no_longer_good_says_what_the_client_does_now() -> None:
    household = Household()
    _, token = following(household)
    (answer,) = household.peer().send({"type": "connect", "id": 1, "resume": token[:-2]})
    assert answer["error"] == "resume_expired"
    assert answer["message"].endswith("; log in, and subscribe from positions (R14)")
    assert "NG_" not in answer["message"]


@pytest.mark.clause("R5")
def test_the_deny_list_comes_before_the_generation_and_the_subject() -> None:
    household = Household(Resumption(is_revoked=lambda identity, _session: identity.subject == "ann"))
    _, token = following(household)
    assert refusal(household.peer(identity(Role.DEVELOPER, "bob")), token) == (410, "resume_revoked")


@pytest.mark.clause("R5", "M20")
def test_a_token_of_somebody_else_is_409() -> None:
    household = Household()
    _, token = following(household)
    assert refusal(household.peer(identity(Role.DEVELOPER, "bob")), token) == (409, "identity_conflict")
    assert refusal(household.peer(), token, token="developer:bob") == (409, "identity_conflict")
    peer = household.peer()
    assert resumed(peer, token, token="viewer:ann")[0] == TakeOver(peer.session.session)
    assert peer.session.identity.role is Role.VIEWER


@pytest.mark.clause("R5")
@pytest.mark.parametrize(
    "before",
    [
        [{"type": "subscribe", "channel": "status"}],
        [{"type": "subscribe", "channel": "status"}, {"type": "unsubscribe", "channel": "status"}],
    ],
)
def test_a_resume_after_a_subscribe_is_409_even_if_nothing_is_followed_any_more(before: list[Any]) -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer()
    peer.send(*before)
    assert refusal(peer, token) == (409, "resume_not_first")


@pytest.mark.clause("R5")
def test_a_resume_after_one_that_restored_something_is_409_even_if_all_of_it_was_given_up() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer()
    resumed(peer, token)
    peer.send({"type": "unsubscribe", "channels": ["*"]})
    assert peer.session.subscriptions == {}
    assert refusal(peer, token) == (409, "resume_not_first")


@pytest.mark.clause("R5", "E3")
def test_a_subscribe_that_was_refused_is_none() -> None:
    """By the session, or by the broker."""
    household = Household()
    _, token = following(household)
    peer = household.peer()
    *_, asked = peer.send({"type": "subscribe", "channel": "nowhere"}, {"type": "subscribe", "channel": "status"})
    peer.session.subscribe_failed(asked, {None: LogUnavailable("not now")})
    assert isinstance(resumed(peer, token)[0], TakeOver)


@pytest.mark.clause("R5", "R7")
def test_a_resume_that_restored_nothing_leaves_room_for_another() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer()
    for _ in range(2):
        answers = resumed(peer, household.token(household.peer(developer())))
        assert isinstance(answers[0], TakeOver)
    assert isinstance(resumed(peer, token)[0], TakeOver)


@pytest.mark.clause("M20", "M21")
def test_a_refused_resume_does_not_even_name_the_client() -> None:
    peer = bench(ANONYMOUS)
    refusal(peer, "nonsense", client={"name": "dash"})
    assert peer.session.client is None
