"""hub/auth/failures.py: who guesses is refused before anything is checked (hardening.md id9)."""

import pytest

from channels.buckets import Rate
from hub.auth import failures
from hub.auth.failures import FailureBook

NOW = 1_000.0


def test_id9_an_address_may_fail_as_often_as_its_rate_says() -> None:
    book = FailureBook(Rate(2, 0.5))
    waits = []
    for _ in range(3):
        waits.append(book.wait("192.0.2.1", NOW))
        book.failed("192.0.2.1", NOW)
    assert waits == [0.0, 0.0, 2.0]
    assert (book.wait("192.0.2.2", NOW), book.wait("192.0.2.1", NOW + 2)) == (0.0, 0.0)


def test_id9_who_is_only_looked_at_takes_no_place() -> None:
    book = FailureBook(Rate(2, 0.5))
    for number in range(100):
        book.wait(f"192.0.2.{number}", NOW)
    assert len(book) == 0


def test_id9_a_flood_of_addresses_that_only_ask_does_not_set_a_guesser_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_ADDRESSES", 4)
    book = FailureBook(Rate(1, 0.001))
    book.failed("192.0.2.1", NOW)
    for number in range(100):
        book.wait(f"198.51.100.{number}", NOW)
    assert book.wait("192.0.2.1", NOW) == 1_000.0


def test_id9_a_guesser_who_goes_on_is_not_forgotten_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_ADDRESSES", 4)
    book = FailureBook(Rate(1, 0.001))
    book.failed("192.0.2.1", NOW)
    for number in range(100):
        book.failed(f"198.51.100.{number}", NOW)
        assert book.wait("192.0.2.1", NOW) > 0.0
    assert len(book) == 4


def test_an_address_whose_failures_have_drained_is_forgotten() -> None:
    book = FailureBook(Rate(1, 1))
    book.failed("192.0.2.1", NOW)
    sizes = []
    for now in (NOW + 0.5, NOW + 1):
        book.sweep(now)
        sizes.append(len(book))
    assert sizes == [1, 0]
