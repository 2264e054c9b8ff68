"""hub/auth/verified.py: a token that was checked is known again, as long as nothing has changed (C9)."""

from typing import Any

import pytest
from pydantic import SecretStr

from channels.permissions import Role
from hub.auth.authenticator import Authenticator
from hub.auth.identity import AuthError
from hub.auth.jwks import MAX_AGE, KeySet, SecretKey
from hub.auth.revocation import NEVER, Revocation
from hub.auth.tokens import LEEWAY, Issuer, KeySource, TokenReader
from hub.auth.verified import VerifiedTokens
from hub.config import Settings
from tests.hub.auth import support
from tests.hub.auth.support import NOW, SECRET, claims, hs256, rs256


class Turning:
    """A key set whose document and clock the test turns."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.now = 0.0
        self.keys: tuple[dict[str, Any], ...] = keys
        self.set = KeySet("test", lambda: support.key_set(*self.keys), lambda: self.now)
        self.set.load()

    def publish(self, *keys: dict[str, Any]) -> None:
        self.keys = keys
        self.set.load()


def reader(keys: KeySource | None = None, most: int = 10) -> TokenReader:
    return TokenReader({None: Issuer(None, None, keys or SecretKey(SECRET))}, VerifiedTokens(most))


def looks(tokens: TokenReader) -> tuple[int, int]:
    return tokens.verified.found, tokens.verified.missed


def slug_of(tokens: TokenReader, token: str, now: float = NOW) -> str:
    with pytest.raises(AuthError) as caught:
        tokens.read(token, now)
    return caught.value.slug


def test_a_token_that_comes_again_is_not_checked_in_full_and_says_the_same() -> None:
    tokens, token = reader(), hs256(claims(jti="t1"))
    first, second = tokens.read(token, NOW), tokens.read(token, NOW + 1)
    assert first == second
    assert first.role is Role.DEVELOPER
    assert looks(tokens) == (1, 1)


def test_a_known_token_ends_at_its_exp_to_the_moment() -> None:
    tokens, token = reader(), hs256(claims(exp=NOW + 60))
    tokens.read(token, NOW)
    assert tokens.read(token, NOW + 59.999).subject == "ann"
    assert slug_of(tokens, token, NOW + 60) == "token_expired"
    assert len(tokens.verified) == 0


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_a_clock_that_was_set_back_makes_a_known_token_one_of_the_future(claim: str) -> None:
    tokens, token = reader(), hs256(claims(**{claim: NOW}))
    tokens.read(token, NOW)
    assert tokens.read(token, NOW - LEEWAY).subject == "ann"
    assert slug_of(tokens, token, NOW - LEEWAY - 1) == "token_invalid"


def test_only_what_held_is_remembered() -> None:
    tokens = reader()
    for token in (hs256(claims(), b"x" * 32), hs256(claims(exp=NOW)), hs256(claims(role="root")), "a.b.c"):
        slug_of(tokens, token)
    assert len(tokens.verified) == 0


def test_a_known_token_of_another_signature_is_another_token() -> None:
    tokens, token = reader(), hs256(claims())
    tokens.read(token, NOW)
    head, body, signature = token.split(".")
    assert slug_of(tokens, f"{head}.{body}.{'A' * len(signature)}") == "token_invalid"
    assert slug_of(tokens, f"{head}.{body}.") == "token_invalid"


def test_a_key_that_was_taken_away_ends_what_it_signed() -> None:
    turning = Turning(support.rsa_jwk("old"))
    tokens, token = reader(turning.set), rs256(claims(), kid="old")
    tokens.read(token, NOW)
    turning.publish(support.rsa_jwk("new"))
    assert slug_of(tokens, token) == "token_invalid"


def test_a_name_that_means_another_key_now_ends_what_the_former_signed() -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    turning = Turning(support.rsa_jwk("k"))
    tokens, token = reader(turning.set), rs256(claims(), kid="k")
    tokens.read(token, NOW)
    turning.publish(support.rsa_jwk("k", generate_private_key(65_537, 2_048)))
    assert slug_of(tokens, token) == "token_invalid"


def test_a_set_that_was_fetched_again_with_the_same_key_leaves_its_tokens_known() -> None:
    turning = Turning(support.rsa_jwk("k"))
    tokens, token = reader(turning.set), rs256(claims(), kid="k")
    tokens.read(token, NOW)
    turning.publish(support.rsa_jwk("other"), support.rsa_jwk("k"))
    tokens.read(token, NOW)
    assert looks(tokens) == (1, 1)


def test_a_set_that_is_too_old_to_be_used_ends_its_tokens() -> None:
    turning = Turning(support.rsa_jwk("k"))
    tokens, token = reader(turning.set), rs256(claims(), kid="k")
    tokens.read(token, NOW)
    turning.now = MAX_AGE
    assert slug_of(tokens, token) == "token_invalid"


@pytest.mark.clause("C10")
def test_a_known_token_that_was_revoked_is_refused_at_once() -> None:
    checked = Authenticator(Settings(jwt_secret=SecretStr(SECRET.decode())))
    token = hs256(claims(jti="t1"))
    checked.authenticate(token, NOW)
    checked.authenticate(token, NOW)
    assert checked.verified.found == 1
    checked.revocations.revoke(Revocation("token", "t1", 0.0, NEVER))
    with pytest.raises(AuthError) as caught:
        checked.authenticate(token, NOW)
    assert caught.value.slug == "token_revoked"


def test_the_least_recently_presented_goes_where_there_are_too_many() -> None:
    tokens = reader(most=2)
    first, second, third = (hs256(claims(sub=sub)) for sub in ("ann", "bob", "cy"))
    for token in (first, second, first, third):
        tokens.read(token, NOW)
    assert len(tokens.verified) == 2
    assert looks(tokens) == (1, 3)
    tokens.read(first, NOW)
    assert looks(tokens) == (2, 3)
    tokens.read(second, NOW)
    assert looks(tokens) == (2, 4)


def test_with_no_room_every_token_is_checked_in_full() -> None:
    checked = Authenticator(Settings(jwt_secret=SecretStr(SECRET.decode()), verified_tokens=0))
    for _ in range(2):
        checked.authenticate(hs256(claims()), NOW)
    assert (checked.verified.found, checked.verified.missed, len(checked.verified)) == (0, 2, 0)


def test_expired_tokens_are_forgotten_without_being_presented() -> None:
    checked = Authenticator(Settings(jwt_secret=SecretStr(SECRET.decode())))
    checked.authenticate(hs256(claims(exp=NOW + 5)), NOW)
    checked.authenticate(hs256(claims(sub="bob", exp=NOW + 60)), NOW)
    checked.sweep(NOW + 4.9, 0.0)
    assert len(checked.verified) == 2
    checked.sweep(NOW + 5, 0.0)
    assert len(checked.verified) == 1
