"""hub/auth/revocation.py: what is no longer good."""

import pytest

from channels.permissions import Role
from hub.auth import Identity, Revocation, Revocations, revocation
from hub.auth.revocation import RevocationsFullError

ANN = Identity("ann", Role.VIEWER, 200.0, "t1", issued_at=50.0)


@pytest.mark.parametrize(
    ("entry", "session", "expected"),
    [
        (Revocation("token", "t1", 0, 900), None, True),
        (Revocation("token", "t2", 0, 900), None, False),
        (Revocation("session", "s1", 0, 900), "s1", True),
        (Revocation("session", "s1", 0, 900), None, False),
        (Revocation("subject", "ann", 51, 900), None, True),
        (Revocation("subject", "ann", 50, 900), None, False),
        (Revocation("subject", "bob", 900, 900), None, False),
    ],
)
def test_a_revocation_covers_what_it_names(entry: Revocation, session: str | None, expected: bool) -> None:
    book = Revocations()
    book.revoke(entry)
    assert entry.covers(ANN, session) is expected
    assert book.is_revoked(ANN, session) is expected


def test_listeners_hear_of_each_revocation_at_once() -> None:
    book, heard = Revocations(), list[Revocation]()
    book.listen(heard.append)
    entry = Revocation("token", "t1", 0, 10)
    book.revoke(entry)
    assert heard == [entry]


def test_the_later_of_two_revocations_counts() -> None:
    book = Revocations()
    book.revoke(Revocation("subject", "ann", 60, 100))
    book.revoke(Revocation("subject", "ann", 40, 50))
    book.sweep(60)
    assert book.is_revoked(ANN)


def test_a_revocation_is_forgotten_when_it_has_lapsed_and_not_before() -> None:
    book = Revocations()
    book.revoke(Revocation("token", "t1", 0, 10))
    book.sweep(9.9)
    assert book.is_revoked(ANN)
    book.sweep(10)
    assert len(book) == 0


@pytest.mark.clause("C17")
def test_what_is_revoked_for_good_is_never_forgotten() -> None:
    book = Revocations()
    book.revoke(Revocation("token", "t1", 0, revocation.NEVER))
    book.revoke(Revocation("token", "t1", 0, 10))
    book.sweep(1e12)
    assert book.is_revoked(ANN)


def test_none_is_forgotten_to_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "MAX_REVOCATIONS", 1)
    book = Revocations()
    book.revoke(Revocation("token", "t1", 0, 10))
    with pytest.raises(RevocationsFullError, match="expected at most 1 revocations in force on a node, and none is"):
        book.revoke(Revocation("token", "t2", 0, 10))
    book.revoke(Revocation("token", "t1", 0, 20))
    assert book.is_revoked(ANN)
