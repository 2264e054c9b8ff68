"""Who is there: the first words, `connect`, expiry and changes of role."""

from typing import Any

import pytest

from channels.buckets import Rate
from channels.config import Catalog
from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity, Revocation
from hub.session import Accept, Alarm, Announce, Close, Policy, SetLimit, State, Unsubscribe
from hub.session.policy import Surroundings
from tests.hub.session.support import HOUR, START, Bench, admin, bench, developer, identity, log_in

GOAWAY = {"type": "goaway", "reason": "draining", "reconnect_in": [0.5, 20], "deadline": 30}


def opened(who: Identity | None, **limits: Any) -> list[Any]:
    peer = bench(who, opened=False, **limits)
    return peer.take(peer.session.opened(START))


def welcome_of(who: Identity, **options: Any) -> dict[str, Any]:
    return next(message for message in opened(who, **options) if isinstance(message, dict))


def types(answers: list[Any]) -> list[Any]:
    return [answer["type"] if isinstance(answer, dict) else type(answer) for answer in answers]


# --- the first words --------------------------------------------------------------------------------------------------


@pytest.mark.clause("C13", "M40")
def test_the_first_message_is_welcome_with_the_role_of_the_credential() -> None:
    assert types(opened(developer())) == [SetLimit, "welcome", Announce]


@pytest.mark.clause("C13", "L6", "L8")
def test_who_must_log_in_hears_nothing_and_is_closed_after_ten_seconds() -> None:
    peer = bench(None, opened=False)
    first = peer.take(peer.session.opened(START))
    peer.now = 9.9
    early = peer.take(peer.session.alarm(peer.moment))
    peer.now = 10.0
    late = peer.take(peer.session.alarm(peer.moment))
    assert first == [Alarm(110.0), SetLimit(65_536)]
    assert early == [Alarm(110.0)]
    assert late == [Close(4101, "login_required")]


@pytest.mark.clause("R6", "M40")
def test_a_refused_resume_is_told_before_welcome() -> None:
    peer = bench(developer(), opened=False)
    answers = peer.take(peer.session.opened(START, reconnection_token="Zq3v0lT9c1"))
    assert types(answers) == [SetLimit, "error", "welcome", Announce]
    assert (answers[1]["re"], answers[1]["code"], answers[1]["error"]) == ("connect", 410, "resume_expired")
    assert answers[2]["role"] == "developer"


@pytest.mark.clause("N11", "M2")
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_node_that_goes_on_without_its_store_says_so(is_alone: bool) -> None:
    around = Surroundings(Policy(), Catalog(), log_in, is_alone=lambda: is_alone)
    peer = bench(developer(), surroundings=around, opened=False)
    (welcome,) = [one for one in peer.take(peer.session.opened(START)) if isinstance(one, dict)]
    assert welcome.get("local", False) is is_alone


@pytest.mark.clause("M41", "M42", "H1")
def test_welcome_shows_every_member_and_nothing_that_does_not_apply() -> None:
    assert welcome_of(identity(Role.VIEWER, "ann", START.wall + 90.7)) == {
        "type": "welcome",
        "conn": "c-1",
        "session": "s-1",
        "node": "n1",
        "version": "1",
        "user": "ann",
        "role": "viewer",
        "resumed": False,
        "expires_in": 90,
        "heartbeat": {"interval": 30, "timeout": 10},
        "limits": {
            "message": 1_048_576,
            "control": 65_536,
            "decoded": 8_388_608,
            "subscriptions": 64,
            "in_flight": 256,
            "resume_events": 1_000,
            "emit_batch": 1_000,
            "rates": {
                "ping": [120, 2],
                "subscribe": [30, 1],
                "unsubscribe": [30, 1],
                "publish": [60, 10],
                "emit": [1_000, 1_000],
                "default": [60, 10],
            },
        },
        "encodings": ["gzip", "zlib", "deflate"],
        "channels": {"metrics": {"rights": ["subscribe"]}, "status": {"rights": ["subscribe"]}},
    }


@pytest.mark.clause("M41")
def test_anonymous_has_no_user_and_nothing_of_his_expires() -> None:
    assert {"user", "expires_in", "subscriptions", "errors", "id"} & welcome_of(ANONYMOUS).keys() == set()


@pytest.mark.clause("M41", "C19")
@pytest.mark.parametrize(
    ("role", "channels"),
    [
        (
            Role.ADMIN,
            {"metrics": "SB", "signals": "SBE", "actions": "SB", "logs": "SB", "status": "SB", "connections": "SB"},
        ),
        (Role.DEVELOPER, {"metrics": "S", "signals": "SE", "actions": "S", "logs": "S", "status": "S"}),
        (Role.VIEWER, {"metrics": "S", "status": "S"}),
        (Role.BOT, {"metrics": "S", "signals": "SE", "status": "S"}),
        (Role.ANONYMOUS, {"metrics": "S", "status": "S"}),
    ],
)
def test_welcome_lists_exactly_the_channels_on_which_the_role_has_a_right(role: Role, channels: dict[str, str]) -> None:
    letters = {"subscribe": "S", "broadcast": "B", "emit": "E"}
    who = ANONYMOUS if role is Role.ANONYMOUS else identity(role)
    shown = welcome_of(who)["channels"]
    assert {name: "".join(letters[right] for right in told["rights"]) for name, told in shown.items()} == channels


@pytest.mark.clause("M41", "C23", "C24")
def test_welcome_shows_namespaces_by_their_pattern_own_channels_by_name_and_limits_that_differ() -> None:
    tables = {
        "room:*": {"subscribe": ["viewer"], "max_message": 2_048},
        "user:{sub}": {"subscribe": ["viewer"]},
        "other": {"subscribe": ["developer"]},
    }
    channels = welcome_of(identity(Role.VIEWER, "ann"), tables=tables)["channels"]
    assert channels["room:*"] == {"rights": ["subscribe"], "message": 2_048}
    assert channels["user:ann"] == {"rights": ["subscribe"]}
    assert "other" not in channels


@pytest.mark.clause("L22")
def test_welcome_tells_the_rates_of_an_api_key() -> None:
    key = Identity("svc", Role.BOT, kind="api_key", rates={"publish": Rate(500, 0.5)})
    rates = welcome_of(key)["limits"]["rates"]
    assert (rates["publish"], rates["ping"]) == ([500, 0.5], [120, 2])


# --- connect ----------------------------------------------------------------------------------------------------------


@pytest.mark.clause("M20", "C13", "L7")
def test_a_login_from_waiting_makes_ready_and_raises_the_limit_of_messages() -> None:
    peer = bench(None)
    answers = peer.send({"type": "connect", "id": 1, "token": "developer"})
    assert types(answers) == [SetLimit, "welcome", Alarm, Announce]
    assert (answers[1]["id"], answers[1]["role"], answers[1]["user"]) == (1, "developer", "ann")
    assert (answers[0].max_message, answers[3].event) == (1_048_576, "join")
    assert peer.session.state is State.READY


@pytest.mark.clause("C13")
def test_while_a_login_is_required_everything_but_ping_and_connect_is_401() -> None:
    peer = bench(None)
    messages = [
        {"type": "connect", "id": 1},
        {"type": "subscribe", "channel": "metrics", "id": 2},
        {"type": "unsubscribe", "channel": "metrics", "id": 3},
        {"type": "publish", "channel": "metrics", "event": "x", "id": 4},
        {"type": "emit", "event_type": "x", "vector": [0] * 8, "id": 5},
        {"type": "get_reconnection_token", "id": 6},
    ]
    answers = peer.send(*messages)
    assert [(answer["id"], answer["code"], answer["error"]) for answer in answers] == [
        (number, 401, "login_required") for number in range(1, 7)
    ]
    assert types(peer.send({"type": "ping"}, {"type": "ack", "positions": {}})) == ["pong"]


@pytest.mark.clause("M20", "M21")
def test_a_connect_with_neither_token_nor_resume_names_the_client() -> None:
    peer = bench(developer())
    answers = peer.send({"type": "connect", "client": {"name": "dash", "version": "1.4"}, "accept": ["gzip"]})
    assert types(answers) == [Accept, "welcome", Announce]
    assert (answers[2].event, answers[2].data["client"]) == ("update", {"name": "dash", "version": "1.4"})


@pytest.mark.clause("M21", "B9")
def test_accept_names_what_the_client_decodes_and_without_it_nothing_changes() -> None:
    peer = bench(developer())

    def accepted(**members: Any) -> list[tuple[str, ...]]:
        peer.send({"type": "connect", **members})
        found = [effect.encodings for effect in peer.log if isinstance(effect, Accept)]
        peer.log.clear()
        return found

    assert accepted() == []
    assert accepted(accept=["br", "deflate", "gzip"]) == [("gzip", "deflate")]
    assert accepted(client={"name": "x"}) == []
    assert accepted(token="nobody", accept=[]) == []  # what is refused changes nothing (M20)
    assert accepted(accept=["deflate", "gzip", "br"]) == []
    assert accepted(accept=[]) == [()]


@pytest.mark.clause("C22")
def test_connections_are_told_who_is_there_and_what_changed() -> None:
    peer = bench(ANONYMOUS)
    answers = peer.send({"type": "connect", "token": "bot:b7"})
    entries = [answer for answer in answers if isinstance(answer, Announce)]
    assert [(entry.event, entry.data) for entry in entries] == [
        (
            "update",
            {
                "user": "b7",
                "role": "bot",
                "node": "n1",
                "address": "192.0.2.1",
                "client": None,
                "since": START.wall,
            },
        )
    ]


@pytest.mark.clause("C22")
def test_who_was_announced_leaves_once_and_who_was_not_does_not() -> None:
    peer, waiting = bench(ANONYMOUS), bench(None)
    left = peer.session.ended(1000) + peer.session.ended(1000) + waiting.session.ended(1006)
    assert [(entry.event, entry.data["code"]) for entry in left if isinstance(entry, Announce)] == [("leave", 1000)]


@pytest.mark.clause("C10")
def test_an_invalid_token_is_401_and_the_former_role_stays() -> None:
    peer = bench(developer())
    (answer,) = peer.send({"type": "connect", "id": 1, "token": "nonsense"})
    assert (answer["id"], answer["code"], answer["error"]) == (1, 401, "token_invalid")
    assert peer.session.identity.role is Role.DEVELOPER


@pytest.mark.clause("C10")
@pytest.mark.parametrize(("token", "error"), [("expired", "token_expired"), ("revoked", "token_invalid")])
def test_an_expired_or_revoked_token_is_401(token: str, error: str) -> None:
    (answer,) = bench().send({"type": "connect", "token": token})
    assert (answer["code"], answer["error"]) == (401, error)


@pytest.mark.clause("C10")
@pytest.mark.parametrize("who", [None, ANONYMOUS, developer()])
def test_the_fifth_invalid_credential_in_a_row_closes_with_4101(who: Identity | None) -> None:
    peer = bench(who)
    answers = peer.send(*[{"type": "connect", "token": "nonsense"}] * 6)
    assert types(answers) == ["error"] * 5 + [Close]
    assert answers[5] == Close(4101, "token_invalid")


@pytest.mark.clause("C10")
def test_a_valid_credential_begins_the_row_anew() -> None:
    peer = bench()
    bad = {"type": "connect", "token": "nonsense"}
    answers = peer.send(*[bad] * 4, {"type": "connect", "token": "developer"}, *[bad] * 4)
    assert Close not in types(answers)


@pytest.mark.clause("C10")
def test_an_address_that_guesses_is_closed_before_anything_is_checked() -> None:
    answers = bench().send({"type": "connect", "id": 1, "token": "flood"})
    assert (answers[0]["error"], answers[0]["retry_after"]) == ("rate_limited", 2.5)
    assert answers[1] == Close(4229, "rate_abuse; too many failed logins of this address")


@pytest.mark.clause("C16")
def test_a_refresh_must_carry_the_same_subject() -> None:
    peer = bench(developer())
    (answer,) = peer.send({"type": "connect", "id": 1, "token": "developer:bob"})
    assert (answer["code"], answer["error"]) == (409, "identity_conflict")
    assert "open another connection" in answer["message"]
    assert (peer.session.identity.subject, peer.session.failed_logins) == ("ann", 0)


@pytest.mark.clause("C16")
def test_anonymous_may_become_anybody() -> None:
    peer = bench(ANONYMOUS)
    peer.send({"type": "connect", "token": "developer:bob"})
    assert peer.session.identity.subject == "bob"


@pytest.mark.clause("M20")
def test_a_resume_is_410_and_the_token_beside_it_is_checked_first() -> None:
    peer = bench(ANONYMOUS)
    answers = peer.send(
        {"type": "connect", "id": 1, "resume": "Zq3v0lT9c1", "positions": {"metrics": "k3Fq:18231"}},
        {"type": "connect", "id": 2, "resume": "Zq3v0lT9c1", "token": "nonsense"},
        {"type": "connect", "id": 3, "resume": "Zq3v0lT9c1", "token": "developer"},
    )
    assert [(answer["id"], answer["code"]) for answer in answers] == [(1, 410), (2, 401), (3, 410)]
    assert peer.session.identity is ANONYMOUS


# --- expiry, revocation, roles ----------------------------------------------------------------------------------------


@pytest.mark.clause("C15")
def test_an_expired_credential_closes_with_4101_not_before_exp() -> None:
    peer = bench(identity(Role.VIEWER, expires_at=START.wall + 60), opened=False)
    first = peer.take(peer.session.opened(START))
    peer.now = 59.5
    early = peer.take(peer.session.alarm(peer.moment))
    peer.now = 60.0
    assert Alarm(START.now + 60) in first
    assert early == [Alarm(START.now + 60)]
    assert peer.take(peer.session.alarm(peer.moment)) == [Close(4101, "token_expired")]


@pytest.mark.clause("C15", "H6")
def test_expiry_follows_the_wall_clock_and_timers_the_monotonic_one() -> None:
    peer = bench(identity(Role.VIEWER, expires_at=START.wall + 60))
    set_back = START._replace(now=START.now + 60, wall=START.wall)
    assert peer.take(peer.session.alarm(set_back)) == [Alarm(START.now + 120)]


@pytest.mark.clause("C15")
def test_a_refresh_prevents_the_expiry() -> None:
    peer = bench(identity(Role.DEVELOPER, expires_at=START.wall + 60))
    peer.now = 59.0
    answers = peer.send({"type": "connect", "token": "developer"})
    peer.now = 61.0
    assert types(answers) == ["welcome", Alarm]
    assert types(peer.take(peer.session.alarm(peer.moment))) == [Alarm]


@pytest.mark.clause("C17", "M43")
def test_a_change_of_role_stops_says_welcome_and_names_what_was_stopped() -> None:
    peer = bench(admin())
    peer.send({"type": "subscribe", "channels": ["metrics", "logs", "connections"]})
    answers = peer.take(peer.session.identity_changed(identity(Role.VIEWER, "root"), peer.moment))
    assert types(answers) == [Unsubscribe, "welcome", "unsubscribed", Announce]
    assert (answers[0].channels, answers[0].reply) == (["logs", "connections"], None)
    assert (answers[1]["role"], "id" in answers[1]) == ("viewer", False)
    assert answers[2] == {
        "type": "unsubscribed",
        "channels": ["logs", "connections"],
        "code": 403,
        "reason": "role changed",
    }
    assert list(peer.session.subscriptions) == ["metrics"]


@pytest.mark.clause("C17")
def test_a_connect_that_changes_the_role_does_the_same_with_its_id() -> None:
    peer = bench(identity(Role.DEVELOPER, "ann"))
    peer.send({"type": "subscribe", "channels": ["metrics", "logs"]})
    answers = peer.send({"type": "connect", "id": 5, "token": "viewer"})
    assert types(answers) == [Unsubscribe, "welcome", "unsubscribed", Alarm, Announce]
    assert (answers[1]["id"], answers[2]["channels"]) == (5, ["logs"])


def revocation(scope: str, name: str) -> Revocation:
    return Revocation(scope, name, START.wall, START.wall + HOUR)  # type: ignore[arg-type]


@pytest.mark.clause("C17")
@pytest.mark.parametrize(
    "covering", [revocation("token", "t-ann"), revocation("session", "s-1"), revocation("subject", "ann")]
)
def test_a_revocation_closes_with_4103(covering: Revocation) -> None:
    peer = bench(developer())
    assert peer.session.revoked(covering) == [Close(4103, "token_revoked")]


def test_a_revocation_of_somebody_else_changes_nothing() -> None:
    assert bench(developer()).session.revoked(revocation("subject", "bob")) == []


@pytest.mark.clause("C17")
def test_a_kick_closes_with_4010() -> None:
    assert bench(developer()).session.kicked() == [Close(4010, "kicked")]


@pytest.mark.clause("R12")
def test_a_drained_session_takes_no_new_subscription_and_finishes_what_it_has() -> None:
    peer = bench(admin())
    told = peer.take(peer.session.leave(GOAWAY))
    assert told == [GOAWAY]
    answers = peer.send(
        {"type": "connect", "id": 1},
        {"type": "subscribe", "id": 2, "channel": "logs"},
        {"type": "unsubscribe", "id": 3, "channel": "logs"},
        {"type": "ping", "id": 4},
    )
    assert [answer["code"] for answer in answers[:2]] == [503, 503]
    assert types(answers[2:]) == [Unsubscribe, "pong"]
    assert peer.session.deadline_passed() == [Close(4301, "draining")]


def test_the_login_of_this_test_knows_every_role() -> None:
    assert [log_in(role, "::1", START).role for role in Role] == list(Role)


def test_a_session_tells_its_state_in_its_repr() -> None:
    assert repr(Bench(bench(developer()).session).session) == "Session(c-1, ready, ann as developer, 0 subscriptions)"
