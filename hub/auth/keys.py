"""Keys that check tokens. A key carries its one algorithm; what a token says of algorithms is only compared with it."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Algorithm = Literal["HS256", "RS256", "EdDSA"]

MAX_KEYS = 32
MIN_RSA_BITS = 2_048
MAX_RSA_BITS = 8_192


@dataclass(frozen=True, slots=True)
class Key:
    """Material and the algorithm it is for."""

    algorithm: Algorithm
    material: bytes | RSAPublicKey | Ed25519PublicKey
    fingerprint: bytes = field(init=False, repr=False, compare=False)
    """The same for the same key, whatever it is called."""

    def __post_init__(self) -> None:
        material = self.material
        if not isinstance(material, bytes):
            material = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        object.__setattr__(self, "fingerprint", hashlib.sha256(self.algorithm.encode() + b"\0" + material).digest())

    def __repr__(self) -> str:
        return f"<Key {self.algorithm}>"


class KeySetError(ValueError):
    """A key set that is not what it should be."""


def read_key_set(text: bytes) -> dict[str | None, Key]:
    """Keys of a JWKS by `kid`; what is no public signing key of ours is left out.

    Only public members are read, so a private key that was published by mistake checks and never signs; symmetric keys
    (`oct`) are left out, because asymmetric ones and HMAC never share a list (hardening 3.1).
    """
    keys = dict(_signing_keys(_key_tables(text)))
    if not keys:
        raise KeySetError("expected at least one RSA or Ed25519 signing key in the key set, came none")
    return keys


def _key_tables(text: bytes) -> list[Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise KeySetError(f"expected a JSON key set: {error}") from None
    tables = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(tables, list):
        raise KeySetError('expected {"keys": [...]}, came something else')
    if len(tables) > MAX_KEYS:
        raise KeySetError(f"expected at most {MAX_KEYS} keys, came {len(tables)}")
    return tables


def _signing_keys(tables: list[Any]) -> Iterator[tuple[str | None, Key]]:
    for table in tables:
        key = _read_key(table) if isinstance(table, dict) and table.get("use", "sig") == "sig" else None
        kid = table.get("kid") if isinstance(table, dict) else None
        if key is not None and (kid is None or isinstance(kid, str)):
            yield kid, key


def _read_key(table: Mapping[str, Any]) -> Key | None:
    algorithm = table.get("alg")
    try:
        if table.get("kty") == "RSA" and algorithm in (None, "RS256"):
            return _rsa_key(table)
        if table.get("kty") == "OKP" and table.get("crv") == "Ed25519" and algorithm in (None, "EdDSA", "Ed25519"):
            return Key("EdDSA", Ed25519PublicKey.from_public_bytes(_bytes(table["x"])))
    except (KeyError, ValueError, TypeError):
        return None
    return None


def _rsa_key(table: Mapping[str, Any]) -> Key | None:
    modulus, exponent = int.from_bytes(_bytes(table["n"])), int.from_bytes(_bytes(table["e"]))
    if not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS or exponent not in (3, 65_537):
        return None
    return Key("RS256", RSAPublicNumbers(exponent, modulus).public_key())


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
