import pytest

from channels import errors
from channels.errors import BrokerError, LogUnavailable, MidConflict, Overloaded, ReadOnlyChannel, UnknownChannel

TABLE = {
    UnknownChannel: (404, "unknown_channel", False),
    ReadOnlyChannel: (403, "forbidden", False),
    MidConflict: (409, "mid_conflict", False),
    LogUnavailable: (503, "log_unavailable", True),
    Overloaded: (503, "overloaded", True),
    errors.OutcomeUnknown: (504, "outcome_unknown", True),
}


@pytest.mark.clause("E1")
def test_every_error_carries_the_code_the_name_and_whether_it_is_temporary() -> None:
    actual = {kind: (kind.code, kind.error, kind.temporary) for kind in BrokerError.__subclasses__()}
    assert actual == TABLE


@pytest.mark.clause("E2")
def test_members_are_those_that_are_known_in_the_shape_of_an_errors_map() -> None:
    error = Overloaded("full", channel="room:1", limit=3, retry_after=0.5)
    assert error.members() == {
        "code": 503,
        "error": "overloaded",
        "message": "full",
        "temporary": True,
        "retry_after": 0.5,
        "limit": 3,
        "channel": "room:1",
    }


@pytest.mark.clause("E2")
def test_members_that_are_not_known_are_absent() -> None:
    assert UnknownChannel("none such", path="channel").members() == {
        "code": 404,
        "error": "unknown_channel",
        "message": "none such",
        "temporary": False,
        "path": "channel",
    }


def test_a_configuration_error_is_no_answer_to_a_message() -> None:
    assert not issubclass(errors.ConfigError, BrokerError)
