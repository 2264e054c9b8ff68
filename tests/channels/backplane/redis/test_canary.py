import pytest

from channels.backplane.redis.canary import REMEMBERED, Canary
from channels.histograms import Histogram


@pytest.fixture
def seconds() -> Histogram:
    return Histogram((0.1, 1.0))


@pytest.fixture
def canary(seconds: Histogram) -> Canary:
    canary = Canary(seconds, 3.0)
    canary.opened(100.0)
    return canary


@pytest.mark.clause("N9", "N10")
def test_two_that_come_back_make_it_trusted_and_are_measured(canary: Canary, seconds: Histogram) -> None:
    trusted = []
    for now in (100.0, 101.0):
        canary.returned(canary.next(now), now + 0.05)
        trusted.append(canary.is_trusted)
    assert trusted == [False, True]
    assert seconds.counts == [2, 0, 0]


@pytest.mark.clause("N9")
def test_it_is_dead_when_nothing_has_come_back_within_its_patience(canary: Canary) -> None:
    canary.returned(canary.next(100.0), 100.5)
    canary.next(101.0)
    assert [canary.is_dead(now) for now in (103.5, 103.6)] == [False, True]


def test_a_connection_that_is_closed_is_not_dead_and_not_trusted(canary: Canary) -> None:
    for now in (100.0, 101.0):
        canary.returned(canary.next(now), now)
    canary.closed()
    assert (canary.is_dead(1_000.0), canary.is_trusted) == (False, False)


def test_what_was_sent_on_a_former_connection_does_not_count(canary: Canary) -> None:
    former = canary.next(100.0)
    canary.opened(101.0)
    assert not canary.returned(former, 101.1)
    assert not canary.returned(12_345, 101.1)


def test_what_never_comes_back_is_forgotten(canary: Canary) -> None:
    first = canary.next(100.0)
    for _ in range(REMEMBERED):
        canary.next(100.0)
    assert not canary.returned(first, 100.1)
