"""API keys: `ngk_` and 32 random bytes, kept as SHA-256, found by their hash (hardening.md 3.4)."""

import base64
import datetime
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from channels.buckets import Rate
from channels.errors import ConfigError
from channels.permissions import Role
from hub.auth.identity import AuthError, Identity, invalid, name_of
from hub.quantities import read_rate

PREFIX = "ngk_"
_KNOWN = {"sha256", "role", "subject", "expires_at", "rates"}
_BUCKETS = {"ping", "subscribe", "unsubscribe", "publish", "emit", "default"}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the settings file holds it."""

    name: str
    digest: bytes
    role: Role
    subject: str
    expires_at: float | None = None
    rates: Mapping[str, Rate] = field(default_factory=dict)

    @property
    def identity(self) -> Identity:
        """Who bears it; its name is what a revocation names."""
        return Identity(
            self.subject, self.role, self.expires_at, name_of(f"key:{self.name}"), "api_key", 0.0, self.rates
        )


class ApiKeys:
    """The keys by hash."""

    def __init__(self, keys: Mapping[bytes, ApiKey]) -> None:
        self._keys = keys

    def expiry_of(self, token_id: str) -> float | None:
        """When the key that identities call `token_id` expires; None if it never does or there is none."""
        return next((key.expires_at for key in self._keys.values() if key.identity.token_id == token_id), None)

    def today(self, identity: Identity) -> Identity | None:
        """What the key of `identity` gives now; None if there is no such key of that subject any more."""
        found = (key.identity for key in self._keys.values() if key.identity.token_id == identity.token_id)
        return next((known for known in found if known.subject == identity.subject), None)

    def authenticate(self, key: str, now: float) -> Identity:
        """Identity of the bearer; the table is searched by hash and the hash compared in constant time."""
        digest = digest_of(key)
        found = self._keys.get(digest)
        if found is None or not hmac.compare_digest(found.digest, digest):
            raise invalid("the API key is not known")
        if found.expires_at is not None and found.expires_at <= now:
            raise AuthError("token_expired", "the API key has expired")
        return found.identity


def digest_of(key: str) -> bytes:
    """What is kept of a key; its 256 random bits make a slow hash needless."""
    return hashlib.sha256(key.encode()).digest()


def new_key() -> str:
    """A fresh key, to be shown once."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


def read_api_keys(tables: Mapping[str, Any]) -> ApiKeys:
    """Keys of the `[api_keys.NAME]` tables; `ConfigError` names the table, what was expected and what came."""
    keys = [_read(name, table) for name, table in tables.items()]
    by_digest = {key.digest: key for key in keys}
    if len(by_digest) != len(keys):
        raise ConfigError("api_keys: expected a hash of its own for each key, came one twice")
    return ApiKeys(by_digest)


def _read(name: str, table: Any) -> ApiKey:
    where = f"api_keys.{name}"
    if not isinstance(table, dict) or set(table) - _KNOWN:
        raise ConfigError(f"{where}: expected a table with {', '.join(sorted(_KNOWN))}, came {_names(table)}")
    return ApiKey(
        name,
        _digest(where, table.get("sha256")),
        _role(where, table.get("role")),
        _text(where, table.get("subject", name)),
        _time(where, table.get("expires_at")),
        _rates(where, table.get("rates", {})),
    )


def _names(table: Any) -> str:
    return ", ".join(table) if isinstance(table, dict) else type(table).__name__


def _digest(where: str, value: Any) -> bytes:
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return bytes.fromhex(value)
    raise ConfigError(f"{where}.sha256: expected 64 hexadecimal digits (neurograph-hub keys new), came something else")


def _role(where: str, value: Any) -> Role:
    try:
        return Role.parse(value)
    except (ValueError, TypeError, AttributeError):
        expected = ", ".join(role.value for role in Role)
        raise ConfigError(f"{where}.role: expected one of {expected}, came {value!r}") from None


def _text(where: str, value: Any) -> str:
    if isinstance(value, str) and 0 < len(value.encode()) <= 256:
        return value
    raise ConfigError(f"{where}.subject: expected 1 to 256 bytes of text, came {value!r}")


def _time(where: str, value: Any) -> float | None:
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return value
    if isinstance(value, datetime.datetime):
        return (
            value.astimezone(datetime.UTC).timestamp()
            if value.tzinfo
            else value.replace(tzinfo=datetime.UTC).timestamp()
        )
    raise ConfigError(f"{where}.expires_at: expected a date and time, or seconds since 1970, came {value!r}")


def _rates(where: str, value: Any) -> dict[str, Rate]:
    if not isinstance(value, dict) or set(value) - _BUCKETS:
        raise ConfigError(f"{where}.rates: expected a table with {', '.join(sorted(_BUCKETS))}, came {_names(value)}")
    try:
        return {bucket: read_rate(rate) for bucket, rate in value.items()}
    except ValueError as error:
        raise ConfigError(f"{where}.rates: {error}") from None
