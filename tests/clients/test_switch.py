"""When a connection is replaced before it ends."""

import pytest
from neurograph_ws_client.policy import Backoff
from neurograph_ws_client.switch import Switch


@pytest.mark.clause("M50")
@pytest.mark.parametrize(("drawn", "at"), [(0.0, 100.5), (0.5, 110.25), (1.0, 120.0)])
def test_the_time_is_drawn_uniformly_from_the_window(drawn: float, at: float) -> None:
    switch = Switch(Backoff(), lambda: drawn)
    switch.plan([0.5, 20], 100.0)
    assert (switch.at, switch.left(105.0)) == (at, max(0.0, at - 105.0))
    assert [switch.is_due(now) for now in (100.0, at, at)] == [False, True, False]


@pytest.mark.clause("M50")
def test_a_second_goaway_does_not_put_it_off() -> None:
    switch = Switch(Backoff(), lambda: 0.5)
    switch.plan([0, 2], 0.0)
    switch.plan([10, 20], 0.5)
    assert switch.at == 1.0


@pytest.mark.clause("X4")
def test_after_a_failed_attempt_it_backs_off_and_heeds_retry_after() -> None:
    switch = Switch(Backoff(base=1, cap=4), lambda: 0.5)
    times = []
    for at_least in (0.0, 0.0, 9.0):
        switch.failed(0.0, at_least)
        times.append(switch.at)
    assert times == [0.5, 1.0, 9.0]


@pytest.mark.parametrize("window", [[5, 1], [-1, 2]])
def test_a_window_that_is_none_is_refused(window: list[float]) -> None:
    with pytest.raises(ValueError, match="reconnect_in: expected two rising numbers"):
        Switch(Backoff(), lambda: 0.5).plan(window, 0.0)
