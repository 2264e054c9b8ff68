"""Errors as a user meets them."""

import pytest
from neurograph_ws_client import errors
from ng_ws.exits import Exit
from ng_ws.failures import TABLE, explained


@pytest.mark.parametrize(
    ("fault", "exit_code"),
    [
        (errors.AuthError("no"), Exit.LOGIN),
        (errors.PermissionDenied("no"), Exit.PERMISSION),
        (errors.Closed("no", code=4003), Exit.PERMISSION),
        (errors.Closed("no", code=4010), Exit.CONNECT),
        (errors.Disconnected("no"), Exit.CONNECT),
        (errors.RequestTimeout("no"), Exit.TIMEOUT),
        (errors.RateLimited("no"), Exit.RATE_LIMITED),
        (errors.UnknownChannel("no"), Exit.USAGE),
        (errors.BadRequest("no"), Exit.USAGE),
        (errors.TooLarge("no"), Exit.USAGE),
        (errors.Misconfigured("no"), Exit.USAGE),
        (errors.Unavailable("no"), Exit.UNEXPECTED),
        (ValueError("url: expected"), Exit.USAGE),
        (LookupError("a bug"), Exit.UNEXPECTED),
    ],
)
def test_each_class_of_error_has_its_exit_code(fault: Exception, exit_code: Exit) -> None:
    assert explained(fault).exit_code is exit_code


def test_no_class_of_the_table_hides_a_later_one() -> None:
    hidden = [
        late.__name__
        for place, (late, _, _) in enumerate(TABLE)
        for early, _, _ in TABLE[:place]
        if issubclass(late, early)
    ]
    assert hidden == []


def test_a_bug_is_told_by_its_class_and_how_to_see_more() -> None:
    failure = explained(LookupError("a bug"))
    assert (failure.message, failure.hint) == ("LookupError: a bug", "next: the same with --verbose")
