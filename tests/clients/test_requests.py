"""Ids and answers beyond what the session's scripts show."""

import pytest
from neurograph_ws_client.effects import Reject, Send
from neurograph_ws_client.errors import Closed, RateLimited
from neurograph_ws_client.requests import MAX_HELD_BACK, Request, Requests


def connected(in_flight: int = 256) -> Requests:
    requests = Requests(in_flight)
    requests.restored(1, 0)
    return requests


def request(ticket: str, deadline: float = 5.0, **members: object) -> Request:
    return Request({"type": "ping", **members}, ticket, deadline)


@pytest.mark.clause("M4", "M6")
def test_an_id_of_the_callers_own_is_kept_and_never_used_twice_at_once() -> None:
    requests = connected()
    assert [Send(({"type": "ping", "id": "mine"},))] == requests.submit(request("a", id="mine"), 0)
    with pytest.raises(ValueError, match="id 'mine' is still awaiting its answer"):
        requests.submit(request("b", id="mine"), 0)


def test_what_was_not_sent_yet_can_be_withdrawn() -> None:
    requests = connected(in_flight=1)
    requests.submit(request("a"), 0)
    requests.submit(request("b"), 0)
    requests.withdraw("b")
    assert len(requests) == 1


def test_the_requests_that_are_held_back_are_bounded() -> None:
    requests = connected(in_flight=1)
    for number in range(1 + MAX_HELD_BACK):
        requests.submit(request(f"t{number}"), 0)
    (refused,) = requests.submit(request("late"), 0)
    assert isinstance(refused, Reject)
    assert isinstance(refused.error, RateLimited)


def test_failing_ends_everything_and_leaves_nothing_due() -> None:
    requests = connected(in_flight=1)
    requests.submit(request("a"), 0)
    requests.submit(request("b"), 0)
    error = Closed("over")
    assert [Reject("a", error), Reject("b", error)] == requests.fail(error)
    assert (len(requests), requests.deadline()) == (0, None)


def test_a_held_back_request_can_time_out_before_it_is_sent() -> None:
    requests = connected(in_flight=1)
    requests.submit(request("a", deadline=9), 0)
    requests.submit(request("b", deadline=3), 0)
    assert [effect.ticket for effect in requests.expired(3) if isinstance(effect, Reject)] == ["b"]
    assert requests.deadline() == 9
