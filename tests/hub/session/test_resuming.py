"""Sessions that outlive their connection: resumes, generations, takeover."""

from typing import Any

import pytest

from channels.errors import LogUnavailable, Overloaded
from channels.publication import Position
from hub.auth import ANONYMOUS
from hub.session import Close, State, Subscribe
from hub.session.effects import Announce, Locate, TakeOver
from tests.hub.session.household import (
    WHERE,
    Household,
    following,
    messages,
    resumed,
    resumed_effects,
    specs_of,
    told_token,
)
from tests.hub.session.support import START, Bench, admin, bench, developer

# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.clause("R2", "R3", "R5", "M20", "M42", "M9")
@pytest.mark.accept("E1")
def test_a_resume_restores_identity_and_subscriptions_with_their_options() -> None:
    household = Household()
    former, token = following(household)
    peer = household.peer(ANONYMOUS)
    answers = resumed(peer, token)
    assert answers[0] == TakeOver(former.session.session)
    (welcome,) = [peer.decode(b'"position":"k3Fq:7","behind":2'.join(one.reply)) for one in answers if is_cursor(one)]
    assert (welcome["type"], welcome["id"], welcome["resumed"]) == ("welcome", 1, True)
    assert (welcome["user"], welcome["role"], welcome["session"]) == ("ann", "developer", former.session.session)
    assert welcome["subscriptions"] == {
        "actions": {"position": "k3Fq:7", "behind": 2, "delivery": "all", "on_slow": "close", "ack": 64},
        "metrics": {"position": "k3Fq:7", "behind": 2, "delivery": "latest", "on_slow": "gap", "max_rate": 5},
    }
    assert "errors" not in welcome
    specs = specs_of(answers)
    assert specs["actions"].start == ("at", "k3Fq", 4410)
    assert (specs["actions"].ack, specs["metrics"].max_rate) == (64, 5)


def is_cursor(effect: Any) -> bool:
    return isinstance(effect, Subscribe)


@pytest.mark.clause("R4", "R11")
def test_a_fresh_token_is_pushed_right_after_the_welcome_of_a_resume() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer(ANONYMOUS)
    kinds = [type(answer) for answer in resumed(peer, token)]
    assert kinds == [TakeOver, Subscribe, Locate, Announce]


@pytest.mark.clause("R8", "M20")
def test_the_clients_positions_win_over_those_of_the_token() -> None:
    household = Household()
    _, token = following(household)
    specs = specs_of(resumed(household.peer(), token, positions={"actions": "k3Fq:4400", "nowhere": "k3Fq:1"}))
    assert specs["actions"].start == ("at", "k3Fq", 4400)
    assert specs["metrics"].start == ("at", "k3Fq", 18)


@pytest.mark.clause("N4", "R2")
def test_what_the_token_itself_says_goes_along_as_proof() -> None:
    household = Household()
    _, token = following(household)
    specs = specs_of(resumed(household.peer(), token, positions={"actions": "k3Fq:9999"}))
    assert specs["actions"].proof == Position("k3Fq", 4410)


@pytest.mark.clause("R7")
def test_rights_are_those_of_today_and_what_is_lost_stands_under_errors() -> None:
    household = Household()
    former = household.peer(developer())
    former.send({"type": "subscribe", "channels": ["room", "logs", "metrics"]})
    token = household.token(former, room="k3Fq:1", logs="k3Fq:2", metrics="k3Fq:3")
    household.tables = {"logs": {"subscribe": ["admin"]}}
    peer = household.peer()
    (welcome,) = messages(peer, resumed_effects(peer, token))
    assert list(welcome["subscriptions"]) == ["metrics"]
    assert {name: error["code"] for name, error in welcome["errors"].items()} == {"room": 404, "logs": 403}
    assert list(peer.session.subscriptions) == ["metrics"]


@pytest.mark.clause("R7", "M42")
def test_a_resume_of_which_nothing_is_left_is_a_resume() -> None:
    household = Household()
    former = household.peer(developer())
    former.send({"type": "subscribe", "channel": "logs"})
    token = household.token(former, logs="k3Fq:2")
    household.tables = {"logs": {"subscribe": ["admin"]}}
    peer = household.peer()
    (welcome,) = messages(peer, resumed_effects(peer, token))
    assert (welcome["resumed"], welcome["subscriptions"], list(welcome["errors"])) == (True, {}, ["logs"])


@pytest.mark.clause("R3", "M40")
@pytest.mark.accept("E2")
def test_a_token_in_the_url_resumes_and_its_welcome_is_the_first_message() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer(opened=False)
    first, *others = messages(peer, peer.session.opened(START, reconnection_token=token))
    assert (first["type"], first["resumed"], first["user"], others) == ("welcome", True, "ann", [])


@pytest.mark.clause("R3", "R6")
def test_a_token_too_long_for_a_url_is_refused_there_and_the_connection_goes_on() -> None:
    peer = bench(ANONYMOUS, opened=False)
    refused, welcome = messages(peer, peer.session.opened(START, reconnection_token="a" * 6_145))
    assert (refused["error"], refused["re"], welcome["role"]) == ("resume_expired", "connect", "anonymous")


@pytest.mark.clause("R6", "C13")
def test_where_a_login_is_required_a_failed_token_is_told_and_the_login_awaited() -> None:
    peer = bench(None, opened=False)
    (refused,) = messages(peer, peer.session.opened(START, reconnection_token="nonsense"))
    assert (refused["error"], peer.session.state) == ("resume_expired", State.WAITING)


@pytest.mark.clause("R5", "C13")
def test_a_resume_is_a_login() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer(None)
    (welcome,) = messages(peer, resumed_effects(peer, token))
    assert (welcome["user"], peer.session.state) == ("ann", State.READY)


# --- generations ------------------------------------------------------------------------------------------------------


def again(household: Household, token: str, at: float) -> tuple[Bench, list[Any]]:
    peer = household.peer()
    peer.now = at
    return peer, resumed(peer, token)


@pytest.mark.clause("R10")
def test_a_token_resumes_again_for_30_s_after_its_first_use_so_that_a_lost_welcome_burns_nothing() -> None:
    household = Household()
    _, token = following(household)
    for at in (1.0, 2.0, 31.0):
        assert isinstance(again(household, token, at)[1][0], TakeOver)
    assert again(household, token, 31.1)[1][0]["error"] == "resume_expired"


@pytest.mark.clause("R10")
def test_a_second_use_within_the_grace_raises_no_generation_again() -> None:
    household = Household()
    _, token = following(household)
    first, _ = again(household, token, 1.0)
    second, _ = again(household, token, 30.0)
    fresh = told_token(first, WHERE)
    assert (first.session.token.generation, second.session.token.generation) == (1, 1)
    assert isinstance(again(household, fresh, 32.0)[1][0], TakeOver)


@pytest.mark.clause("R10", "R2")
def test_where_the_record_was_lost_seal_and_expiry_alone_decide() -> None:
    household = Household()
    _, token = following(household)
    again(household, token, 1.0)
    household.resumption._sessions.clear()
    assert isinstance(again(household, token, 100.0)[1][0], TakeOver)


# --- takeover ---------------------------------------------------------------------------------------------------------


@pytest.mark.clause("R12", "R11")
def test_who_lost_the_session_is_read_no_more_and_completes_what_it_has_accepted() -> None:
    household = Household()
    former = household.peer(admin())
    (publish,) = former.send({"type": "publish", "id": 1, "channel": "logs", "event": "x"})
    assert former.session.superseded() == []
    assert former.send({"type": "ping", "id": 2}, b"{", {"type": "get_reconnection_token"}) == []
    assert former.take(former.session.answered(publish.ticket, {"type": "ack", "id": 1}))[0]["id"] == 1
    assert former.session.taken_over() == [Close(4009, "taken_over")]


# --- refused by the broker --------------------------------------------------------------------------------------------


def about_to_follow() -> tuple[Bench, Subscribe]:
    """A peer that has resumed, and what the broker is asked for it."""
    household = Household()
    _, token = following(household)
    peer = household.peer()
    (effect,) = [one for one in resumed(peer, token) if isinstance(one, Subscribe)]
    return peer, effect


@pytest.mark.clause("R7", "M23")
def test_a_channel_that_the_broker_cannot_open_fails_alone() -> None:
    peer, effect = about_to_follow()
    full = Overloaded("too many channels", channel="metrics", limit=1)
    (welcome,) = messages(peer, peer.session.subscribe_failed(effect, {full.channel: full}))
    assert (welcome["resumed"], list(welcome["subscriptions"])) == (True, ["actions"])
    assert welcome["errors"]["metrics"]["code"] == 503


@pytest.mark.clause("E3", "M26")
def test_options_that_were_refused_by_the_broker_are_not_kept() -> None:
    peer = bench(developer())
    peer.send({"type": "subscribe", "channel": "logs"})
    before = dict(peer.session.subscriptions)
    (effect,) = peer.send({"type": "subscribe", "channel": "logs", "delivery": "latest", "ack": 5})
    peer.session.subscribe_failed(effect, {None: LogUnavailable("not now")})
    assert peer.session.subscriptions == before


@pytest.mark.clause("M4", "R7")
def test_a_resume_is_answered_even_if_nothing_can_be_followed() -> None:
    peer, effect = about_to_follow()
    (welcome,) = messages(peer, peer.session.subscribe_failed(effect, {None: LogUnavailable("the node is stopping")}))
    assert (welcome["id"], welcome["subscriptions"]) == (1, {})
    assert {error["code"] for error in welcome["errors"].values()} == {503}
    assert peer.session.subscriptions == {}
