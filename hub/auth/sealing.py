"""Sealed texts: what the hub gives away and wants back unread and unchanged (R2, hardening.md 3.5).

AES-256-GCM under a key of the deployment. The form is base64url of: version (1 byte), key id (4), nonce (12), sealed
bytes with their tag. Nodes and restarts that hold the same secrets open each other's seals; the newest key seals, all
of them open.
"""

import base64
import binascii
import os
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

VERSION = b"\x01"
_KEY_ID = 4
_NONCE = 12
_TAG = 16
_HEAD = len(VERSION) + _KEY_ID
_FORM = re.compile("[A-Za-z0-9_-]+")
_PURPOSE = b"ng-ws reconnection token v1"


class SealError(Exception):
    """Not sealed by any key held here, or changed since."""


class Sealer:
    """Seals under the first of `secrets` and opens what any of them sealed. Secrets hold 32 bytes or more."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        keys = [(_derive(secret, b"id", _KEY_ID), AESGCM(_derive(secret, b"key", 32))) for secret in secrets]
        if not keys:
            raise ValueError("expected at least one secret, came none")
        self._newest = keys[0]
        self._keys = dict(reversed(keys))

    def seal(self, data: bytes) -> str:
        """`data` as text of `[A-Za-z0-9_-]`."""
        key_id, key = self._newest
        head, nonce = VERSION + key_id, os.urandom(_NONCE)
        return base64.urlsafe_b64encode(head + nonce + key.encrypt(nonce, data, head)).rstrip(b"=").decode()

    def open(self, text: str) -> bytes:
        """What was sealed; raises `SealError`."""
        if not _FORM.fullmatch(text):
            raise SealError("no sealed text")
        try:
            raw = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), b"-_", validate=True)
        except binascii.Error:
            raise SealError("no sealed text") from None
        head, nonce, sealed = raw[:_HEAD], raw[_HEAD : _HEAD + _NONCE], raw[_HEAD + _NONCE :]
        key = self._keys.get(head[len(VERSION) :])
        if key is None or head[: len(VERSION)] != VERSION or len(sealed) < _TAG:
            raise SealError("sealed by nobody known here")
        try:
            return key.decrypt(nonce, sealed, head)
        except InvalidTag:
            raise SealError("the seal is broken") from None

    def __repr__(self) -> str:
        return f"<Sealer {len(self._keys)} keys>"


def fingerprint(secret: bytes) -> str:
    """Tells whether two nodes hold the same secret, and nothing of the secret itself."""
    return _derive(secret, b"fingerprint", 8).hex()


def _derive(secret: bytes, part: bytes, length: int) -> bytes:
    """A key of its own for this purpose: the secret may serve others too (`NG_JWT_SECRET`)."""
    return HKDF(SHA256(), length, salt=None, info=_PURPOSE + b" " + part).derive(secret)
