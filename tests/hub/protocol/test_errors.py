"""The table of errors, and the shape of one."""

import re

import pytest

from hub.protocol.errors import ERRORS, UNREADABLE, Refusal

# Section 6, as it is printed there: code, names, temporary.
PRINTED = """
400 bad_json bad_message unknown_type bad_position no
401 login_required token_invalid token_expired no
403 forbidden no
404 unknown_channel no
409 duplicate_id resume_not_first mid_conflict identity_conflict no
410 resume_expired resume_revoked no
413 too_large no
415 encoding_unsupported no
422 filter_invalid vector_invalid schema_invalid content_invalid no
429 rate_limited too_many_in_flight yes
429 too_many_subscriptions no
500 internal yes
503 log_unavailable draining overloaded yes
504 outcome_unknown yes
"""


@pytest.mark.clause("E1")
def test_the_table_is_that_of_section_6() -> None:
    rows = [line.split() for line in PRINTED.strip().splitlines()]
    printed = {name: (int(code), temporary == "yes") for code, *names, temporary in rows for name in names}
    assert printed == {name: (kind.code, kind.temporary) for name, kind in ERRORS.items()}


@pytest.mark.clause("M15")
def test_three_errors_mean_that_a_message_could_not_be_read() -> None:
    assert {name for name in ERRORS if name in UNREADABLE} == {"bad_json", "bad_message", "unknown_type"}


def test_every_error_is_counted_under_a_layer_and_a_reason() -> None:
    labels = {name: kind.label for name, kind in ERRORS.items()}
    assert all(re.fullmatch(r"[a-z]+/[a-z_]+", label) for label in labels.values())
    assert (labels["bad_json"], labels["vector_invalid"], labels["token_invalid"]) == (
        "message/bad_json",
        "message/vector",
        "auth/token_invalid",
    )


@pytest.mark.clause("E1", "E2")
def test_a_refusal_carries_what_is_known_and_nothing_that_is_not() -> None:
    full = Refusal("rate_limited", "too fast", path="a", limit=3, retry_after=0.5, channel="logs")
    assert full.members() == {
        "code": 429,
        "error": "rate_limited",
        "message": "too fast",
        "temporary": True,
        "retry_after": 0.5,
        "path": "a",
        "limit": 3,
        "channel": "logs",
    }
    assert Refusal("forbidden", "no").members() == {
        "code": 403,
        "error": "forbidden",
        "message": "no",
        "temporary": False,
    }


@pytest.mark.clause("E2")
def test_what_is_zero_is_told_all_the_same() -> None:
    members = Refusal("too_large", "no", limit=0, retry_after=0.0).members()
    assert (members["limit"], members["retry_after"]) == (0, 0.0)
