"""Which credential is held, and when another one is asked for."""

import pytest
from neurograph_ws_client.credentials import Credentials
from neurograph_ws_client.policy import TokenRequest


def test_a_fixed_credential_is_never_asked_for_and_never_renewed() -> None:
    held = Credentials("secret-word", is_renewable=False)
    held.accepted(10, now=0)
    assert (held.needed(99), held.deadline(), held.expiring(99)) == (None, None, None)
    assert not held.rejected()


@pytest.mark.clause("C15")
def test_a_renewable_one_is_asked_for_first_near_its_end_and_when_it_ran_out_while_away() -> None:
    held = Credentials(None, is_renewable=True)
    assert TokenRequest("initial", 1) == held.needed(0)
    held.renewed("t1")
    assert None is held.needed(0)
    held.accepted(100, now=0)
    assert held.deadline() == 80
    assert None is held.expiring(79)
    assert TokenRequest("expiring", 1) == held.expiring(80)
    assert TokenRequest("expiring", 2) == held.needed(100)


def test_a_renewal_that_fails_is_due_again_halfway_to_the_end() -> None:
    held = Credentials(None, is_renewable=True)
    held.renewed("t1")
    held.accepted(100, now=0)
    held.expiring(80)
    assert held.deadline() == 90


@pytest.mark.clause("X1")
def test_a_second_refusal_in_a_row_is_the_last() -> None:
    held = Credentials(None, is_renewable=True)
    assert [held.rejected(), held.rejected()] == [True, False]
    held.accepted(None, now=0)
    assert held.rejected()
    assert TokenRequest("rejected", 1) == held.needed(0)


def test_nothing_shows_the_credential() -> None:
    assert repr(Credentials("secret-word", is_renewable=False)) == "<Credentials held>"
