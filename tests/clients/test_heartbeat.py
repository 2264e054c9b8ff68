"""The heartbeat of a connection, with the clock as an argument."""

import pytest
from neurograph_ws_client.heartbeat import Heartbeat, Pulse


@pytest.mark.clause("H1", "H2")
@pytest.mark.accept("A7")
def test_silence_asks_after_the_interval_and_ends_after_the_timeout() -> None:
    beat = Heartbeat()
    beat.start(0)
    assert [beat.expired(now) for now in (29, 30, 39, 40)] == [Pulse.STEADY, Pulse.PING, Pulse.STEADY, Pulse.DEAD]


@pytest.mark.clause("H1")
def test_any_bytes_are_a_sign_of_life_and_answer_a_ping() -> None:
    beat = Heartbeat()
    beat.pace(10, 5)
    beat.start(0)
    beat.heard(9)
    assert beat.deadline() == 19
    assert Pulse.PING is beat.expired(19)
    beat.heard(18)
    assert beat.deadline() == 24
    beat.heard(20)
    assert beat.deadline() == 30


def test_without_a_connection_nothing_is_due() -> None:
    beat = Heartbeat()
    beat.heard(5)
    assert (beat.deadline(), beat.expired(10**6)) == (None, Pulse.STEADY)


@pytest.mark.clause("H4")
def test_a_pong_tells_the_way_there_and_back() -> None:
    beat = Heartbeat()
    beat.ponged(1.0, 1.25)
    assert beat.rtt == 0.25
