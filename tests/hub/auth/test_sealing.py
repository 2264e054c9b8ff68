"""Sealed texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.auth.sealing import Sealer, SealError

SECRET = b"s" * 32
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(st.binary(max_size=500))
def test_what_was_sealed_comes_back(data: bytes) -> None:
    sealer = Sealer([SECRET])
    assert sealer.open(sealer.seal(data)) == data


@given(st.text(max_size=100))
def test_no_text_upsets_the_sealer(text: str) -> None:
    with pytest.raises(SealError):
        Sealer([SECRET]).open(text)


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 63))
def test_a_sealed_text_that_was_changed_anywhere_is_none(where: float, by: int) -> None:
    sealer = Sealer([SECRET])
    sealed = sealer.seal(b"the same for everybody")
    at = int(where * (len(sealed) - 1))  # the last character may hold bits that count for nothing
    other = ALPHABET[(ALPHABET.index(sealed[at]) + by) % 64]
    with pytest.raises(SealError):
        sealer.open(sealed[:at] + other + sealed[at + 1 :])


@pytest.mark.clause("R2")
@pytest.mark.parametrize("sign", ["=", "+", "/", " ", "\n", "\N{SNOWMAN}"])
def test_a_sealed_text_has_one_form(sign: str) -> None:
    sealer = Sealer([SECRET])
    with pytest.raises(SealError, match="no sealed text"):
        sealer.open(sealer.seal(b"data") + sign)


def test_the_same_data_is_never_sealed_twice_alike() -> None:
    sealer = Sealer([SECRET])
    assert sealer.seal(b"data") != sealer.seal(b"data")


def test_the_newest_secret_seals_and_all_open() -> None:
    former, both = Sealer([b"o" * 32]), Sealer([SECRET, b"o" * 32])
    assert both.open(former.seal(b"data")) == b"data"
    with pytest.raises(SealError, match="nobody known"):
        former.open(both.seal(b"data"))


def test_a_sealer_needs_a_secret_and_shows_none() -> None:
    with pytest.raises(ValueError, match="at least one secret"):
        Sealer([])
    assert repr(Sealer([SECRET])) == "<Sealer 1 keys>"
