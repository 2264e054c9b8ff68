"""What close codes and refusals ask of a client."""

import pytest
from neurograph_ws_client.closing import SLUGS, Remedy, describe, remedy_of_close, remedy_of_refusal

from hub.protocol.close_codes import CLOSE_CODES, Reaction, reaction


@pytest.mark.clause("X1")
@pytest.mark.parametrize(
    ("codes", "remedy"),
    [
        (range(4000, 4100), Remedy.STOP),
        (range(4100, 4200), Remedy.NEW_CREDENTIAL),
        (range(4200, 4300), Remedy.BACK_OFF),
        (range(4300, 4400), Remedy.WINDOW),
    ],
)
def test_the_hundreds_digit_alone_tells_what_to_do(codes: range, remedy: Remedy) -> None:
    assert {remedy} == {remedy_of_close(code) for code in codes}


@pytest.mark.clause("X2")
@pytest.mark.parametrize(
    ("codes", "remedy"),
    [
        ((1000,), Remedy.FINISHED),
        ((1002, 1003, 1007, 1008, 1009, 1010), Remedy.STOP),
        ((1001, 1005, 1006, *range(1011, 1016), 3000, 3999, 4400, 4999), Remedy.BACK_OFF),
    ],
)
def test_other_codes_are_read_as_the_range_they_count_as(codes: tuple[int, ...], remedy: Remedy) -> None:
    assert {remedy} == {remedy_of_close(code) for code in codes}


@pytest.mark.clause("X2")
def test_too_many_requests_and_faults_of_the_hub_are_tried_again_other_refusals_are_not() -> None:
    statuses = (400, 403, 404, 414, 426, 429, 431, 500, 502, 503, 504)
    again = [status for status in statuses if remedy_of_refusal(status) is Remedy.BACK_OFF]
    assert again == [429, 500, 502, 503, 504]


@pytest.mark.clause("X1", "X3")
def test_the_client_knows_the_codes_and_slugs_of_the_hub() -> None:
    assert {code: entry.slugs for code, entry in CLOSE_CODES.items()} == dict(SLUGS)


@pytest.mark.clause("X1", "X2")
def test_the_hub_means_by_every_code_what_the_client_does() -> None:
    meant = {
        Reaction.STOP: Remedy.STOP,
        Reaction.NEW_CREDENTIAL: Remedy.NEW_CREDENTIAL,
        Reaction.BACK_OFF: Remedy.BACK_OFF,
        Reaction.GOAWAY: Remedy.WINDOW,
        Reaction.FINISHED: Remedy.FINISHED,
    }
    codes = range(1000, 5000)
    assert [meant[reaction(code)] for code in codes] == [remedy_of_close(code) for code in codes]


@pytest.mark.parametrize(
    ("code", "reason", "text"),
    [
        (4213, "", "4213 slow"),
        (4003, "", "4003 forbidden or url_credential_disabled"),
        (4101, "token_expired; yesterday", "4101 token_expired; yesterday"),
        (1006, "", "connection lost (no close frame: the hub is gone or the network was cut)"),
        (None, "", "connection lost"),
        (3456, "", "code 3456"),
    ],
)
def test_a_close_is_described_by_its_reason_or_its_slug(code: int | None, reason: str, text: str) -> None:
    assert text == describe(code, reason)
