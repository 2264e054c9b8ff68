"""Tokens and keys as an issuer, or an attacker, would make them."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

NOW = 1_800_000_000.0
SECRET = b"q7Zr0V1mXc9LkT3bN5yHs8JdW2fGpAeU"
RSA: RSAPrivateKey = generate_private_key(65_537, 2_048)
ED25519 = Ed25519PrivateKey.generate()


def claims(**changes: Any) -> dict[str, Any]:
    """Claims of a good token; a change to `...` leaves one out."""
    base = {"sub": "ann", "role": "developer", "exp": NOW + 60, "iat": NOW - 1}
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def hs256(payload: dict[str, Any], secret: bytes = SECRET, **header: Any) -> str:
    """Signed with a secret, without the library's checks of what is signed."""
    return raw_hs256({"alg": "HS256", "typ": "JWT", **header}, payload, secret)


def raw_hs256(header: dict[str, Any], payload: Any, secret: bytes) -> str:
    """A token of any header, signed by HMAC-SHA-256."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(payload).encode())}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def unsigned(payload: dict[str, Any], alg: str = "none") -> str:
    return f"{b64(json.dumps({'alg': alg, 'typ': 'JWT'}).encode())}.{b64(json.dumps(payload).encode())}."


def rs256(payload: dict[str, Any], key: RSAPrivateKey = RSA, **header: Any) -> str:
    return jwt.encode(payload, key, algorithm="RS256", headers=header)


def eddsa(payload: dict[str, Any], key: Ed25519PrivateKey = ED25519, **header: Any) -> str:
    return jwt.encode(payload, key, algorithm="EdDSA", headers=header)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def rsa_jwk(kid: str | None = "r1", key: RSAPrivateKey = RSA, **members: Any) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8)
    return _named({"kty": "RSA", "n": b64(modulus), "e": b64(numbers.e.to_bytes(3)), **members}, kid)


def ed25519_jwk(kid: str | None = "e1", key: Ed25519PrivateKey = ED25519, **members: Any) -> dict[str, Any]:
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return _named({"kty": "OKP", "crv": "Ed25519", "x": b64(public), **members}, kid)


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def _named(table: dict[str, Any], kid: str | None) -> dict[str, Any]:
    return table if kid is None else {**table, "kid": kid}
