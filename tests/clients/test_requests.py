"""Ids and answers beyond what the session's scripts show."""

import pytest
from neurograph_ws_client.effects import Reject, Send
from neurograph_ws_client.errors import Closed, Disconnected, HubError, PermissionDenied, RateLimited, Unavailable
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


REFUSED = {"type": "error", "code": 403, "error": "forbidden", "message": "no", "temporary": False}
UNKNOWN = {"type": "error", "code": 504, "error": "outcome_unknown", "message": "perhaps", "temporary": True}
TOO_FAST = {"type": "error", "code": 429, "error": "rate_limited", "message": "slower", "temporary": True}
BUSY = {"type": "error", "code": 503, "error": "overloaded", "message": "later", "temporary": True}


def publish(requests: Requests) -> None:
    requests.submit(Request({"type": "publish", "mid": "m"}, "a", 5.0, is_repeatable=True), 0)


def error_of(effects: object) -> HubError:
    assert isinstance(effects, list)
    (reject,) = effects
    assert isinstance(reject, Reject)
    return reject.error


@pytest.mark.clause("R13", "E3")
@pytest.mark.parametrize("refusal", [REFUSED, TOO_FAST], ids=["forbidden", "too fast"])
def test_a_refusal_after_an_attempt_whose_answer_was_lost_leaves_the_outcome_unknown(
    refusal: dict[str, object],
) -> None:
    requests = connected()
    publish(requests)
    assert requests.lost(1) == []
    requests.restored(2, 1)
    error = error_of(requests.answer({**refusal, "id": 2}, 1, 0.5, 2))
    assert (type(error), error.code, error.error, error.temporary) == (Unavailable, 504, "outcome_unknown", True)
    assert isinstance(error.__cause__, PermissionDenied | RateLimited)
    assert "whether an earlier attempt had an effect is unknown" in str(error)


@pytest.mark.clause("E3")
def test_a_refusal_after_outcome_unknown_leaves_it_unknown_too() -> None:
    requests = connected()
    publish(requests)
    assert requests.answer({**UNKNOWN, "id": 1}, 0, 0.5) == []
    requests.expired(1)
    assert error_of(requests.answer({**REFUSED, "id": 2}, 1, 0.5)).error == "outcome_unknown"


@pytest.mark.clause("E3")
def test_a_refusal_after_refusals_for_now_is_one() -> None:
    requests = connected()
    publish(requests)
    assert requests.answer({**BUSY, "id": 1}, 0, 0.5) == []
    requests.expired(1)
    assert isinstance(error_of(requests.answer({**REFUSED, "id": 2}, 1, 0.5)), PermissionDenied)


@pytest.mark.clause("R13")
def test_what_was_sent_before_a_cut_goes_first_and_is_not_refused_for_what_came_since() -> None:
    requests = connected()
    publish(requests)
    requests.lost(1)
    requests.in_flight = 1
    for number in range(MAX_HELD_BACK):
        requests.submit(request(f"t{number}"), 0)
    assert list(requests.restored(2, 1)) == [Send(({"type": "publish", "mid": "m", "id": 2},), 2)]


@pytest.mark.clause("R13")
def test_what_cannot_be_encoded_the_second_time_may_have_been_stored_the_first() -> None:
    requests = connected()
    publish(requests)
    requests.lost(1)
    requests.restored(2, 1)
    gone, _ = requests.forget(2, 1)
    assert gone is not None
    assert isinstance(gone.failure(Disconnected("x")), Unavailable)
