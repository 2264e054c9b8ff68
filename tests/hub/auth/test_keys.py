"""hub/auth/keys.py: which keys of a key set are taken."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from hub.auth.keys import Key, KeySetError, read_key_set
from tests.hub.auth.support import b64, ed25519_jwk, key_set, rsa_jwk


def test_each_key_is_bound_to_its_algorithm() -> None:
    found = read_key_set(key_set(rsa_jwk(), ed25519_jwk()))
    assert {kid: key.algorithm for kid, key in found.items()} == {"r1": "RS256", "e1": "EdDSA"}


@pytest.mark.parametrize(
    "foreign",
    [
        {"kty": "oct", "k": b64(b"s" * 32), "alg": "HS256", "kid": "x"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "x"},
        rsa_jwk("x", use="enc"),
        rsa_jwk("x", alg="RS512"),
        rsa_jwk("x", alg="HS256"),
        ed25519_jwk("x", alg="ES256"),
        rsa_jwk("x", generate_private_key(65_537, 1_024)),
        {**rsa_jwk("x"), "n": b64(b"\xff" * 2_000)},
        {**rsa_jwk("x"), "e": "AQ"},
        {**rsa_jwk("x"), "n": 7},
        {**ed25519_jwk("x"), "x": "AA"},
        {"kty": "RSA", "kid": "x"},
        {**rsa_jwk(None), "kid": 7},
        "text",
        None,
    ],
)
def test_id1_what_is_no_public_signing_key_of_ours_is_left_out(foreign: Any) -> None:
    assert list(read_key_set(key_set(rsa_jwk("good"), foreign))) == ["good"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"<html>", "expected a JSON key set"),
        (b"[]", "came something else"),
        (b'{"keys":{}}', "came something else"),
        (b'{"keys":[]}', "came none"),
        (json.dumps({"keys": [{}] * 33}).encode(), "at most 32 keys, came 33"),
    ],
)
def test_id3_what_is_no_key_set_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(KeySetError, match=message):
        read_key_set(text)


def test_a_key_does_not_show_itself() -> None:
    assert repr(Key("HS256", b"secret-secret")) == "<Key HS256>"
