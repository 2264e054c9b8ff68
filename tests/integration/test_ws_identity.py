"""Logging in, refreshing, expiring, losing rights: over a real connection."""

import time
from collections.abc import Callable

import pytest

from channels.permissions import Role
from hub.auth import Revocation
from tests.support.hub import RunningHub
from tests.support.ws import Peer

Start = Callable[..., RunningHub]


@pytest.mark.clause("C10", "M20")
def test_five_wrong_tokens_close_with_4101_and_the_role_stays_until_then(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "viewer") as peer:
        for _ in range(4):
            assert peer.ask(type="connect", token="nonsense")["error"] == "token_invalid"
        assert peer.ask(type="subscribe", channel="metrics")["type"] == "subscribed"
        peer.send({"type": "connect", "token": "nonsense"})
        assert peer.closed() == (4101, "token_invalid")


@pytest.mark.clause("C16", "C17", "M20")
def test_a_login_takes_effect_at_once_and_another_subject_is_409(ws_hub: RunningHub) -> None:
    with Peer(ws_hub) as peer:
        assert peer.ask(type="subscribe", channel="logs")["code"] == 403
        assert peer.ask(type="connect", token=ws_hub.token("developer", "ann"))["user"] == "ann"
        assert peer.ask(type="subscribe", channel="logs")["type"] == "subscribed"
        refused = peer.ask(type="connect", token=ws_hub.token("admin", "bob"))
        assert (refused["code"], refused["error"]) == (409, "identity_conflict")


@pytest.mark.clause("C17", "M43")
def test_a_refresh_that_lowers_the_role_ends_what_is_no_longer_allowed(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "developer", subject="ann") as peer:
        peer.ask(type="subscribe", channels=["logs", "metrics"])
        welcome = peer.ask(type="connect", token=ws_hub.token("viewer", "ann"))
        ended = peer.next("unsubscribed")
    assert (welcome["role"], "logs" in welcome["channels"]) == ("viewer", False)
    assert (ended["channels"], ended["code"]) == (["logs"], 403)


@pytest.mark.clause("C15")
@pytest.mark.accept("C1")
def test_an_expired_credential_is_closed_with_4101_within_five_seconds(ws_hub: RunningHub) -> None:
    expires = time.time() + 1.0
    token = ws_hub.token("viewer", exp=expires)
    with Peer(ws_hub, token=token) as peer:
        assert peer.welcome["expires_in"] in (0, 1)
        assert peer.closed() == (4101, "token_expired")
        assert expires <= time.time() < expires + 5


@pytest.mark.clause("C15")
def test_a_refresh_before_the_end_prevents_it(ws_hub: RunningHub) -> None:
    token = ws_hub.token("viewer", "ann", exp=time.time() + 1.0)
    with Peer(ws_hub, token=token) as peer, Peer(ws_hub, token=token) as other:
        assert peer.ask(type="connect", token=ws_hub.token("viewer", "ann", ttl=60))["expires_in"] > 50
        assert other.closed() == (4101, "token_expired")
        assert peer.ask(type="ping")["type"] == "pong"


@pytest.mark.clause("C17", "X1")
@pytest.mark.accept("C1")
@pytest.mark.parametrize("scope", ["token", "session", "subject"])
def test_a_revocation_closes_with_4103(ws_hub: RunningHub, scope: str) -> None:
    with (
        Peer(ws_hub, token=ws_hub.token("viewer", "ann", jti="t-1", iat=time.time() - 60)) as peer,
        Peer(ws_hub) as other,
    ):
        name = {"token": "t-1", "session": peer.welcome["session"], "subject": "ann"}[scope]
        revocation = Revocation(scope, name, time.time(), time.time() + 60)  # type: ignore[arg-type]
        ws_hub.call(lambda hub: hub.authenticator.revocations.revoke(revocation))
        assert peer.closed() == (4103, "token_revoked")
        assert other.ask(type="ping")["type"] == "pong"


@pytest.mark.clause("C10", "C17")
def test_who_comes_with_a_revoked_credential_is_closed_with_4103(ws_hub: RunningHub) -> None:
    token = ws_hub.token("viewer", "ann", jti="t-1")
    revocation = Revocation("token", "t-1", time.time(), time.time() + 60)
    ws_hub.call(lambda hub: hub.authenticator.revocations.revoke(revocation))
    with Peer(ws_hub, token=token, reads=False) as peer:
        assert peer.closed() == (4103, "token_revoked; the credential has been revoked")
    with Peer(ws_hub) as peer:
        assert peer.ask(type="connect", token=token)["error"] == "token_invalid"


@pytest.mark.clause("C17")
def test_a_kick_closes_with_4010(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "viewer") as peer:
        name = peer.welcome["conn"]
        assert ws_hub.call(lambda hub: hub.connections.kick(name)) is True
        assert peer.closed() == (4010, "kicked")
        assert ws_hub.call(lambda hub: hub.connections.kick(name)) is False
        assert ws_hub.call(lambda hub: hub.connections.kick("c-none")) is False


@pytest.mark.clause("C17", "M40")
def test_a_change_of_role_is_told_by_a_welcome_without_id(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "admin") as peer:
        peer.ask(type="subscribe", channels=["connections", "metrics"])
        assert ws_hub.call(lambda hub: hub.connections.change_role(peer.welcome["conn"], Role.VIEWER)) is True
        welcome, ended = peer.next("welcome"), peer.next("unsubscribed")
        assert ("id" in welcome, welcome["role"]) == (False, "viewer")
        assert (ended["channels"], ended["code"]) == (["connections"], 403)
        assert peer.ask(type="publish", channel="logs", event="x")["code"] == 403


@pytest.mark.clause("M21")
def test_the_name_of_a_client_is_shown_to_operators(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "viewer", subject="ann") as peer:
        peer.ask(type="connect", client={"name": "dash", "version": "1.4"})
        peer.ask(type="subscribe", channel="metrics")
        (shown,) = ws_hub.call(lambda hub: hub.connections.snapshot())
    assert (shown["id"], shown["user"], shown["role"]) == (peer.welcome["conn"], "ann", "viewer")
    assert (shown["client"], shown["subscriptions"]) == ({"name": "dash", "version": "1.4"}, ["metrics"])
    assert shown["relayed"] is (ws_hub.transport == "relay")
