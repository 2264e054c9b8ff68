"""The table of close codes, and what it tells a client."""

import re

import pytest

from hub.protocol.close_codes import CLOSE_CODES, CODE_OF, MAX_REASON, Reaction, reaction, reason

# Section 7, as it is printed there.
PRINTED = """
4000 protocol_broken · 4003 forbidden, url_credential_disabled · 4009 taken_over · 4010 kicked · 4013 too_large
4026 version_unsupported · 4101 login_required, token_invalid, token_expired · 4103 token_revoked · 4208 timeout
4213 slow · 4229 rate_abuse, too_many_connections · 4250 internal · 4253 overloaded · 4301 draining · 4302 rebalance
"""


@pytest.mark.clause("X1")
def test_the_table_is_that_of_section_7() -> None:
    printed = {
        int(code): tuple(slugs.split(", ")) for code, slugs in re.findall(r"(\d{4}) ([a-z_]+(?:, [a-z_]+)*)", PRINTED)
    }
    assert printed == {code: entry.slugs for code, entry in CLOSE_CODES.items()}


@pytest.mark.clause("X3")
def test_a_slug_stands_under_one_code_only() -> None:
    slugs = [slug for entry in CLOSE_CODES.values() for slug in entry.slugs]
    assert sorted(slugs) == sorted(CODE_OF)


@pytest.mark.clause("X1", "X2")
@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((4000, 4003, 4099, 1002, 1003, 1007, 1008, 1009, 1010), Reaction.STOP),
        ((4101, 4103, 4199), Reaction.NEW_CREDENTIAL),
        ((4208, 4299, 1001, 1005, 1006, 1011, 1012, 1015, 3000, 3999, 4400, 4999), Reaction.BACK_OFF),
        ((4301, 4302, 4399), Reaction.GOAWAY),
        ((1000,), Reaction.FINISHED),
    ],
)
def test_the_range_of_a_code_tells_the_client_what_to_do(codes: tuple[int, ...], expected: Reaction) -> None:
    assert {reaction(code) for code in codes} == {expected}


@pytest.mark.clause("X3")
def test_a_reason_is_slug_or_slug_and_detail() -> None:
    assert (reason("slow"), reason("rate_abuse", "publish")) == ("slow", "rate_abuse; publish")


@pytest.mark.clause("X3")
def test_a_reason_fits_into_a_close_frame_and_stays_text() -> None:
    cut = reason("kicked", "é" * 200).encode()
    assert (len(cut) <= MAX_REASON, cut.decode().startswith("kicked; é")) == (True, True)
