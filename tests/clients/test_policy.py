"""Back-off and retries, with the clock as an argument."""

import pytest
from neurograph_ws_client.closing import Remedy
from neurograph_ws_client.policy import Backoff
from neurograph_ws_client.retries import Retries


@pytest.mark.clause("X4")
@pytest.mark.accept("E6", "E7")
def test_the_wait_is_drawn_between_nothing_and_a_bound_that_doubles_up_to_thirty_seconds() -> None:
    backoff = Backoff()
    assert [backoff.delay(attempt, 1.0) for attempt in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert [backoff.delay(0, drawn) for drawn in (0.0, 0.5)] == [0.0, 0.25]
    assert backoff.delay(10**6, 1.0) == 30


@pytest.mark.clause("X4")
def test_the_wait_is_never_below_what_the_hub_asks_for() -> None:
    assert Backoff().delay(0, 0.5, 7) == 7


@pytest.mark.accept("E7")
def test_attempts_end_at_their_maximum() -> None:
    assert [Backoff(max_attempts=2).is_used_up(attempt) for attempt in range(3)] == [False, False, True]
    assert not Backoff().is_used_up(10**9)


def test_a_new_credential_is_tried_at_once_the_first_time_only() -> None:
    retries = Retries(Backoff(), lambda: 0.5)
    assert [retries.plan(0, Remedy.NEW_CREDENTIAL), retries.plan(0, Remedy.NEW_CREDENTIAL)] == [0.0, 0.5]


@pytest.mark.clause("X5")
def test_a_window_spreads_over_five_seconds() -> None:
    drawn = iter([1.0, 0.0])
    assert Retries(Backoff(), lambda: next(drawn)).plan(0, Remedy.WINDOW) == 5.0


def test_the_next_attempt_is_due_once() -> None:
    retries = Retries(Backoff(), lambda: 1.0)
    retries.plan(10, Remedy.BACK_OFF)
    assert [retries.is_due(now) for now in (10.4, 10.5, 11)] == [False, True, False]
