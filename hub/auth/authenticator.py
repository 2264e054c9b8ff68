"""The one place where a credential becomes an identity."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from channels.errors import ConfigError
from hub.auth.api_keys import ApiKeys, read_api_keys
from hub.auth.failures import FailureBook
from hub.auth.identity import AuthError, Identity, invalid
from hub.auth.jwks import KeySet, SecretKey, reader_of
from hub.auth.revocation import Revocations
from hub.auth.tokens import Issuer, TokenReader
from hub.auth.verified import VerifiedTokens
from hub.config import Settings
from hub.refusals import SECRET_BYTES

MAX_CREDENTIAL = 4_096
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_API_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ALGORITHMS = {"secret": ("HS256",), "jwks": ("RS256", "EdDSA")}
"""What keys of each family sign with: a token never chooses between the two (hardening 3.1)."""
DEVELOPMENT_ISSUER = "neurograph-hub"
"""Who signs the tokens of development when the settings' own issuer is somebody else's key set."""


class Authenticator:
    """Checks credentials by the settings' keys; synchronous and without any I/O (hardening 3.3)."""

    def __init__(self, settings: Settings, development_secret: bytes | None = None) -> None:
        self.issuers = _issuers(settings, development_secret)
        self.revocations = Revocations()
        self._is_open = settings.anonymous
        self.failures = FailureBook(settings.login_failures)
        self.counts: Counter[tuple[str, str]] = Counter()
        """(kind, result) -> logins: `auth_total`."""
        self.verified = VerifiedTokens(settings.verified_tokens)
        self._tokens = TokenReader(self.issuers, self.verified)
        self._api_keys: ApiKeys = read_api_keys(settings.api_keys)
        self._tasks: list[asyncio.Task[None]] = []

    def authenticate(self, credential: str, now: float) -> Identity:
        """Identity of the bearer; raises `AuthError`. `now`: seconds of the wall clock."""
        kind = _kind_of(credential)
        try:
            identity = self.identify(credential, now)
        except AuthError as error:
            self.counts[kind, error.slug] += 1
            raise
        self.counts[kind, "ok"] += 1
        return identity

    def identify(self, credential: str, now: float) -> Identity:
        """`authenticate` without counting."""
        if len(credential) > MAX_CREDENTIAL:
            raise invalid(f"expected a credential of at most {MAX_CREDENTIAL} characters, came {len(credential)}")
        if _kind_of(credential) == "jwt":
            identity = self._tokens.read(credential, now)
        elif _API_KEY.fullmatch(credential):
            identity = self._api_keys.authenticate(credential, now)
        else:
            raise invalid("expected a JSON Web Token or an API key, came neither")
        if self.revocations.is_revoked(identity):
            raise AuthError("token_revoked", "the credential has been revoked")
        return identity

    def allow_failure(self, address: str, now: float) -> bool:
        """Whether a credential from `address` may be looked at: it could afford to fail. `now`: monotonic."""
        return self.failures.wait(address, now) == 0.0

    def record_failure(self, address: str, now: float) -> None:
        """A credential from `address` was refused."""
        self.failures.failed(address, now)

    def is_revoked(self, identity: Identity, session: str | None = None) -> bool:
        """Whether a revocation covers somebody who is already in."""
        return self.revocations.is_revoked(identity, session)

    def expiry_of(self, token_id: str) -> float | None:
        """When the credential of that id ends by itself; None if it never does or nothing is known of it."""
        return self._api_keys.expiry_of(token_id)

    def today(self, identity: Identity) -> Identity | None:
        """Who the bearer of a credential that was good before is by the present settings (R7); None: nobody."""
        if identity.kind == "anonymous":
            return identity if self._is_open else None
        if identity.kind == "api_key":
            return self._api_keys.today(identity)
        return identity if self._tokens.accepts(identity.signer) else None

    @property
    def is_ready(self) -> bool:
        """Whether every key set has keys that may be used."""
        return all(key_set.is_loaded for key_set in self._key_sets())

    async def start(self) -> None:
        """Load key sets of files at once (a wrong one stops the start) and keep all of them fresh."""
        self._tasks = [asyncio.create_task(key_set.run(), name=f"jwks {key_set.name}") for key_set in self._key_sets()]

    async def stop(self) -> None:
        """End the timers."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def sweep(self, now_wall: float, now: float) -> None:
        """Once a second: forget what has lapsed."""
        self.revocations.sweep(now_wall)
        self.verified.sweep(now_wall)
        self.failures.sweep(now)

    def _key_sets(self) -> list[KeySet]:
        return [issuer.keys for issuer in self.issuers.values() if isinstance(issuer.keys, KeySet)]


def _kind_of(credential: str) -> str:
    """C7: three base64url parts joined by dots are a JWT, anything else is an API key."""
    return "jwt" if _JWT.fullmatch(credential[: MAX_CREDENTIAL + 1]) else "api_key"


def development_names(settings: Settings) -> tuple[str | None, str | None]:
    """`iss` and `aud` of the development issuer: the settings' own, unless those belong to a key set."""
    return (DEVELOPMENT_ISSUER, None) if settings.jwt_jwks else (settings.jwt_issuer, settings.jwt_audience)


def _issuers(settings: Settings, development_secret: bytes | None) -> dict[str | None, Issuer]:
    found = [_read_issuer(name, table, settings) for name, table in settings.issuers.items()]
    name, audience = settings.jwt_issuer, settings.jwt_audience
    if settings.jwt_secret:
        found.append(Issuer(name, audience, SecretKey(settings.jwt_secret.get_secret_value().encode())))
    elif settings.jwt_jwks:
        found.append(Issuer(name, audience, _key_set(name or "jwks", settings.jwt_jwks)))
    if development_secret is not None and not settings.jwt_secret:
        found.append(Issuer(*development_names(settings), SecretKey(development_secret)))
    issuers = {issuer.name: issuer for issuer in found}
    if len(issuers) != len(found):
        raise ConfigError("issuers: expected each name once, came one twice (NG_JWT_ISSUER and [issuers] together)")
    return issuers


def _read_issuer(name: str, table: Any, settings: Settings) -> Issuer:
    where = f"issuers.{name}"
    if not isinstance(table, Mapping) or set(table) - {"secret", "jwks", "audience", "algorithm"}:
        raise ConfigError(f"{where}: expected a table with secret or jwks, audience, algorithm, came something else")
    if ("secret" in table) == ("jwks" in table):
        raise ConfigError(f"{where}: expected either secret or jwks: each issuer has one family of keys")
    audience = table.get("audience")
    if not isinstance(audience, str | None) or (settings.is_production and not audience):
        raise ConfigError(f"{where}.audience: expected the claim aud of its tokens, came {audience!r}")
    algorithm, family = table.get("algorithm"), _ALGORITHMS["jwks" if "jwks" in table else "secret"]
    if algorithm is not None and algorithm not in family:
        raise ConfigError(f"{where}.algorithm: expected {' or '.join(family)} with its keys, came {algorithm!r}")
    if "jwks" in table:
        return Issuer(name, audience, _key_set(name, str(table["jwks"]), algorithm))
    secret = str(table["secret"]).encode()
    if len(secret) < SECRET_BYTES:
        raise ConfigError(f"{where}.secret: expected at least {SECRET_BYTES} bytes, came {len(secret)}")
    return Issuer(name, audience, SecretKey(secret))


def _key_set(name: str, source: str, algorithm: str | None = None) -> KeySet:
    """A set from a file is read now, so that a wrong path stops the start; an address is fetched by the timer."""
    key_set = KeySet(name, reader_of(source), algorithm=algorithm)
    if not source.startswith("https://"):
        try:
            key_set.load()
        except (OSError, ValueError) as error:
            raise ConfigError(f"NG_JWT_JWKS: expected a key set in {source!r}: {error}") from error
    return key_set
