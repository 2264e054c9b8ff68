"""Sessions that outlive their connection: tokens, resumes, takeover, and who is asked to go."""

from typing import Any

import pytest

from channels.config import Catalog
from channels.errors import LogUnavailable, Overloaded
from channels.permissions import Role
from channels.publication import Position
from hub.auth import ANONYMOUS, Identity
from hub.protocol.messages import MAX_ID
from hub.resumption import Resumption
from hub.session import Close, Policy, State, Subscribe
from hub.session.effects import Acknowledge, Alarm, Announce, Locate, TakeOver
from hub.session.policy import Surroundings
from tests.hub.session.support import HOUR, START, Bench, admin, bench, developer, identity, log_in

GOAWAY = {"type": "goaway", "reason": "draining", "reconnect_in": [0.5, 20], "deadline": 30}
TABLES = {"room": {"subscribe": ["developer"]}}
WHERE = {"actions": "k3Fq:4410", "metrics": "k3Fq:18"}


class Household:
    """Connections of one hub, which know each other's tokens."""

    def __init__(self, resumption: Resumption | None = None, **limits: Any) -> None:
        self.tables: dict[str, Any] = TABLES
        self.resumption = Resumption() if resumption is None else resumption
        self._limits = limits

    def peer(self, who: Identity | None = ANONYMOUS, **options: Any) -> Bench:
        catalog = Catalog.from_tables(self.tables)
        around = Surroundings(Policy(**self._limits), catalog, log_in, resumption=self.resumption)
        return bench(who, surroundings=around, **options)

    def token(self, peer: Bench, **positions: str) -> str:
        """A token of `peer`, whose cursors stand at `positions`."""
        peer.send({"type": "get_reconnection_token"})
        return told_token(peer, positions)


def told_token(peer: Bench, positions: dict[str, str]) -> str:
    (answer,) = messages(peer, peer.session.located(positions, peer.moment))
    assert answer["type"] == "reconnection_token"
    token: str = answer["token"]
    return token


def messages(peer: Bench, effects: list[Any]) -> list[dict[str, Any]]:
    """What of `effects` the peer is sent, cursors as if the plane had put them."""
    found = []
    for effect in peer.take(effects):
        if isinstance(effect, dict):
            found.append(effect)
        elif isinstance(effect, Subscribe):
            found.append(peer.decode(b'"position":"k3Fq:7","behind":2'.join(effect.reply)))
    return found


def following(household: Household, who: Identity | None = None) -> tuple[Bench, str]:
    """Somebody who follows `actions` and `metrics`, and a token that says so."""
    peer = household.peer(who or developer())
    peer.send(
        {"type": "subscribe", "channel": "actions", "ack": 64},
        {"type": "subscribe", "channel": "metrics", "max_rate": 5},
    )
    return peer, household.token(peer, **WHERE)


def resumed(peer: Bench, reconnection_token: str, **members: Any) -> list[Any]:
    return peer.send({"type": "connect", "id": 1, "resume": reconnection_token, **members})


def specs_of(effects: list[Any]) -> dict[str, Any]:
    (effect,) = [effect for effect in effects if isinstance(effect, Subscribe)]
    return {spec.channel: spec for spec in effect.specs}


# --- tokens -----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("R1", "R16", "M4", "M6")
def test_a_token_is_answered_once_the_plane_has_told_the_positions() -> None:
    peer = bench(identity(Role.VIEWER, "ann", START.wall + 90))
    assert peer.send({"type": "get_reconnection_token", "id": 7}) == [Locate()]
    (duplicate,) = peer.send({"type": "ping", "id": 7})
    assert duplicate["duplicate_of"] == 7
    answer, alarm = peer.take(peer.session.located({}, peer.moment))
    assert (answer["type"], answer["id"], answer["expires_in"]) == ("reconnection_token", 7, 90)
    assert alarm == Alarm(peer.moment.now + 45)
    assert peer.session.in_flight == set()


@pytest.mark.clause("R1", "R2")
def test_an_anonymous_session_may_have_a_token_too_and_it_is_good_for_300_s() -> None:
    peer = bench(ANONYMOUS)
    peer.send({"type": "get_reconnection_token"})
    (answer,) = messages(peer, peer.session.located({}, peer.moment))
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
    assert peer.take(peer.session.located({**WHERE, "logs": "k3Fq:1"}, peer.moment)) == [Locate()]
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
    assert peer.take(peer.session.located({}, peer.moment)) == [Locate()]


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


@pytest.mark.clause("R8", "M36")
@pytest.mark.parametrize(
    ("acked", "sent", "start"),
    [
        ("k3Fq:4500", "k3Fq:4500", 4500),
        ("k3Fq:4500", "k3Fq:4600", 4500),
        ("k3Fq:4300", "k3Fq:4600", 4410),
        ("k3Fq:4700", "k3Fq:4600", 4410),
        ("t0aZ:9999", "k3Fq:4600", 4410),
    ],
)
def test_without_positions_the_later_of_token_and_ack_counts(acked: str, sent: str, start: int) -> None:
    """An ack of what was not sent, or of another epoch, is ignored: only the plane knows."""
    household = Household()
    former, token = following(household)
    answers = former.send({"type": "ack", "positions": {"actions": acked}})
    assert answers == [Acknowledge({"actions": acked}), Locate()]
    assert former.session.located({**WHERE, "actions": sent}, former.moment) == []
    assert specs_of(resumed(household.peer(), token))["actions"].start == ("at", "k3Fq", start)


@pytest.mark.clause("R8", "M36")
@pytest.mark.parametrize(
    "between",
    [
        [{"type": "unsubscribe", "channel": "actions"}, {"type": "subscribe", "channel": "actions"}],
        [{"type": "subscribe", "channel": "actions", "from": {"positions": {"actions": "k3Fq:20"}}}],
    ],
)
def test_what_was_acknowledged_of_a_former_subscription_says_nothing_of_a_later_one(between: list[Any]) -> None:
    household = Household()
    former, _ = following(household)
    former.send({"type": "ack", "positions": {"actions": "k3Fq:100"}})
    former.session.located({"actions": "k3Fq:100", "metrics": "k3Fq:18"}, former.moment)
    former.send(*between)
    token = household.token(former, actions="k3Fq:20", metrics="k3Fq:18")
    assert specs_of(resumed(household.peer(), token))["actions"].start == ("at", "k3Fq", 20)


def test_acks_ask_the_plane_once_a_second_at_most() -> None:
    household = Household()
    peer, _ = following(household)
    answers = peer.send(*[{"type": "ack", "positions": {"actions": f"k3Fq:{number}"}} for number in range(1, 50)])
    assert answers.count(Locate()) == 1


@pytest.mark.clause("S10", "M36")
def test_an_ack_concerns_only_what_is_subscribed_with_a_window() -> None:
    household = Household()
    peer, _ = following(household)
    positions = {"actions": "k3Fq:1", "metrics": "k3Fq:1", "logs": "k3Fq:1"}
    assert peer.send({"type": "ack", "positions": positions})[0] == Acknowledge({"actions": "k3Fq:1"})


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


def resumed_effects(peer: Bench, token: str) -> list[Any]:
    return peer.session.received(peer.encode({"type": "connect", "resume": token}), peer.moment)


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


@pytest.mark.clause("R7")
def test_a_role_that_an_operator_gave_since_is_not_undone_by_a_token_from_before() -> None:
    household = Household()
    former, token = following(household)
    former.session.identity_changed(identity(Role.VIEWER), former.moment)
    peer = household.peer()
    (welcome,) = messages(peer, resumed_effects(peer, token))
    assert (welcome["role"], list(welcome["errors"])) == ("viewer", ["actions"])


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


# --- refused ----------------------------------------------------------------------------------------------------------


def refusal(peer: Bench, reconnection_token: str, **members: Any) -> tuple[int, str]:
    before = (peer.session.identity, peer.session.session, dict(peer.session.subscriptions))
    (answer,) = resumed(peer, reconnection_token, **members)
    assert (peer.session.identity, peer.session.session, peer.session.subscriptions) == before
    return answer["code"], answer["error"]


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
def test_a_resume_after_a_subscribe_is_409() -> None:
    household = Household()
    _, token = following(household)
    peer = household.peer()
    peer.send({"type": "subscribe", "channel": "status"})
    assert refusal(peer, token) == (409, "resume_not_first")
    peer.send({"type": "unsubscribe", "channel": "status"})
    assert any(isinstance(answer, TakeOver) for answer in resumed(peer, token))


@pytest.mark.clause("M20", "M21")
def test_a_refused_resume_does_not_even_name_the_client() -> None:
    peer = bench(ANONYMOUS)
    refusal(peer, "nonsense", client={"name": "dash"})
    assert peer.session.client is None


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


# --- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M50", "R4")
def test_goaway_comes_behind_a_fresh_token_where_one_is_held() -> None:
    household = Household()
    peer, _ = following(household)
    assert peer.take(peer.session.leave(GOAWAY)) == [Locate()]
    assert [one["type"] for one in messages(peer, peer.session.located(WHERE, peer.moment))] == [
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
