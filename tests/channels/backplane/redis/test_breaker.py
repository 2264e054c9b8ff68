import pytest

from channels.backplane.redis.breaker import Breaker


def test_it_opens_after_three_failures_in_a_row() -> None:
    breaker = Breaker()
    opened = [breaker.failed(), breaker.failed()]
    breaker.succeeded()
    opened += [breaker.failed(), breaker.failed(), breaker.failed(), breaker.failed()]
    assert opened == [False, False, False, False, True, False]
    assert (breaker.state, breaker.opened) == ("open", 1)


def test_it_closes_after_two_successes_of_the_probe() -> None:
    breaker = Breaker()
    for _ in range(3):
        breaker.failed()
    states = []
    for event in (breaker.succeeded, breaker.failed, breaker.succeeded, breaker.succeeded):
        event()
        states.append(breaker.state)
    assert states == ["open", "open", "open", "closed"]


@pytest.mark.parametrize("failures", [1, 2])
def test_a_closed_circuit_starts_counting_anew_after_each_success(failures: int) -> None:
    breaker = Breaker()
    for _ in range(5):
        for _ in range(failures):
            breaker.failed()
        breaker.succeeded()
    assert repr(breaker) == "<Breaker closed, 0 failures>"
