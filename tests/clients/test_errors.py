"""One class per class of code."""

import pytest
from neurograph_ws_client import errors
from neurograph_ws_client.errors import HubError, class_of, error_from

from hub.protocol.errors import ERRORS


@pytest.mark.clause("E1", "E2")
def test_an_error_has_the_members_of_the_wire() -> None:
    answer = {
        "type": "error",
        "id": 6,
        "code": 429,
        "error": "rate_limited",
        "message": "publish: 60 at once",
        "temporary": True,
        "retry_after": 0.4,
        "channel": "actions",
        "path": "data",
        "limit": 60,
    }
    error = error_from(answer)
    assert isinstance(error, errors.RateLimited)
    members = (error.code, error.error, error.message, error.temporary, error.retry_after, error.path, error.limit)
    assert members == (429, "rate_limited", "publish: 60 at once", True, 0.4, "data", 60)
    assert (error.channel, str(error)) == ("actions", "429 rate_limited: publish: 60 at once")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (400, "BadRequest"),
        (401, "AuthError"),
        (403, "PermissionDenied"),
        (404, "UnknownChannel"),
        (409, "BadRequest"),
        (410, "ResumeExpired"),
        (413, "TooLarge"),
        (415, "BadRequest"),
        (422, "BadRequest"),
        (429, "RateLimited"),
        (500, "ServerError"),
        (503, "Unavailable"),
        (504, "Unavailable"),
        (418, "BadRequest"),
        (599, "ServerError"),
    ],
)
def test_the_code_decides_the_class(code: int, name: str) -> None:
    assert name == class_of(code).__name__


@pytest.mark.clause("E1")
def test_every_error_of_the_hub_has_a_class_of_its_own_code() -> None:
    unknown = [code for code in {entry.code for entry in ERRORS.values()} if code not in errors._BY_CODE]
    assert unknown == []


def test_an_error_that_says_nothing_sensible_is_a_fault_of_the_hub() -> None:
    error = error_from({"code": "x", "retry_after": True, "path": 3, "channel": 4})
    assert (
        type(error).__name__,
        error.code,
        error.retry_after,
        error.path,
        error.channel,
    ) == ("ServerError", 500, None, None, None)


def test_what_applications_catch_already_catches_ours() -> None:
    assert issubclass(errors.Disconnected, ConnectionError)
    assert issubclass(errors.RequestTimeout, TimeoutError)
    assert issubclass(errors.Unavailable, errors.ServerError)
    tree = [getattr(errors, name) for name in ("BadRequest", "AuthError", "Closed", "QueueOverflow", "TooLarge")]
    assert all(issubclass(kind, HubError) for kind in tree)
