"""hub/auth/tokens.py: which JSON Web Tokens hold (C9; hardening.md id1, id2)."""

import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from channels.permissions import Role
from hub.auth.identity import AuthError, Identity, name_of
from hub.auth.jwks import KeySet, SecretKey
from hub.auth.tokens import Issuer, KeySource, TokenReader
from tests.hub.auth import support
from tests.hub.auth.support import NOW, SECRET, claims, eddsa, hs256, raw_hs256, rs256, unsigned


def loaded(*keys: dict[str, Any]) -> KeySet:
    found = KeySet("test", lambda: support.key_set(*keys), lambda: 0.0)
    found.load()
    return found


def reader(keys: KeySource | None = None, name: str | None = None, audience: str | None = None) -> TokenReader:
    return TokenReader({name: Issuer(name, audience, keys or SecretKey(SECRET))})


def refused(token: str, by: TokenReader | None = None) -> str:
    with pytest.raises(AuthError) as caught:
        (by or reader()).read(token, NOW)
    return caught.value.slug


@pytest.mark.clause("C9")
@pytest.mark.accept("C1")
def test_a_good_token_says_who_its_bearer_is() -> None:
    identity = reader().read(hs256(claims(jti="t1")), NOW)
    assert replace(identity, signer=None) == Identity("ann", Role.DEVELOPER, NOW + 60, "t1", "jwt", NOW - 1)


@pytest.mark.clause("R2")
def test_an_id_that_is_long_is_known_by_its_hash_for_it_goes_into_every_reconnection_token() -> None:
    ids = [reader().read(hs256(claims(jti=jti)), NOW).token_id or "" for jti in ("j" * 2_000, "j" * 2_001, "j" * 128)]
    assert [len(one) for one in ids] == [39, 39, 128]
    assert ids[0] == name_of("j" * 2_000) != ids[1]


@pytest.mark.accept("C1")
@pytest.mark.parametrize("token", [rs256(claims(), kid="r1"), eddsa(claims(), kid="e1")])
def test_tokens_of_public_keys_hold(token: str) -> None:
    keys = loaded(support.rsa_jwk(), support.ed25519_jwk())
    assert reader(keys).read(token, NOW).subject == "ann"


@pytest.mark.accept("C8")
@pytest.mark.parametrize(("alias", "role"), [("user", Role.DEVELOPER), ("readonly", Role.VIEWER), ("bot", Role.BOT)])
def test_roles_may_be_called_by_their_aliases(alias: str, role: Role) -> None:
    assert reader().read(hs256(claims(role=alias)), NOW).role is role


def test_a_token_without_jti_is_named_by_its_hash() -> None:
    first, second = (reader().read(hs256(claims(sub=sub)), NOW).token_id for sub in ("ann", "bob"))
    assert first is not None
    assert first.startswith("sha256:")
    assert first != second


# --- id1: algorithms and keys


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
def test_id1_an_unsigned_token_is_refused(alg: str) -> None:
    assert refused(unsigned(claims(), alg)) == "token_invalid"


def public_key_forms() -> dict[str, bytes]:
    public = support.RSA.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "pem": pem,
        "mutated pem": b" " + pem.replace(b"\n", b"\r\n"),
        "pkcs1": public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1),
        "der": public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(support.rsa_jwk()).encode(),
    }


@pytest.mark.parametrize("form", public_key_forms())
def test_id1_a_public_key_is_no_hmac_secret(form: str) -> None:
    forged = hs256(claims(), public_key_forms()[form], kid="r1")
    assert refused(forged, reader(loaded(support.rsa_jwk()))) == "token_invalid"


@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c"])
def test_id1_keys_in_the_header_are_refused(member: str) -> None:
    value: Any = support.rsa_jwk() if member == "jwk" else "https://evil.example/keys"
    assert refused(hs256(claims(), **{member: value})) == "token_invalid"


@pytest.mark.parametrize("alg", ["HS384", "HS512", "RS256", "ES256"])
def test_id1_only_the_algorithm_of_the_key_counts(alg: str) -> None:
    assert refused(raw_hs256({"alg": alg, "typ": "JWT"}, claims(), SECRET)) == "token_invalid"


def test_id1_a_wrong_or_missing_signature_is_refused() -> None:
    head, body, _ = hs256(claims()).split(".")
    assert refused(hs256(claims(), b"x" * 32)) == "token_invalid"
    assert refused(f"{head}.{body}.") == "token_invalid"


# --- id2: claims


@pytest.mark.clause("C9")
@pytest.mark.parametrize("missing", ["exp", "sub", "role"])
def test_id2_a_token_that_lacks_a_claim_is_refused(missing: str) -> None:
    assert refused(hs256(claims(**{missing: ...}))) == "token_invalid"


def test_id2_a_token_expires_at_its_exp() -> None:
    assert refused(hs256(claims(exp=NOW))) == "token_expired"
    assert reader().read(hs256(claims(exp=NOW + 0.5)), NOW).expires_at == NOW + 0.5


@pytest.mark.clause("C9")
@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_id2_a_clock_may_be_thirty_seconds_ahead_and_no_more(claim: str) -> None:
    assert reader().read(hs256(claims(**{claim: NOW + 30})), NOW).subject == "ann"
    assert refused(hs256(claims(**{claim: NOW + 31}))) == "token_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": "1900000000"},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": [NOW + 60]},
        {"exp": None},
        {"iat": "now"},
        {"nbf": {}},
        {"sub": 7},
        {"sub": ""},
        {"sub": ["ann"]},
        {"sub": "x" * 257},
        {"role": "root"},
        {"role": ["admin"]},
        {"role": None},
        {"role": {"admin": True}},
    ],
)
def test_id2_claims_of_another_type_or_range_are_refused(changes: dict[str, Any]) -> None:
    assert refused(hs256(claims(**changes))) == "token_invalid"


@pytest.mark.parametrize("audience", [..., "hub2", "Hub", "hu", "hub ", ["other"], [], 7, None])
def test_id2_a_token_for_somebody_else_is_refused(audience: Any) -> None:
    assert refused(hs256(claims(aud=audience)), reader(audience="hub")) == "token_invalid"


@pytest.mark.parametrize("audience", ["hub", ["other", "hub"]])
def test_a_token_for_this_hub_holds(audience: Any) -> None:
    assert reader(audience="hub").read(hs256(claims(aud=audience)), NOW).subject == "ann"


@pytest.mark.parametrize("issuer", [..., "https://id.example/", "https://ID.example", "https://evil.example", 7, None])
def test_id2_a_token_of_another_issuer_is_refused(issuer: Any) -> None:
    assert refused(hs256(claims(iss=issuer)), reader(name="https://id.example")) == "token_invalid"


def test_id3_two_issuers_with_one_kid_keep_to_their_own_keys() -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    other = generate_private_key(65_537, 2_048)
    names = {"a": support.RSA, "b": other}
    two = TokenReader({name: Issuer(name, None, loaded(support.rsa_jwk("k", key))) for name, key in names.items()})
    assert two.read(rs256(claims(iss="b"), other, kid="k"), NOW).subject == "ann"
    assert refused(rs256(claims(iss="a"), other, kid="k"), two) == "token_invalid"


@pytest.mark.parametrize("header", [{"crit": ["x"]}, {"crit": []}, {"crit": ["b64"], "b64": False}, {"crit": None}])
def test_id2_critical_extensions_are_refused(header: dict[str, Any]) -> None:
    assert refused(hs256(claims(), **header)) == "token_invalid"


@pytest.mark.parametrize("kind", ["resume+jwt", "JWE", 7, "jwt "])
def test_id2_tokens_of_another_type_are_no_access_tokens(kind: Any) -> None:
    assert refused(hs256(claims(), typ=kind)) == "token_invalid"


@pytest.mark.parametrize("kind", ["JWT", "at+jwt"])
def test_access_tokens_say_so(kind: str) -> None:
    assert reader().read(hs256(claims(), typ=kind), NOW).subject == "ann"


@pytest.mark.parametrize("payload", [[], "text", 7, None, [[[[]]]]])
def test_id2_a_payload_that_is_no_object_is_refused(payload: Any) -> None:
    assert refused(raw_hs256({"alg": "HS256", "typ": "JWT"}, payload, SECRET)) == "token_invalid"


@pytest.mark.parametrize(
    "text", ["a.b.c", "...", "e30.e30.", "", "e30.e30.e30.e30", support.b64(b"[" * 1_000) + ".e30.e30"]
)
def test_id2_what_is_no_token_is_refused(text: str) -> None:
    assert refused(text) == "token_invalid"


def test_id2_deep_nesting_is_refused() -> None:
    deep = support.b64(b'{"a":' + b"[" * 2_500 + b"]" * 2_500 + b"}")
    head = support.b64(b'{"alg":"HS256"}')
    assert refused(f"{head}.{deep}.AAAA") == "token_invalid"


def test_a_refusal_repeats_nothing_of_the_token() -> None:
    token = hs256(claims(role="sEcReT-role", sub="sEcReT-sub"))
    with pytest.raises(AuthError) as caught:
        reader().read(token, NOW)
    assert "sEcReT" not in str(caught.value)
