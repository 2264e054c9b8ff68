"""Reconnection tokens: asked for, pushed, and behind a goaway (R1, R2, R4, M50)."""

import pytest

from channels.permissions import Role
from hub.auth import ANONYMOUS
from hub.protocol.messages import MAX_ID
from hub.session import Close
from hub.session.effects import Alarm, Locate
from tests.hub.session.household import (
    GOAWAY,
    WHERE,
    Household,
    following,
    located,
    messages,
    refusal,
    resumed,
    specs_of,
    told_token,
)
from tests.hub.session.support import HOUR, START, bench, developer, identity


@pytest.mark.clause("R1", "R16", "M4", "M6")
def test_a_token_is_answered_once_the_plane_has_told_the_positions() -> None:
    peer = bench(identity(Role.VIEWER, "ann", START.wall + 90))
    assert peer.send({"type": "get_reconnection_token", "id": 7}) == [Locate()]
    (duplicate,) = peer.send({"type": "ping", "id": 7})
    assert duplicate["duplicate_of"] == 7
    answer, alarm = peer.take(located(peer, {}))
    assert (answer["type"], answer["id"], answer["expires_in"]) == ("reconnection_token", 7, 90)
    assert alarm == Alarm(peer.moment.now + 45)
    assert peer.session.in_flight == set()


@pytest.mark.clause("R1", "R2")
def test_an_anonymous_session_may_have_a_token_too_and_it_is_good_for_300_s() -> None:
    peer = bench(ANONYMOUS)
    peer.send({"type": "get_reconnection_token"})
    (answer,) = messages(peer, located(peer, {}))
    assert (answer["expires_in"], "id" in answer) == (300, False)
    assert set(answer["token"]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.clause("R2", "L13")
def test_the_largest_session_fits_into_a_token() -> None:
    names = [f"{number:02}{'x' * 62}" for number in range(64)]
    household = Household()
    household.tables = {name: {"subscribe": ["developer"]} for name in names}
    peer = household.peer(identity(Role.DEVELOPER, "s" * 256))
    peer.send({"type": "subscribe", "channels": names, "delivery": "latest", "max_rate": 333.3333333, "ack": 10_000})
    assert len(household.token(peer, **dict.fromkeys(names, f"{'e' * 16}:{MAX_ID}"))) <= 16_384


@pytest.mark.clause("R2", "R14")
def test_a_session_too_large_for_a_token_is_told_so_and_goes_on() -> None:
    """Where an operator allows more subscriptions than one holds."""
    names = [f"{number:064}" for number in range(200)]
    household = Household(max_subscriptions=200)
    household.tables = {name: {"subscribe": ["developer"]} for name in names}
    peer = household.peer(developer())
    peer.send(*({"type": "subscribe", "channels": names[start : start + 50]} for start in range(0, 200, 50)))
    everywhere = dict.fromkeys(names, "k3Fq:1")
    peer.send({"type": "get_reconnection_token", "id": 7})
    (refused,) = messages(peer, located(peer, everywhere))
    assert (refused["id"], refused["error"], refused["limit"]) == (7, "too_large", 16_384)
    assert peer.send({"type": "ping", "id": 7})[0]["type"] == "pong"
    peer.session.token.is_held = True
    assert peer.take(peer.session.leave(GOAWAY)) == [Locate()]
    assert messages(peer, located(peer, everywhere)) == [GOAWAY]


@pytest.mark.clause("R4")
def test_a_change_of_subscriptions_pushes_a_fresh_token_at_most_once_a_second() -> None:
    household = Household()
    peer, _ = following(household)
    answers = peer.send({"type": "unsubscribe", "channel": "metrics"})
    assert (Locate() in answers, answers[-1]) == (False, Alarm(START.now + 1.0))
    peer.now = 1.0
    assert Locate() in peer.take(peer.session.alarm(peer.moment))
    told_token(peer, WHERE)
    peer.now = 2.5
    assert Locate() in peer.send({"type": "subscribe", "channel": "logs"})


@pytest.mark.clause("R4", "R2")
def test_what_changes_while_a_push_is_on_its_way_is_in_that_token() -> None:
    household = Household()
    peer, _ = following(household)
    peer.now = 5.0
    assert Locate() in peer.send({"type": "subscribe", "channel": "logs"})
    peer.send({"type": "subscribe", "channel": "status"})
    assert peer.take(located(peer, {**WHERE, "logs": "k3Fq:1"})) == [Locate()]
    everything = {**WHERE, "logs": "k3Fq:1", "status": "k3Fq:2"}
    token = told_token(peer, everything)
    assert specs_of(resumed(household.peer(), token)).keys() == everything.keys()


@pytest.mark.clause("R4")
def test_a_push_from_before_a_resume_restores_no_less_than_the_resume() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer(developer())
    peer.session.token.is_held = True
    peer.session.identity_changed(identity(Role.DEVELOPER, "ann"), peer.moment)
    peer.send({"type": "get_reconnection_token"})
    resumed(peer, token)
    assert peer.take(located(peer, {})) == [Locate()]


@pytest.mark.clause("R4")
def test_nothing_is_pushed_to_who_never_asked() -> None:
    peer = bench(developer())
    answers = peer.send({"type": "subscribe", "channel": "logs"}, {"type": "unsubscribe", "channel": "logs"})
    assert Locate() not in answers


@pytest.mark.clause("R4")
def test_a_fresh_token_comes_at_half_the_life_of_the_last() -> None:
    household = Household()
    peer, _ = following(household)
    peer.now = 149.0
    assert peer.take(peer.session.alarm(peer.moment)) == [Alarm(START.now + 150)]
    peer.now = 150.0
    assert Locate() in peer.take(peer.session.alarm(peer.moment))


@pytest.mark.clause("R4", "C17")
def test_another_role_pushes_a_fresh_token() -> None:
    household = Household()
    peer, _ = following(household)
    peer.now = 5.0
    assert Locate() in peer.take(peer.session.identity_changed(identity(Role.VIEWER), peer.moment))


def test_requests_for_tokens_that_are_still_on_their_way_are_bounded() -> None:
    peer = bench(developer(), max_in_flight=3)
    answers = peer.send(*[{"type": "get_reconnection_token"}] * 4)
    assert answers[:3] == [Locate()] * 3
    assert answers[3]["error"] == "too_many_in_flight"


@pytest.mark.clause("M50", "R4")
def test_goaway_comes_behind_a_fresh_token_where_one_is_held() -> None:
    household = Household()
    peer, _ = following(household)
    assert peer.take(peer.session.leave(GOAWAY)) == [Locate()]
    assert [one["type"] for one in messages(peer, located(peer, WHERE))] == [
        "reconnection_token",
        "goaway",
    ]
    assert peer.session.deadline_passed() == [Close(4301, "draining")]


@pytest.mark.clause("M50")
def test_rebalance_ends_with_its_own_code() -> None:
    peer = bench(developer())
    peer.session.leave({**GOAWAY, "reason": "rebalance"}, "rebalance")
    assert peer.session.deadline_passed() == [Close(4302, "rebalance")]


@pytest.mark.clause("M50")
def test_the_close_code_is_that_of_the_goaway_that_was_told() -> None:
    """Whatever befalls the node while the client has time to go."""
    peer = bench(developer())
    peer.session.leave({**GOAWAY, "reason": "rebalance"}, "rebalance")
    assert peer.session.leave(GOAWAY) == []
    assert peer.session.deadline_passed() == [Close(4302, "rebalance")]


@pytest.mark.clause("M50")
def test_who_has_not_logged_in_yet_is_closed_at_once() -> None:
    assert bench(None).session.leave(GOAWAY) == [Close(4301, "draining")]


@pytest.mark.clause("C15", "R1")
def test_a_token_never_outlives_the_credential() -> None:
    household = Household()
    former = household.peer(identity(Role.DEVELOPER, "ann", START.wall + HOUR))
    former.now = HOUR - 10
    token = household.token(former)
    peer = household.peer()
    peer.now = HOUR
    assert refusal(peer, token) == (410, "resume_expired")
