"""hub/auth/authenticator.py: one credential, one identity (C7-C10; hardening.md id9)."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from channels.buckets import Rate
from channels.errors import ConfigError
from channels.permissions import Role
from hub.auth import Authenticator, AuthError, Revocation
from hub.auth.api_keys import new_key
from hub.config import Settings
from tests.hub.auth import support
from tests.hub.auth.support import NOW, SECRET, claims, eddsa, hs256, rs256

KEY = new_key()
API_KEYS = {"ci": {"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "role": "bot"}}


def authenticator(**flags: Any) -> Authenticator:
    given: dict[str, Any] = {"jwt_secret": SECRET.decode(), "api_keys": API_KEYS, "dev_file": None, **flags}
    return Authenticator(Settings(**{name: value for name, value in given.items() if value is not ...}))


def refused(credential: str, by: Authenticator | None = None) -> str:
    with pytest.raises(AuthError) as caught:
        (by or authenticator()).authenticate(credential, NOW)
    return caught.value.slug


@pytest.mark.clause("C7")
@pytest.mark.accept("C7")
def test_an_api_key_is_taken_wherever_a_token_is() -> None:
    both = authenticator()
    assert both.authenticate(KEY, NOW).role is Role.BOT
    assert both.authenticate(hs256(claims()), NOW).role is Role.DEVELOPER
    assert both.counts == {("api_key", "ok"): 1, ("jwt", "ok"): 1}


@pytest.mark.clause("C7")
@pytest.mark.parametrize("credential", ["", "a b", "ключ", "x" * 4_097, "a.b", "a.b.c.d", "ngk_" + "x" * 43, "é.b.c"])
def test_what_is_neither_is_refused(credential: str) -> None:
    assert refused(credential) == "token_invalid"


@pytest.mark.clause("C7")
def test_id2_a_credential_of_more_than_4096_characters_is_not_read() -> None:
    long = hs256(claims(padding="x" * 8_000_000))
    with pytest.raises(AuthError, match="at most 4096 characters"):
        authenticator().authenticate(long, NOW)


def test_refusals_are_counted_by_kind_and_reason() -> None:
    checked = authenticator()
    refused(hs256(claims(exp=NOW - 1)), checked)
    refused("unknown", checked)
    assert checked.counts == {("jwt", "token_expired"): 1, ("api_key", "token_invalid"): 1}


@pytest.mark.clause("C10")
def test_a_revoked_credential_is_refused_as_revoked() -> None:
    checked = authenticator()
    checked.revocations.revoke(Revocation("token", "key:ci", NOW, NOW + 10))
    checked.revocations.revoke(Revocation("subject", "ann", NOW, NOW + 10))
    assert refused(KEY, checked) == "token_revoked"
    assert refused(hs256(claims()), checked) == "token_revoked"
    assert checked.authenticate(hs256(claims(iat=NOW)), NOW).subject == "ann"


def test_a_token_without_iat_counts_as_issued_at_the_beginning() -> None:
    checked = authenticator()
    checked.revocations.revoke(Revocation("subject", "ann", NOW - 1_000_000, NOW + 10))
    assert refused(hs256(claims(iat=...)), checked) == "token_revoked"


def test_id9_who_guesses_is_stopped_before_anything_is_checked() -> None:
    checked = authenticator(login_failures=Rate(3, 1 / 3))
    for _ in range(3):
        assert checked.allow_failure("192.0.2.1", 100.0)
        checked.record_failure("192.0.2.1", 100.0)
    assert not checked.allow_failure("192.0.2.1", 102.9)
    assert checked.allow_failure("192.0.2.1", 103.0)
    assert checked.allow_failure("192.0.2.2", 100.0)


def test_id9_addresses_of_one_ipv6_network_are_one_guesser() -> None:
    checked = authenticator(login_failures=Rate(1, 1))
    checked.record_failure("2001:db8::1", 0.0)
    assert not checked.allow_failure("2001:db8::ffff", 0.0)
    assert checked.allow_failure("2001:db8:0:1::1", 0.0)


def test_a_sweep_forgets_what_has_lapsed() -> None:
    checked = authenticator(login_failures=Rate(1, 1))
    checked.record_failure("192.0.2.1", 0.0)
    checked.revocations.revoke(Revocation("token", "t", NOW, NOW + 10))
    checked.sweep(NOW + 10, 1.0)
    assert (len(checked.failures), len(checked.revocations)) == (0, 0)


def test_a_key_set_in_a_file_is_read_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(support.key_set(support.rsa_jwk()))
    checked = authenticator(jwt_secret=..., jwt_jwks=str(file))
    assert checked.authenticate(rs256(claims(), kid="r1"), NOW).subject == "ann"
    assert checked.is_ready


def test_an_issuer_may_be_held_to_one_algorithm_of_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(support.key_set(support.rsa_jwk(), support.ed25519_jwk()))
    checked = authenticator(issuers={"i": {"jwks": str(file), "algorithm": "EdDSA"}})
    assert checked.authenticate(eddsa(claims(iss="i"), kid="e1"), NOW).subject == "ann"
    assert refused(rs256(claims(iss="i"), kid="r1"), checked) == "token_invalid"


def test_a_key_set_without_a_key_for_the_algorithm_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(support.key_set(support.rsa_jwk()))
    with pytest.raises(ConfigError, match="expected at least one EdDSA key in the key set, came none"):
        authenticator(issuers={"i": {"jwks": str(file), "algorithm": "EdDSA"}})


def test_a_key_set_file_that_is_none_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{}")
    with pytest.raises(ConfigError, match="NG_JWT_JWKS: expected a key set in"):
        authenticator(jwt_secret=..., jwt_jwks=str(file))


def test_id3_an_address_that_was_not_fetched_yet_lets_nobody_in() -> None:
    checked = authenticator(jwt_secret=..., jwt_jwks="https://id.example/keys", jwt_issuer="i")
    assert not checked.is_ready
    assert refused(rs256(claims(iss="i"), kid="r1"), checked) == "token_invalid"


def test_issuers_of_the_file_have_keys_of_their_own() -> None:
    other = "o" * 40
    checked = authenticator(jwt_issuer="main", issuers={"other": {"secret": other}})
    assert checked.authenticate(hs256(claims(iss="other"), other.encode()), NOW).subject == "ann"
    assert refused(hs256(claims(iss="main"), other.encode()), checked) == "token_invalid"
    assert refused(hs256(claims(), other.encode()), checked) == "token_invalid"


@pytest.mark.clause("R7")
def test_who_was_let_in_by_a_key_is_nobody_any_more_where_that_key_is_not_accepted() -> None:
    """By another secret, under another issuer's name, or with no such issuer at all."""
    main, other = {"secret": "m" * 40}, {"secret": "o" * 40}
    before = authenticator(issuers={"main": main, "other": other})
    ann = before.authenticate(hs256(claims(iss="main"), b"m" * 40), NOW)
    assert authenticator(issuers={"main": main}).today(ann) == ann
    for issuers in ({"main": other}, {"other": main}, {"other": other}, {"main": {"secret": "M" * 40}}):
        assert authenticator(issuers=issuers).today(ann) is None


@pytest.mark.clause("R7")
def test_a_key_that_left_its_key_set_lets_nobody_resume(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(support.key_set(support.rsa_jwk(), support.ed25519_jwk()))
    flags: dict[str, Any] = {"jwt_secret": ..., "jwt_jwks": str(file)}
    by_rsa, by_ed25519 = (
        authenticator(**flags).authenticate(token, NOW)
        for token in (rs256(claims(), kid="r1"), eddsa(claims(), kid="e1"))
    )
    file.write_bytes(support.key_set(support.rsa_jwk("renamed")))
    now = authenticator(**flags)
    assert (now.today(by_rsa), now.today(by_ed25519)) == (by_rsa, None)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("text", "expected a table"),
        ({}, "expected either secret or jwks"),
        ({"secret": "s" * 40, "jwks": "x"}, "expected either secret or jwks"),
        ({"secret": "short"}, "expected at least 32 bytes, came 5"),
        ({"secret": "s" * 40, "audience": 7}, "expected the claim aud"),
        ({"secret": "s" * 40, "algorithm": "HS512"}, "algorithm: expected HS256 with its keys, came 'HS512'"),
        ({"secret": "s" * 40, "algorithm": "RS256"}, "algorithm: expected HS256 with its keys, came 'RS256'"),
        ({"jwks": "x", "algorithm": "HS256"}, "algorithm: expected RS256 or EdDSA with its keys, came 'HS256'"),
        ({"jwks": "x", "algorithm": ["RS256"]}, "algorithm: expected RS256 or EdDSA"),
        ({"secret": "s" * 40, "colour": "red"}, "expected a table with secret or jwks, audience, algorithm"),
    ],
)
def test_a_wrong_issuer_stops_the_start(table: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"issuers\.x.*{message}"):
        authenticator(issuers={"x": table})
