"""Which offers of permessage-deflate are taken (B2)."""

import pytest

from hub.protocol.extensions import ANSWER, negotiate_deflate


@pytest.mark.clause("B2")
@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate",
        "Permessage-Deflate ; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=9; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        "x-other; a=b, permessage-deflate",
        "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        'permessage-deflate; client_max_window_bits="15"',
    ],
)
def test_an_offer_is_answered_without_context_takeover_whatever_it_says_of_that(offer: str) -> None:
    assert negotiate_deflate([offer.encode()]) == ANSWER
    assert ANSWER == "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


@pytest.mark.clause("B2")
def test_a_demanded_window_of_15_bits_is_confirmed() -> None:
    """RFC 7692, 7.1.2.1: who demands it has to be told."""
    offers = [b"permessage-deflate; server_max_window_bits=14", b"permessage-deflate; server_max_window_bits=15"]
    assert negotiate_deflate(offers) == f"{ANSWER}; server_max_window_bits=15"


@pytest.mark.clause("B2")
@pytest.mark.parametrize(
    "offer",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-deflate; server_max_window_bits",
        *(f"permessage-deflate; server_max_window_bits={bits}" for bits in (8, 14, 16, "015", "x", "")),
        *(f"permessage-deflate; client_max_window_bits={bits}" for bits in (7, 16, "09", '"15', "")),
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; unknown",
        "permessage-deflate;",
        "permessage-deflate\xff",
    ],
)
def test_what_cannot_be_taken_is_declined(offer: str) -> None:
    assert negotiate_deflate([offer.encode("latin-1")]) is None


@pytest.mark.clause("B2")
def test_of_very_many_offers_the_first_few_are_looked_at() -> None:
    assert negotiate_deflate([b"x, " * 1_000 + b"permessage-deflate"]) is None
    assert negotiate_deflate([]) is None
