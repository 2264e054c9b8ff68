"""hub/http/answers.py: the one form of REST answers."""

import json
import re

import pytest

from channels.errors import LogUnavailable
from hub.auth import AuthError
from hub.http.answers import HttpProblem, Problem, RequestInfo, about, failure, success
from hub.protocol.errors import Refusal


@pytest.mark.accept("H3")
def test_success_carries_data_and_meta() -> None:
    info = RequestInfo("r1", "192.0.2.1", headers={"X-RateLimit-Limit": "5"})
    answer = success(info, {"x": 1})
    document = json.loads(bytes(answer.body))
    assert (document["success"], document["data"]) == (True, {"x": 1})
    assert set(document["meta"]) == {"processing_time_ms", "timestamp", "request_id"}
    assert document["meta"]["processing_time_ms"] >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["meta"]["timestamp"])
    assert (answer.headers["x-request-id"], answer.headers["x-ratelimit-limit"]) == ("r1", "5")


@pytest.mark.accept("H3")
@pytest.mark.parametrize(
    ("problem", "status", "error"),
    [
        (
            Refusal("forbidden", "no", channel="logs"),
            403,
            {"code": 403, "error": "forbidden", "message": "no", "temporary": False, "channel": "logs"},
        ),
        (
            LogUnavailable("gone", channel="x"),
            503,
            {"code": 503, "error": "log_unavailable", "message": "gone", "temporary": True, "channel": "x"},
        ),
        (
            AuthError("token_expired", "old"),
            401,
            {"code": 401, "error": "token_expired", "message": "old", "temporary": False},
        ),
        (
            HttpProblem(408, "timeout", "slow", temporary=True),
            408,
            {"code": 408, "error": "timeout", "message": "slow", "temporary": True},
        ),
    ],
)
def test_a_failure_carries_the_protocols_error(problem: Problem, status: int, error: dict[str, object]) -> None:
    answer = failure(RequestInfo("r1", "a"), problem)
    document = json.loads(bytes(answer.body))
    assert answer.status_code == status
    assert (document["success"], document["error"]) == (False, error)
    assert ("www-authenticate" in answer.headers) is (status == 401)


def test_the_time_to_wait_is_rounded_up_in_the_header_and_exact_in_the_body() -> None:
    answer = failure(RequestInfo("r1", "a"), Refusal("rate_limited", "x", retry_after=0.25))
    assert answer.headers["retry-after"] == "1"
    assert json.loads(bytes(answer.body))["error"]["retry_after"] == 0.25


@pytest.mark.clause("E2")
def test_what_a_message_gave_is_told_beside_an_error_that_others_share() -> None:
    shared = LogUnavailable("the log cannot be written: disk full", retry_after=1.0)
    for mid in ("m-1", None):
        with pytest.raises(HttpProblem) as raised, about(channel="logs", mid=mid):
            raise shared
        assert raised.value.members() == {
            **shared.members(),
            "channel": "logs",
            **({} if mid is None else {"mid": mid}),
        }
    assert shared.channel is None
    with pytest.raises(HttpProblem) as raised, about(channel="logs"):
        raise Refusal("too_large", "expected less", limit=7, path="data", channel="other")
    assert raised.value.members()["channel"] == "other"
    assert (raised.value.members()["limit"], raised.value.members()["path"]) == (7, "data")
