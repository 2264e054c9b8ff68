"""What an operator decided of a session, and how long it holds (C17, R7)."""

from dataclasses import replace

import pytest

from channels.permissions import Role
from hub.auth import ANONYMOUS, Identity
from hub.resumption import Resumption
from hub.session.effects import TakeOver
from tests.hub.session.household import (
    WHERE,
    Household,
    following,
    messages,
    resumed,
    resumed_effects,
    told_token,
)
from tests.hub.session.support import Bench, developer, identity


@pytest.mark.clause("R7")
def test_a_role_that_an_operator_gave_since_is_not_undone_by_a_token_from_before() -> None:
    household = Household()
    former, token = following(household)
    former.session.identity_changed(identity(Role.VIEWER), former.moment)
    peer = household.peer()
    (welcome,) = messages(peer, resumed_effects(peer, token))
    assert (welcome["role"], list(welcome["errors"])) == ("viewer", ["actions"])


def demoted(household: Household) -> tuple[Bench, str, str]:
    """Somebody whom an operator made a viewer, with a token from before that and one from after."""
    peer, before = following(household)
    peer.now = 1.0
    peer.session.identity_changed(replace(peer.session.identity, role=Role.VIEWER), peer.moment)
    peer.now = 3.0
    peer.session.alarm(peer.moment)
    return peer, before, told_token(peer, WHERE)


@pytest.mark.clause("R7", "C17", "M20")
@pytest.mark.parametrize("is_remembered", [True, False])
def test_the_credential_from_before_does_not_undo_what_an_operator_decided(is_remembered: bool) -> None:
    """Neither on the connection, nor beside a token, nor in the handshake; a token from after it needs no memory."""
    household = Household()
    peer, before, after = demoted(household)
    peer.send({"type": "connect", "token": "developer"})
    roles = [peer.session.identity.role]
    if not is_remembered:
        household.resumption._sessions.clear()
    for token in (before, after) if is_remembered else (after,):
        for who, members in ((ANONYMOUS, {"token": "developer"}), (developer(), {})):
            successor = household.peer(who)
            successor.now = 3.0
            assert isinstance(resumed(successor, token, **members)[0], TakeOver)
            roles.append(successor.session.identity.role)
    assert set(roles) == {Role.VIEWER}


@pytest.mark.clause("R7", "C15", "C17")
@pytest.mark.parametrize("decided", [Role.VIEWER, Role.ADMIN])
def test_a_credential_that_was_issued_after_an_operators_decision_ends_it(decided: Role) -> None:
    household = Household()
    peer, _ = following(household)
    peer.session.identity_changed(replace(peer.session.identity, role=decided), peer.moment)
    peer.now = 5.0
    peer.send({"type": "connect", "token": "developer:ann:now"})
    assert peer.session.identity.role is Role.DEVELOPER
    successor = household.peer()
    successor.now = 5.0
    resumed(successor, told_token(peer, WHERE))
    assert successor.session.identity.role is Role.DEVELOPER


@pytest.mark.clause("R7", "C17")
def test_a_token_from_before_an_operators_decision_does_not_profit_from_a_later_login() -> None:
    household = Household()
    peer, before, _ = demoted(household)
    peer.send({"type": "connect", "token": "developer:ann:now"})
    successor = household.peer()
    successor.now = 3.0
    resumed(successor, before)
    assert successor.session.identity.role is Role.VIEWER


@pytest.mark.clause("R7", "C17")
def test_an_operators_decision_holds_for_an_api_key_as_it_is_today() -> None:
    key = Identity("ann", Role.DEVELOPER, None, "key:ann", "api_key")
    household = Household(Resumption(today=lambda _identity: key))
    peer = household.peer(key)
    peer.send({"type": "subscribe", "channel": "metrics"})
    peer.session.identity_changed(replace(key, role=Role.VIEWER), peer.moment)
    token = household.token(peer, metrics="k3Fq:1")
    successor = household.peer(key)
    resumed(successor, token)
    assert successor.session.identity.role is Role.VIEWER
